package session

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestPublic: which addresses a URL of a stranger may lead to.
func TestPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8": true, "103.1.200.10": true, "2606:4700::1": true, "2402:800::1": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "::": false,
		"10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "::ffff:10.0.0.1": false, "fd00::1": false, "fec0::1": false,
		"169.254.169.254": false, "fe80::1": false, "100.64.0.1": false, "198.18.0.1": false, "192.0.0.8": false,
		"224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "192.0.2.1": false, "2001:db8::1": false,
	} {
		if got := public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %v, want %v", address, got, want)
		}
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
		outside := Fetcher{GuardedClient(false)}
		for _, address := range []string{server.URL, named, strings.Replace(server.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1), strings.Replace(server.URL, "127.0.0.1", "2130706433", 1)} {
			if _, err := outside.Fetch(t.Context(), address, 1000); err == nil {
				t.Errorf("%s was fetched", address)
			}
		}
		if n := reached.Load(); n != 0 {
			t.Errorf("%d requests arrived", n)
		}
	})
	inside := Fetcher{GuardedClient(true)}
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
