package web

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz/provider"
	"hopnhat/authz/session"
	"hopnhat/keys/costtest"
	"hopnhat/keys/seal"
	"hopnhat/web/certificate"
)

// bare is the whole server with nothing behind its routes.
func bare(t *testing.T) (address string) {
	t.Helper()
	s := naked(nil)
	return listening(t, s, s.Serve)
}

func naked(certificate *certificate.Pair) *Server {
	o := nothingBehind()
	o.Certificate = certificate
	return New(o)
}

// nothingBehind is a server without anything behind it: whoever gets past the first
// check finds nothing there.
func nothingBehind() Options {
	p := &provider.Provider{}
	return Options{
		Issuer: "https://id.example", Published: p, Requests: p, Answers: p, Approvals: p, EndSession: p,
		Endpoints: Endpoints{
			PAR: p.PAR, Token: p.Token, Device: p.Device, Backchannel: p.Backchannel, UserInfo: p.UserInfo, Grant: p.Grant,
			Introspect: p.Introspect, Revoke: p.Revoke, Broker: http.NotFound,
		},
		Sessions: session.New(nil, nil, session.Limits{}, true, time.Now), Forms: session.NewForms(seal.New(seal.Forms, []byte("key"))),
		Metrics: http.NotFoundHandler(), Now: time.Now,
	}
}

// listening serves on a port of its own until the test is over.
func listening(t *testing.T, s *Server, serve func(net.Listener) error) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() { _ = serve(l) })
	t.Cleanup(func() { _ = l.Close(); _ = s.app.Shutdown(); done.Wait() })
	return l.Addr().String()
}

func zipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return out.String()
}

func numbered(n int, format string) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, format, i)
	}
	return out.String()
}

// TestRequestsAreBounded sends what is worst to take apart, each as large as the
// server lets in.
func TestRequestsAreBounded(t *testing.T) {
	const form, packed = "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Encoding: gzip\r\n"
	part := "--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nx\r\n"
	long := strings.Repeat("a=%41&", 5200)
	rows := []struct {
		name, method, target, header, body string
		status                             int
	}{
		{"RFC 9110 §15.5.16: a body that unpacks to 64 MiB", "POST", "/signin", packed + "Content-Type: multipart/form-data; boundary=b\r\n", zipped(strings.Repeat(part, 1<<20) + "--b--\r\n")[:100<<10], 415},
		{"RFC 9110 §15.5.16: a form that is packed", "POST", "/token", packed + form, zipped(strings.Repeat("a", 1<<20)), 415},
		{"RFC 9110 §15.5.16: a form in parts", "POST", "/signin", "Content-Type: Multipart/Form-Data; boundary=b\r\n", strings.Repeat(part, 2000) + "--b--\r\n", 415},
		{"a page's form of many fields", "POST", "/signin", form, numbered(16<<10, "a%d&"), 413},
		{"a page's form of one field, many times", "POST", "/consent", form, strings.Repeat("item=1&", 16<<10), 413},
		{"a client's form of many fields", "POST", "/token", form, numbered(16<<10, "a%d&"), 413},
		{"a page's form of one long value", "POST", "/signin", form, "csrf=" + strings.Repeat("%41", 40<<10), 403},
		{"a query of many parameters", "GET", "/signin?" + long, "", "", 413},
		{"a query of one long value", "GET", "/nowhere?a=" + strings.Repeat("%22", 10000), "", "", 404},
		{"a long path", "GET", "/" + strings.Repeat("%2e/", 7500), "", "", 404},
		{"RFC 6749 §3.1: an authorization request of many parameters", "GET", "/authorize?" + long, "", "", 413},
		{"many headers", "GET", "/nowhere", numbered(3000, "x%d: 1\r\n"), "", 413},
		{"many cookies", "GET", "/nowhere", "Cookie: " + numbered(4000, "a%d=1;") + "\r\n", "", 413},
		{"many cookie headers", "GET", "/nowhere", strings.Repeat("Cookie: a=1\r\n", 90), "", 413},
		{"many languages", "GET", "/nowhere", "Accept-Language: " + strings.Repeat("vi;q=0.1,", 3300) + "\r\n", "", 404},
		{"a body that is no form", "POST", "/register", "Content-Type: application/json\r\n", strings.Repeat("[", 120<<10), 404},
		{"a body longer than any", "POST", "/token", form, strings.Repeat("a", 200<<10), 413},
		{"a header longer than any", "GET", "/", "A: " + strings.Repeat("a", 40<<10) + "\r\n", "", 413},
	}
	address := bare(t)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			request := []byte(row.method + " " + row.target + " HTTP/1.1\r\nHost: id.example\r\nConnection: close\r\n" + row.header +
				"Content-Length: " + strconv.Itoa(len(row.body)) + "\r\n\r\n" + row.body)
			answer := make([]byte, 512<<10)
			var got string
			costtest.Bounded(t, len(request), func() {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_, _ = conn.Write(request) // who refuses early reads no more
				n, _ := io.ReadFull(conn, answer)
				got = string(answer[:n])
			})
			if !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", row.status)) {
				t.Fatalf("got %.120q, want status %d", got, row.status)
			}
			if len(got) > len(request)*8+64<<10 {
				t.Fatalf("%d bytes were answered with %d", len(request), len(got))
			}
		})
	}
}

// TestOrdinaryRequestsPass: browsers behind proxies send dozens of headers, and
// other parts of a domain leave cookies.
func TestOrdinaryRequestsPass(t *testing.T) {
	r, err := http.NewRequest(http.MethodGet, "http://"+bare(t)+"/nowhere?"+numbered(100, "a%d=1&"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		r.Header.Set("X-"+strconv.Itoa(i), "1")
	}
	r.Header.Set("Cookie", numbered(50, "a%d=1; "))
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	got.Body.Close()
	if got.StatusCode != http.StatusNotFound {
		t.Fatalf("got %d, want 404", got.StatusCode)
	}
}
