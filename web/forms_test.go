package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"

	"hopnhat/authz/authn"
	"hopnhat/authz/authn/passkey"
	"hopnhat/federation/upstream/flow"
)

// routed is the route table without the bounds in front of it.
func routed() *Server {
	s := &Server{o: nothingBehind()}
	s.o.Upstream.Engine, s.o.Upstream.Addresses = (*flow.Engine)(nil), authn.NewAddresses(100, time.Second, time.Now)
	s.o.Passkeys = (*passkey.Passkeys)(nil)
	s.furnish()
	s.app = fiber.New(fiber.Config{ErrorHandler: s.renderError})
	s.app.Use(recover.New(), identify, s.harden)
	s.register()
	return s
}

// forMachines tells the endpoints of the protocol, which answer every method, and
// the broker's.
func forMachines(all []fiber.Route, path string) bool {
	return path == ReleasesPath ||
		slices.ContainsFunc(all, func(r fiber.Route) bool { return r.Method == http.MethodTrace && r.Path == path })
}

// TestEveryFormIsChecked finds the forms in the route table itself, so that a new
// one cannot be forgotten: each is refused without the token, with another
// browser's, and when the browser says that the form came from elsewhere.
func TestEveryFormIsChecked(t *testing.T) {
	s := routed()
	const hers, another = "hers4567890123456789012345678901234567890123", "another7890123456789012345678901234567890123"
	found := 0
	all := s.app.GetRoutes(true)
	for _, route := range all {
		if route.Method != http.MethodPost || forMachines(all, route.Path) {
			continue
		}
		found++
		path := strings.ReplaceAll(route.Path, ":id", "01a214e0-b7fb-7c28-8efd-9f2277b2bc65")
		for _, row := range []struct {
			name, query, token string
			header             map[string]string
		}{
			{"no token", "", "", nil},
			{"another browser's token", "", s.o.Forms.Token(another, "form"), nil},
			{"a token for something else", "", s.o.Forms.Token(hers, "x"), nil},
			{"a token in the address", "?csrf=" + s.o.Forms.Token(hers, "form"), "", nil},
			{"from another origin", "", s.o.Forms.Token(hers, "form"), map[string]string{"Origin": "https://evil.example"}},
			{"from an origin that hides", "", s.o.Forms.Token(hers, "form"), map[string]string{"Origin": "null"}},
			{"from another site", "", s.o.Forms.Token(hers, "form"), map[string]string{"Sec-Fetch-Site": "cross-site"}},
		} {
			t.Run(path+": "+row.name, func(t *testing.T) {
				r := httptest.NewRequest(http.MethodPost, path+row.query, strings.NewReader(url.Values{"csrf": {row.token}}.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("Cookie", s.o.Sessions.BindingName()+"="+hers)
				for name, value := range row.header {
					r.Header.Set(name, value)
				}
				response, err := s.app.Test(r, -1)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if response.StatusCode != http.StatusForbidden {
					t.Fatalf("got %d, want 403", response.StatusCode)
				}
			})
		}
	}
	if found < 8 {
		t.Fatalf("only %d forms were found in the route table", found)
	}
}

// TestOpeners: a window that an app opened stays tied to it on the way of a sign-in
// or a sign-out, whatever is answered, and nowhere else.
func TestOpeners(t *testing.T) {
	s := routed()
	for path, want := range map[string]string{
		"/authorize": "", "/authorize?client_id=x": "", "/authorize/resume?a=x": "", "/signin": "", "/signin/code": "", "/signin/cancel?a=x": "", "/consent?a=x": "",
		"/logout": "", "/logout/done": "", "/logout/continue?logout=x": "",
		"/": "same-origin", "/portal": "same-origin", "/portal/sessions": "same-origin", "/console": "same-origin", "/device": "same-origin", "/approve?a=x": "same-origin",
		"/nowhere": "same-origin", "/signing": "same-origin", "/jwks": "same-origin", "/healthz": "same-origin",
	} {
		response, err := s.app.Test(httptest.NewRequest(http.MethodGet, path, nil), -1)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("Cross-Origin-Opener-Policy"); got != want {
			t.Errorf("%s: the policy is %q, want %q", path, got, want)
		}
	}
}
