package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/gofiber/fiber/v2"
	"pgregory.net/rapid"
)

// TestCallerBehindProxies: hops count from the nearest as long as their writer is ours.
func TestCallerBehindProxies(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, row := range []struct {
		name, connection string
		hops             []string
		want             string
	}{
		{"nobody between", "203.0.113.9", nil, "203.0.113.9"},
		{"a stranger's header is not read", "203.0.113.9", []string{"198.51.100.1"}, "203.0.113.9"},
		{"a proxy of ours", "10.0.0.1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"what the caller wrote before the proxy's is not believed", "10.0.0.1", []string{"198.51.100.1", " 203.0.113.9"}, "203.0.113.9"},
		{"nor when it looks like a proxy of ours", "10.0.0.1", []string{"10.9.9.9", "203.0.113.9"}, "203.0.113.9"},
		{"two proxies of ours", "10.0.0.1", []string{"203.0.113.9", "fd00::2"}, "203.0.113.9"},
		{"with a port", "10.0.0.1", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		{"IPv6 with a port", "10.0.0.1", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"IPv4 written as IPv6", "10.0.0.1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"a zone is of another machine", "10.0.0.1", []string{"fe80::1%eth0"}, "fe80::1"},
		{"a broken chain ends at the last that is known", "10.0.0.1", []string{"203.0.113.9", "unknown"}, "10.0.0.1"},
		{"an empty hop", "10.0.0.1", []string{""}, "10.0.0.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := beyondProxies(netip.MustParseAddr(row.connection), row.hops, trusted); got.String() != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

// TestSeveralLinesAreOneList: RFC 9110 §5.3, hops that proxies wrote into lines of their own count
// in the order of the lines.
func TestSeveralLinesAreOneList(t *testing.T) {
	for _, row := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"a line", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		{"two lines", []string{"198.51.100.1", "203.0.113.9"}, "203.0.113.9"},
		{"two lines, the last hop is a proxy of ours", []string{"198.51.100.1, 203.0.113.9", "10.0.0.2"}, "203.0.113.9"},
		{"none", nil, "0.0.0.0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			// The test's connection comes from 0.0.0.0.
			s := &Server{o: Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("10.0.0.0/8")}}}
			var got netip.Addr
			app := fiber.New()
			app.Get("/", func(c *fiber.Ctx) error {
				got = s.clientAddress(c)
				return nil
			})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.Header["X-Forwarded-For"] = row.lines
			answer, err := app.Test(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if got.String() != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

// TestCallerCannotChooseAnAddress: whatever a caller writes, the address that the
// proxy saw is the one that counts.
func TestCallerCannotChooseAnAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	rapid.Check(t, func(t *rapid.T) {
		written := rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"10.0.0.2", "198.51.100.1", "::1"}))).Draw(t, "written")
		if got := beyondProxies(netip.MustParseAddr("10.0.0.1"), append(written, "203.0.113.9"), trusted); got.String() != "203.0.113.9" {
			t.Fatalf("got %s", got)
		}
	})
}
