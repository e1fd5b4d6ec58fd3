package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"

	"hopnhat/authz/provider"
	"hopnhat/authz/session"
)

// routed is the route table without anything behind it: whoever gets past the
// first check of a form finds nothing there.
func routed() *Server {
	s := &Server{o: Options{
		Issuer: "https://id.example", Provider: &provider.Provider{}, Sessions: session.New(nil, session.Limits{}, true, time.Now), Forms: session.NewForms([]byte("key")),
		Broker: http.NotFoundHandler(), Metrics: http.NotFoundHandler(),
	}}
	s.app = fiber.New(fiber.Config{ErrorHandler: s.renderError})
	s.app.Use(recover.New(), identify, s.harden)
	s.routes()
	return s
}

// forMachines tells the endpoints of the protocol, which answer every method, and
// the broker's.
func forMachines(all []fiber.Route, path string) bool {
	return path == provider.BrokerPath+"/releases" || slices.ContainsFunc(all, func(r fiber.Route) bool { return r.Method == http.MethodTrace && r.Path == path })
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

// TestFieldsAreOfTheBody: what stands in the address of a POST is no field of its
// form.
func TestFieldsAreOfTheBody(t *testing.T) {
	s := routed()
	s.app = fiber.New()
	s.app.Post("/fields", s.page(func(v *visit) error { return v.c.SendString(v.field("a") + "," + v.field("b") + "," + v.param("b")) }))
	r := httptest.NewRequest(http.MethodPost, "/fields?b=address", strings.NewReader("a=body"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := s.app.Test(r, -1)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || string(raw) != "body,," {
		t.Errorf("got %q, %v", raw, err)
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

// TestLocalPaths: after a sign-in the browser goes to a page of ours, whatever
// the address asked for.
func TestLocalPaths(t *testing.T) {
	for next, want := range map[string]string{
		"/portal": "/portal", "/portal/consents?x=1": "/portal/consents?x=1", "/console?type=a": "/console?type=a",
		"": "/portal", "https://evil.example": "/portal", "//evil.example": "/portal", "/\\evil.example": "/portal", "///evil.example/portal": "/portal",
		"\\\\evil.example": "/portal", "/portal\r\nLocation: https://evil.example": "/portal", "javascript:alert(1)": "/portal", "portal": "/portal",
		"https:/portal": "/portal", "/authorize?client_id=x": "/portal", "/logout": "/portal", "/\t/evil.example/portal": "/portal", "/%2fevil.example": "/portal",
		"/portal/../logout": "/portal", "/portal/%2e%2e/logout": "/portal", "/portal/..%2flogout": "/portal", "/portal/./x": "/portal", "/portal//x": "/portal", "/console/../../x": "/portal",
		"/portalx": "/portal", "/consoles": "/portal", "/portal/": "/portal", "/console/events/%2e%2e": "/portal", "/portal/releases/a%20b": "/portal/releases/a%20b",
	} {
		if got := local(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}
