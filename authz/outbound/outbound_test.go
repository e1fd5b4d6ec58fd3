package outbound

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPublic: which addresses a URL of a stranger may lead to. The rows go through
// the IANA special-purpose registries of IPv4 and IPv6, and the forms in which an
// IPv6 address stands for an IPv4 one.
func TestPublic(t *testing.T) {
	for _, row := range []struct {
		name      string
		want      bool
		addresses string
	}{
		{"ordinary IPv4", true, "8.8.8.8 103.1.200.10 192.0.1.1 192.88.98.1 223.255.255.254 172.32.0.1 100.128.0.1"},
		{"ordinary IPv6", true, "2606:4700::1 2402:800::1 2001:200::1 2001:4860::8888 2003::1 3000::1"},
		{"RFC 4291 §2.5.5.2: an ordinary address written as mapped", true, "::ffff:8.8.8.8"},
		{"this machine", false, "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1 0.0.0.0 0.1.2.3 ::"},
		{"RFC 1918, RFC 4193: private", false, "10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 ::ffff:10.0.0.1 fc00::1 fd00::1"},
		{"RFC 3927, RFC 4291 §2.5.6: link-local", false, "169.254.169.254 ::ffff:169.254.169.254 fe80::1 fe80::1%eth0 febf::1"},
		{"RFC 3879: site-local", false, "fec0::1 feff::1"},
		{"RFC 6598: shared", false, "100.64.0.1 100.127.255.255"},
		{"RFC 6890 §2.1: IETF protocol assignments", false, "192.0.0.1 192.0.0.8 192.0.0.9 192.0.0.10 192.0.0.170 192.0.0.171 2001::1 2001:1::1 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:1ff:ffff::1"},
		{"RFC 5737, RFC 3849, RFC 9637: documentation", false, "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 2001:db8::1%eth0 3fff::1 3fff:fff:ffff::1"},
		{"RFC 2544: benchmarks", false, "198.18.0.1 198.19.255.255 2001:2:0:1::1"},
		{"RFC 7534, RFC 7535, RFC 7450, RFC 7526: servers that are everywhere", false, "192.31.196.1 192.52.193.1 192.88.99.1 192.88.99.2 192.175.48.1 2620:4f:8000::1"},
		{"multicast, reserved, broadcast", false, "224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 ff02::1 ff0e::1"},
		{"RFC 6666, RFC 9780: discarded", false, "100::1 100:0:0:1::1"},
		{"RFC 9602: segment routing", false, "5f00::1 5f00:ffff::1"},
		{"RFC 3701: given back", false, "3ffe::1"},
		{"IPv6 Address Space, RFC 4291 §2.4: given to nobody", false, "1::1 200::1 400::1 4000::1 8000::1 a000::1 e000::1 f800::1"},
		{"RFC 4291 §2.5.5.1: IPv4-compatible", false, "::127.0.0.1 ::10.0.0.1 ::8.8.8.8 ::169.254.169.254"},
		{"RFC 2765 §2.1: IPv4-translated", false, "::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8"},
		{"RFC 6052, RFC 8215: NAT64", false, "64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::8.8.8.8 64:ff9b:1::10.0.0.1"},
		{"RFC 3056: 6to4", false, "2002:7f00:1:: 2002:a00:1::1 2002:808:808::1"},
		{"RFC 4380: Teredo", false, "2001:0:4136:e378:8000:63bf:3fff:fdd2 2001::f5ff:fffe"},
		{"RFC 5214 §6.1: ISATAP", false, "2606:4700::5efe:127.0.0.1 2606:4700::200:5efe:10.0.0.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			for address := range strings.FieldsSeq(row.addresses) {
				if got := public(netip.MustParseAddr(address)); got != row.want {
					t.Errorf("%s: got %v, want %v", address, got, row.want)
				}
			}
		})
	}
}

// TestGuard: what a stranger's server can make of a fetch.
func TestGuard(t *testing.T) {
	var reached atomic.Int32
	endless := make(chan struct{})
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, server.URL+"/inside", http.StatusFound)
		case "/huge":
			w.Write(bytes.Repeat([]byte("x"), 2000))
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 1000 {
				z.Write(bytes.Repeat([]byte("x"), 1000))
			}
			z.Close()
		case "/slow":
			w.Write([]byte("["))
			w.(http.Flusher).Flush()
			<-endless
		case "/gone":
			w.WriteHeader(http.StatusNotFound)
		default:
			w.Write([]byte("ok"))
		}
	}))
	defer server.Close()
	defer close(endless) // first: the server waits for its answers
	named := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)

	t.Run("this machine is not reached, neither by address nor by a name that leads to it", func(t *testing.T) {
		outside := New(false)
		for _, address := range []string{server.URL, named, strings.Replace(server.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1), strings.Replace(server.URL, "127.0.0.1", "2130706433", 1)} {
			if _, err := outside.Fetch(t.Context(), address, 1000); err == nil {
				t.Errorf("%s was fetched", address)
			}
		}
		if n := reached.Load(); n != 0 {
			t.Errorf("%d requests arrived", n)
		}
	})
	inside := New(true)
	for _, row := range []struct {
		path, body string
		arrived    int32
	}{
		{"/", "ok", 1}, {"/moved", "", 1}, {"/huge", "", 1}, {"/bomb", "", 1}, {"/gone", "", 1},
	} {
		t.Run("loopback allowed: "+row.path, func(t *testing.T) {
			reached.Store(0)
			got, err := inside.Fetch(t.Context(), named+row.path, 1000)
			if (err == nil) != (row.body != "") || err == nil && string(got) != row.body || reached.Load() != row.arrived {
				t.Fatalf("got %.20q, %v, %d requests", got, err, reached.Load())
			}
		})
	}
	t.Run("a body that never ends is left at the deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := inside.Fetch(ctx, server.URL+"/slow", 1000); err == nil {
			t.Fatal("fetched")
		}
	})
	for _, address := range []string{"file:///etc/passwd", "gopher://localhost/", "://", ""} {
		if _, err := inside.Fetch(t.Context(), address, 1000); err == nil {
			t.Errorf("%q was fetched", address)
		}
	}
}

// TestDisguises: an IPv4 address is as public as it is in every form that a connection
// is made to, and no form that stands for one is public.
func TestDisguises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address")
		plain := netip.AddrFrom4([4]byte(b))
		var mapped [16]byte
		mapped[10], mapped[11] = 0xff, 0xff
		copy(mapped[12:], b)
		if got, want := public(netip.AddrFrom16(mapped)), public(plain); got != want {
			t.Fatalf("%s: mapped %v, plain %v", plain, got, want)
		}
		for _, prefix := range []string{"::", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::", "2606:4700::5efe:0:0", "2606:4700::200:5efe:0:0", "fe80::5efe:0:0"} {
			form := netip.MustParseAddr(prefix).As16()
			copy(form[12:], b)
			if public(netip.AddrFrom16(form)) {
				t.Fatalf("%s stands for %s, and is public", netip.AddrFrom16(form), plain)
			}
		}
		sixToFour := netip.MustParseAddr("2002::1").As16()
		copy(sixToFour[2:], b)
		if public(netip.AddrFrom16(sixToFour)) {
			t.Fatalf("%s stands for %s, and is public", netip.AddrFrom16(sixToFour), plain)
		}
	})
	if public(netip.Addr{}) {
		t.Error("no address is a public one")
	}
}

// TestPerHost: one host has so many connections and no more; the next request waits.
func TestPerHost(t *testing.T) {
	var now, most atomic.Int32
	arrived, leave := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		arrived <- struct{}{}
		<-leave
		now.Add(-1)
	}))
	defer server.Close()
	c, results := New(true), make(chan error)
	for range maxPerHost + 5 {
		go func() {
			_, err := c.Fetch(t.Context(), server.URL, 10)
			results <- err
		}()
	}
	for range maxPerHost {
		<-arrived
	}
	for range 5 { // each that leaves makes room for one
		leave <- struct{}{}
		if err := <-results; err != nil {
			t.Error(err)
		}
		<-arrived
	}
	close(leave)
	for range maxPerHost {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if most.Load() != maxPerHost {
		t.Errorf("%d at one time, want %d", most.Load(), maxPerHost)
	}
}

// TestPost: a message arrives as it is, and its answer is a status and the beginning of
// what the app says.
func TestPost(t *testing.T) {
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, server.URL, http.StatusTemporaryRedirect)
			return
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "text/plain" || r.Header.Get("Authorization") != "Bearer x" ||
			r.Header.Values("Accept") != nil {
			t.Errorf("got %s %v", r.Method, r.Header)
		}
		w.WriteHeader(http.StatusTeapot)
		w.Write(bytes.Repeat([]byte("x"), 3*maxAnswer))
	}))
	defer server.Close()
	message := func(address string) Message {
		return Message{URL: address, Type: "text/plain", Body: "body", Authorization: "Bearer x"}
	}
	got, err := New(true).Post(t.Context(), message(server.URL))
	if err != nil || got.Status != http.StatusTeapot || len(got.Body) != maxAnswer {
		t.Errorf("got %d, %d bytes, %v", got.Status, len(got.Body), err)
	}
	if got, err := New(true).Post(t.Context(), message(server.URL+"/moved")); err != nil || got.Status != http.StatusTemporaryRedirect {
		t.Errorf("a redirect: got %d, %v", got.Status, err)
	}
	if _, err := New(false).Post(t.Context(), message(server.URL)); !errors.Is(err, ErrNotPublic) {
		t.Errorf("this machine: got %v", err)
	}
	if _, err := New(true).Post(t.Context(), message("://")); !errors.Is(err, ErrURL) {
		t.Errorf("no URL: got %v", err)
	}
}

// TestBounds: a network that an operator named is reached, its neighbours are not, and who
// is believed there is who the operator said.
func TestBounds(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/entity-statement+jwt; charset=utf-8")
		w.Write([]byte("ok"))
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	here := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	for _, row := range []struct {
		name, media string
		bounds      Bounds
		fetched     bool
	}{
		{"named, and believed", "application/entity-statement+jwt", Bounds{Networks: here, Roots: roots}, true},
		{"of any media type", "", Bounds{Networks: here, Roots: roots}, true},
		{"RFC 9110 §8.3.1: of another media type", "application/json", Bounds{Networks: here, Roots: roots}, false},
		{"a neighbour of what was named", "", Bounds{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/31")}, Roots: roots}, false},
		{"nothing named", "", Bounds{Roots: roots}, false},
		{"a certificate of nobody", "", Bounds{Networks: here}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := NewWithin(row.bounds).FetchAs(t.Context(), server.URL, row.media, 100)
			if (err == nil) != row.fetched || row.fetched && string(got) != "ok" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
