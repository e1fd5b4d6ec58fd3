package web

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/conformance/harness"
	"hopnhat/web/certificate"
)

// listeners are all ways into the server.
func listeners(t *testing.T) map[string]func(t *testing.T) net.Conn {
	t.Helper()
	ca := harness.NewAuthority(t, "test")
	server := ca.Server()
	certificate, err := certificate.Load(server.CertFile, server.KeyFile, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	plain, secured := naked(nil), naked(certificate)
	addresses := map[string]string{
		"plain": listening(t, plain, plain.Serve), "TLS": listening(t, secured, secured.Serve), "mutual TLS": listening(t, secured, secured.ServeMutualTLS),
	}
	dials := map[string]func(t *testing.T) net.Conn{}
	for name, address := range addresses {
		dials[name] = func(t *testing.T) net.Conn {
			t.Helper()
			var conn net.Conn
			var err error
			if name == "plain" {
				conn, err = net.Dial("tcp", address)
			} else {
				conn, err = tls.Dial("tcp", address, ca.Transport(ca.Client("app")).TLSClientConfig)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			return conn
		}
	}
	return dials
}

// answers reads what comes until the server closes.
func answers(t *testing.T, conn net.Conn) (statuses []string, text string) {
	t.Helper()
	raw, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("the connection ended with %v after %.100q", err, raw)
	}
	for line := range strings.Lines(string(raw)) {
		if after, ok := strings.CutPrefix(line, "HTTP/1.1 "); ok {
			statuses = append(statuses, after[:3])
		}
	}
	return statuses, string(raw)
}

const (
	begin = "GET /healthz HTTP/1.1\r\n"
	host  = "Host: id.example\r\n"
	post  = "POST /healthz HTTP/1.1\r\n" + host
	last  = begin + host + "Connection: close\r\n\r\n"
)

// TestRawRequests: what RFC 9112 does not let pass is answered 400 and ends the
// connection before a route sees it; what comes behind it is no request.
func TestRawRequests(t *testing.T) {
	dials := listeners(t)
	for _, row := range []struct {
		name, raw string
		ok        bool
	}{
		{"an ordinary request", begin + host + "\r\n", true},
		{"RFC 9112 §2.2: an empty line before a request", "\r\n" + begin + host + "\r\n", true},
		{"RFC 9112 §5: no space and more spaces around a value", begin + "Host:id.example\r\nA: \t b \r\nB:\r\n\r\n", true},
		{"RFC 9110 §5.5: bytes above ASCII in a value", begin + host + "A: \xc3\xa9\r\n\r\n", true},
		{"RFC 9112 §3.2.2: the absolute form of the same host", "GET http://id.example/healthz HTTP/1.1\r\n" + host + "\r\n", true},
		{"RFC 9112 §3.2: HTTP/1.0 without Host", "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
		{"RFC 9112 §6.2: a length", post + "Content-Length: 3\r\n\r\nabc", true},
		{"RFC 9112 §6.2: no length", post + "Content-Length: 0\r\n\r\n", true},
		{"RFC 9110 §9.3.1: GET with content", begin + host + "Content-Length: 3\r\n\r\nabc", true},
		{"RFC 9112 §7.1: chunks", post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", true},
		{"RFC 9112 §7.1.1: chunk extensions", post + "Transfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n0;c\r\n\r\n", true},

		{"RFC 9112 §3.2: no Host", begin + "\r\n", false},
		{"RFC 9112 §3.2: two Hosts", begin + host + host + "\r\n", false},
		{"RFC 9112 §3.2: an empty Host", begin + "Host:\r\n\r\n", false},
		{"RFC 9112 §3.2: a Host that is none", begin + "Host: id.example/console\r\n\r\n", false},
		{"RFC 9112 §3.2: a list of Hosts", begin + "Host: id.example, other\r\n\r\n", false},
		{"RFC 9112 §3.2: a Host with a user", begin + "Host: a@id.example\r\n\r\n", false},
		{"RFC 9112 §3.2.2: the absolute form of another host", "GET http://other.example/healthz HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3.2.2: an absolute form without a path", "GET http://id.example?/healthz HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3.2.1: a target that is no path", "GET healthz HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3.2.1: two slashes, which are a host to some", "GET //x/healthz HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3.2.1: a host behind two slashes", "GET //id.example/healthz?a=:// HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3.2.1: a fragment", "GET /healthz#x HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3.2: a space in the target", "GET /healthz x HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3.2: a tab in the target", "GET /healthz\t HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3.2: NUL in the target", "GET /healthz\x00 HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3.2: bytes above ASCII in the target", "GET /healthz?a=\xc3\xa9 HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3.2.4: the asterisk form", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3.2.3: the authority form", "CONNECT id.example:443 HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3: two spaces", "GET  /healthz HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3: a space at the end", "GET /healthz HTTP/1.1 \r\n" + host + "\r\n", false},
		{"RFC 9112 §3: a space at the beginning", " GET /healthz HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §2.3: no version", "GET /healthz\r\n" + host + "\r\n", false},
		{"RFC 9112 §2.3: HTTP/9.9", "GET /healthz HTTP/9.9\r\n" + host + "\r\n", false},
		{"RFC 9112 §2.3: HTTP/2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false},
		{"RFC 9112 §2.3: HTTP/1.01", "GET /healthz HTTP/1.01\r\n" + host + "\r\n", false},
		{"RFC 9112 §2.3: http/1.1", "GET /healthz http/1.1\r\n" + host + "\r\n", false},
		{"RFC 9110 §9.1: a method in small letters", "get /healthz HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §3.1, RFC 9110 §9.1: a method that nobody knows", "BREW /healthz HTTP/1.1\r\n" + host + "\r\n", false},
		{"RFC 9112 §2.2: a bare LF after the request line", "GET /healthz HTTP/1.1\n" + host + "\r\n", false},
		{"RFC 9112 §2.2: a bare LF after a field", begin + "Host: id.example\n\r\n", false},
		{"RFC 9112 §2.2: a bare LF at the end", begin + host + "\n", false},
		{"RFC 9112 §2.2: bare LFs only", "GET /healthz HTTP/1.1\nHost: id.example\n\n", false},
		{"RFC 9112 §2.2: a bare CR", begin + host + "A: b\rContent-Length: 3\r\n\r\n", false},
		{"RFC 9112 §2.2: many empty lines", "\r\n\r\n\r\n" + begin + host + "\r\n", false},
		{"RFC 9112 §2.2: a space between request line and fields", begin + " A: b\r\n" + host + "\r\n", false},
		{"RFC 9110 §5.5: NUL in a field", begin + host + "A: b\x00c\r\n\r\n", false},
		{"RFC 9110 §5.5: a control character in a field", begin + host + "A: b\x1bc\r\n\r\n", false},
		{"RFC 9110 §5.5: DEL in a field", begin + host + "A: b\x7fc\r\n\r\n", false},
		{"RFC 9112 §5.2: a folded field", begin + host + "A: b\r\n c\r\n\r\n", false},
		{"RFC 9112 §5.2: a folded length", post + "Content-Length:\r\n 3\r\n\r\nabc", false},
		{"RFC 9112 §5.1: a space before the colon", post + "Content-Length : 3\r\n\r\nabc", false},
		{"RFC 9112 §5.1: a tab before the colon", post + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", false},
		{"RFC 9112 §5.1: a field without a colon", begin + host + "A\r\n\r\n", false},
		{"RFC 9112 §5.1: a field without a name", begin + host + ": a\r\n\r\n", false},
		{"RFC 9110 §5.6.2: a name that is no token", begin + host + "A(b): c\r\n\r\n", false},
		{"RFC 9110 §5.6.2: NUL in a name", begin + host + "Content-Length\x00: 3\r\n\r\n", false},
		{"RFC 9112 §6.3: two lengths", post + "Content-Length: 0\r\nContent-Length: 3\r\n\r\nabc", false},
		{"RFC 9112 §6.3: two lengths that agree", post + "Content-Length: 3\r\ncontent-length: 3\r\n\r\nabc", false},
		{"RFC 9112 §6.3: a list of lengths", post + "Content-Length: 3, 3\r\n\r\nabc", false},
		{"RFC 9110 §8.6: an empty length", post + "Content-Length:\r\n\r\n", false},
		{"RFC 9110 §8.6: a negative length", post + "Content-Length: -1\r\n\r\n", false},
		{"RFC 9110 §8.6: a signed length", post + "Content-Length: +3\r\n\r\nabc", false},
		{"RFC 9110 §8.6: a length in hexadecimal", post + "Content-Length: 0x3\r\n\r\nabc", false},
		{"RFC 9110 §8.6: a length that overflows", post + "Content-Length: 18446744073709551619\r\n\r\nabc", false},
		{"RFC 9112 §6.1: a length beside chunks", post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		{"RFC 9112 §6.1: chunks beside a length", post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", false},
		{"RFC 9112 §6.1: two encodings", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		{"RFC 9112 §6.1: a list of encodings", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false},
		{"RFC 9112 §6.1: an encoding that is none", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", false},
		{"RFC 9112 §6.1: identity", post + "Transfer-Encoding: identity\r\n\r\n", false},
		{"RFC 9112 §6.1: an empty encoding", post + "Transfer-Encoding:\r\n\r\n", false},
		{"RFC 9112 §6.1: chunks in HTTP/1.0", "POST /healthz HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		{"RFC 9112 §7.1: a size that is none", post + "Transfer-Encoding: chunked\r\n\r\nx\r\n", false},
		{"RFC 9112 §7.1: an empty size", post + "Transfer-Encoding: chunked\r\n\r\n\r\n", false},
		{"RFC 9112 §7.1: a signed size", post + "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", false},
		{"RFC 9112 §7.1: a size with a prefix", post + "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", false},
		{"RFC 9112 §7.1: a size that overflows", post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff0\r\n\r\n", false},
		{"RFC 9112 §7.1: a size that a space follows", post + "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", false},
		{"RFC 9112 §7.1: a size that ends in LF", post + "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", false},
		{"RFC 9112 §7.1.1: an extension that ends in LF", post + "Transfer-Encoding: chunked\r\n\r\n3;a\nabc\r\n0\r\n\r\n", false},
		{"RFC 9112 §7.1.1: an extension without end", post + "Transfer-Encoding: chunked\r\n\r\n3;" + strings.Repeat("a", 1000) + "\r\nabc\r\n0\r\n\r\n", false},
		{"RFC 9112 §7.1: a chunk that is longer", post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", false},
		{"RFC 9112 §7.1: a chunk that ends in LF", post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n", false},
		{"RFC 9110 §6.5.1: a trailer", post + "Transfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer x\r\n\r\n", false},
	} {
		for on, dial := range dials {
			// The last of two requests on one connection, and the only one.
			for _, before := range []string{"", begin + host + "\r\n"} {
				t.Run(fmt.Sprintf("%s/%s/%d", row.name, on, len(before)), func(t *testing.T) {
					conn := dial(t)
					if _, err := io.WriteString(conn, before+row.raw+last); err != nil {
						t.Fatal(err)
					}
					got, text := answers(t, conn)
					if before != "" && len(got) > 0 {
						got = got[1:]
					}
					if row.ok && (len(got) != 2 || got[0] == "400" || got[1] != "200") || !row.ok && !slices.Equal(got, []string{"400"}) {
						t.Fatalf("got %v %.300q", got, text)
					}
				})
			}
		}
	}
}

// TestPiecesOfRequests: however the bytes are cut, the same requests are read.
func TestPiecesOfRequests(t *testing.T) {
	messages := []string{
		begin + host + "\r\n", post + "Content-Length: 3\r\n\r\nabc", "\r\n" + begin + host + "\r\n",
		post + "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n", begin + host + "A: " + strings.Repeat("a", 3000) + "\r\n\r\n",
	}
	rapid.Check(t, func(t *rapid.T) {
		sent := strings.Join(rapid.SliceOfN(rapid.SampledFrom(messages), 1, 8).Draw(t, "messages"), "")
		bad := rapid.Bool().Draw(t, "a bad one follows")
		in := sent
		if bad {
			in += "GET /healthz HTTP/1.1\nHost: x\n\n" + sent
		}
		c := &wireConn{Conn: pieces{inPieces(in, func(left int) int { return rapid.IntRange(1, min(left, 700)).Draw(t, "n") })}}
		var got bytes.Buffer
		_, err := io.CopyBuffer(&got, struct{ io.Reader }{c}, make([]byte, 4096))
		var wrong *malformed
		if bad != errors.As(err, &wrong) {
			t.Fatalf("ended with %v", err)
		}
		if !strings.HasPrefix(got.String(), sent) || !bad && got.Len() != len(sent) {
			t.Fatalf("%d bytes became %d", len(sent), got.Len())
		}
		if strings.Contains(got.String()[len(sent):], "\n") {
			t.Fatalf("of a wrong line %q was given on", got.String()[len(sent):])
		}
	})
}

type pieces struct{ io.Reader }

func (pieces) Close() error                     { return nil }
func (pieces) Write(b []byte) (int, error)      { return len(b), nil }
func (pieces) LocalAddr() net.Addr              { return nil }
func (pieces) RemoteAddr() net.Addr             { return nil }
func (pieces) SetDeadline(time.Time) error      { return nil }
func (pieces) SetReadDeadline(time.Time) error  { return nil }
func (pieces) SetWriteDeadline(time.Time) error { return nil }

type cut struct {
	left string
	size func(left int) int
}

func inPieces(text string, size func(int) int) io.Reader { return &cut{text, size} }

func (r *cut) Read(p []byte) (int, error) {
	if r.left == "" {
		return 0, io.EOF
	}
	n := copy(p, r.left[:r.size(len(r.left))])
	r.left = r.left[n:]
	return n, nil
}

// FuzzHead: what we take, net/http takes too, and finds the same host, and the body's
// end at the same place.
func FuzzHead(f *testing.F) {
	f.Add([]byte(begin + host))
	f.Add([]byte(post + "Content-Length: 3\r\n"))
	f.Add([]byte(post + "Transfer-Encoding: chunked\r\n"))
	f.Add([]byte("GET http://id.example/ HTTP/1.1\r\n" + host))
	f.Add([]byte("GET / HTTP/1.0\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		got, wrong := parseHead(head)
		if wrong != nil || !bytes.HasSuffix(head, crlf) || bytes.HasPrefix(head, []byte("CONNECT")) {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(head), strings.NewReader("\r\n"))))
		if err != nil {
			if strings.Contains(err.Error(), "invalid URL escape") || strings.Contains(err.Error(), "parse ") {
				return // the server's to refuse
			}
			t.Fatalf("%q: %v", head, err)
		}
		if chunked := len(r.TransferEncoding) > 0; chunked != got.chunked || !chunked && r.ContentLength != got.length {
			t.Fatalf("%q: %+v, and net/http finds %d, chunked %v", head, got, r.ContentLength, chunked)
		}
	})
}

// FuzzChunks: where we see the end of a chunked request, net/http sees it too.
func FuzzChunks(f *testing.F) {
	const head = post + "Transfer-Encoding: chunked\r\n\r\n"
	f.Add([]byte("3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("a;b=c\r\n0123456789\r\n00\r\n\r\nGET"))
	f.Add([]byte("3\nabc\n0\n\n"))
	f.Add([]byte("ffffffff\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := &wireConn{}
		end := -1
		for i := range body { // a byte at a time: the end is after one of them
			if i == 0 && c.check([]byte(head)) != len(head) {
				t.Fatal(c.wrong)
			}
			if c.check(body[i : i+1]); c.wrong != nil {
				return
			}
			if c.next == aHead {
				end = i + 1
				break
			}
		}
		if end < 0 {
			return
		}
		in := bufio.NewReader(strings.NewReader(head + string(body)))
		r, err := http.ReadRequest(in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if rest, _ := io.ReadAll(in); len(rest) != len(body)-end {
			t.Fatalf("%q ends after %d bytes, and for net/http %d are left", body, end, len(rest))
		}
	})
}

func BenchmarkHead(b *testing.B) {
	head := []byte("POST /token HTTP/1.1\r\nHost: id.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: application/json\r\n" +
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 812\r\nDPoP: " + strings.Repeat("eyJhbGciOiJFUzI1NiJ9", 30) + "\r\nAccept-Encoding: gzip\r\n\r\n")
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	c := &wireConn{}
	for b.Loop() {
		if c.check(head) != len(head) {
			b.Fatal(c.wrong)
		}
		c.next, c.left = aHead, 0
	}
}

// TestRefusedWhileWriting: RFC 9112 §9.6: who is refused while she still writes reads
// the answer, and no reset.
func TestRefusedWhileWriting(t *testing.T) {
	for on, dial := range listeners(t) {
		for name, head := range map[string]string{
			"413, a length":     post + "Content-Length: 2000000\r\n\r\n",
			"413, chunks":       post + "Transfer-Encoding: chunked\r\n\r\n1E8480\r\n",
			"413, a long head":  begin + host + "A: ",
			"400, a wrong head": begin + "\r\n",
		} {
			t.Run(on+"/"+name, func(t *testing.T) {
				conn := dial(t)
				if _, err := io.WriteString(conn, head); err != nil {
					t.Fatal(err)
				}
				for range 20 {
					if _, err := conn.Write(bytes.Repeat([]byte("a"), 100_000)); err != nil {
						t.Fatalf("writing: %v", err)
					}
				}
				got, text := answers(t, conn)
				if !slices.Equal(got, []string{name[:3]}) {
					t.Fatalf("got %v %.200q", got, text)
				}
			})
		}
	}
}

// TestPathsAreExact: a path has one spelling, though RFC 3986 §6.2.2.1 and what follows it make
// others the same. A rule of a proxy that names it is not passed by another.
func TestPathsAreExact(t *testing.T) {
	dial := listeners(t)["plain"]
	for _, path := range []string{
		"/HEALTHZ", "/Healthz", "/healthz/", "/healthz//", "/./healthz", "/x/../healthz", "/healthz/.", "/healthz;x", "/healthz;", "/%68ealthz", "/healthz%2f", "/healthz%00",
		"/healthz%20", "/healthz\\", "/\\healthz", "/console/", "/CONSOLE", "/Metrics", "/metrics/", "/signin/", "/SignIn", "/consol%65", "/console;/x", "/portal/..;/console", "/%2e/console",
		"/static/../healthz", "/static/..%2fhealthz", "/.well-known/openid-configuration/", "/.WELL-KNOWN/openid-configuration", "/token/", "/TOKEN",
	} {
		conn := dial(t)
		if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if got, text := answers(t, conn); !slices.Equal(got, []string{"404"}) {
			t.Errorf("%s: got %v %.200q", path, got, text)
		}
	}
}

// TestTheLibrarysLog: of connections that fail it says nothing, callers and bytes
// least of all; what concerns the operator passes.
func TestTheLibrarysLog(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	s := naked(nil)
	conn, err := net.Dial("tcp", listening(t, s, s.Serve))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /?number=099000000017 HTTP/9.9\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_, text := answers(t, conn)
	for _, header := range []string{"X-Request-Id: ", "X-Content-Type-Options: nosniff", "Content-Security-Policy: ", "Connection: close", "RFC 9112 §2.3"} {
		if !strings.Contains(text, header) {
			t.Errorf("the answer lacks %s: %s", header, text)
		}
	}
	if all := s.Answers(); all[Answered{"none", "4xx"}] != 1 {
		t.Errorf("counted %v", all)
	}
	s.app.Server().Logger.Printf("error when serving connection %q<->%q: %v", "a", "b", "c")
	if out.Len() > 0 {
		t.Errorf("logged %s", out.String())
	}
	s.app.Server().Logger.Printf("no more than %d connections", 7)
	if !strings.Contains(out.String(), "no more than 7 connections") {
		t.Errorf("logged %q", out.String())
	}
}
