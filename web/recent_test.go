package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/web/page"
)

// TestRecent: where a person changes how she signs in, a browser that was left open is not
// enough; a form may come some time after its page.
func TestRecent(t *testing.T) {
	now, both := time.Unix(1_796_000_000, 0), []string{"pwd", "otp", "mfa"}
	for _, row := range []struct {
		name, method string
		ago          time.Duration
		methods      []string
		reached      bool
		to           string
	}{
		{"just signed in", http.MethodGet, 0, both, true, ""},
		{"just signed in with a passkey", http.MethodPost, 0, []string{"pop", "user", "mfa"}, true, ""},
		{"just signed in with one factor", http.MethodGet, 0, both[:1], false, "/signin?next=%2Fportal%2Fpasskeys"},
		{"just signed in by another provider", http.MethodGet, 0, nil, false, "/signin?next=%2Fportal%2Fpasskeys"},
		{"a form, signed in by another provider", http.MethodPost, 0, nil, false, "/signin?next=%2Fportal%2Fpasskeys"},
		{"a page, in time", http.MethodGet, page.Recent - time.Second, both, true, ""},
		{"a page, too late", http.MethodGet, page.Recent, both, false, "/signin?next=%2Fportal%2Fpasskeys"},
		{"a form, in time", http.MethodPost, 2*page.Recent - time.Second, both, true, ""},
		{"a form, too late", http.MethodPost, 2 * page.Recent, both, false, "/signin?next=%2Fportal%2Fpasskeys"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := nothingBehind()
			o.Now = func() time.Time { return now }
			in := &session.Session{ID: "s", Principal: authz.Herself("an"), Level: 2, Methods: row.methods, AuthTime: now.Add(-row.ago)}
			o.Sessions = &visitor{Sessions: o.Sessions, session: in}
			s := &Server{o: o}
			s.furnish()
			s.app = fiber.New(fiber.Config{ErrorHandler: s.renderError})
			s.app.Use(identify)
			s.app.All("/*", s.frame.Handler(s.admit(recent, func(v *page.Visit) error { return v.C.SendStatus(http.StatusTeapot) })))
			const binding = "hers4567890123456789012345678901234567890123"
			form := url.Values{"csrf": {o.Forms.Token(binding, "form")}}
			r := httptest.NewRequest(row.method, page.PasskeysPath, strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.AddCookie(&http.Cookie{Name: o.Sessions.BindingName(), Value: binding})
			answer, err := s.app.Test(r, -1)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if (answer.StatusCode == http.StatusTeapot) != row.reached || answer.Header.Get("Location") != row.to {
				t.Errorf("got %d to %q", answer.StatusCode, answer.Header.Get("Location"))
			}
		})
	}
	old := &session.Session{Methods: both, AuthTime: now.Add(-page.Recent)}
	if page.RecentEnough(page.PasskeysPath+"?lang=en", old, now) || !page.RecentEnough(page.PortalPath, old, now) ||
		page.RecentEnough(page.PasskeysPath, &session.Session{Level: 3, AuthTime: now}, now) {
		t.Error("the sign-in goes back to a page that will not have it, or is asked for where none is needed")
	}
}
