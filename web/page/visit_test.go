package page_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view"
)

var an = &session.Session{ID: "s1", Principal: authz.Herself("an"), Name: "Nguyễn Văn An"}

// TestWhereASignInComesBackTo: to the page that was asked for; after a form, to the
// beginning of its part.
func TestWhereASignInComesBackTo(t *testing.T) {
	for _, row := range []struct{ name, method, path, next string }{
		{"a page", "GET", "/portal/consents", "/portal/consents"},
		{"a page with a query", "GET", "/console?search=1&before=2", "/console?search=1&before=2"},
		{"a form of the portal", "POST", "/portal/sessions/end", "/portal"},
		{"a form of the console", "POST", "/console/exports?a=b", "/console"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := pagetest.New()
			h := func(v *page.Visit) error {
				_, err := v.SignedIn()
				return err
			}
			got := b.Get(t, "/*", row.path, h)
			if row.method == http.MethodPost {
				got = b.Post(t, "/*", row.path, nil, h)
			}
			if path, _, _ := strings.Cut(got.Location, "?"); path != "/signin" || got.Query("next") != row.next ||
				page.Local(row.next) != row.next {
				t.Errorf("leads to %q", got.Location)
			}
		})
	}
}

// TestTheSessionIsLookedForOnce, and a database that does not answer is no sign-out.
func TestTheSessionIsLookedForOnce(t *testing.T) {
	down := errors.New("the database does not answer")
	for _, row := range []struct {
		name    string
		session *session.Session
		err     error
	}{
		{"signed in", an, nil},
		{"not signed in", nil, nil},
		{"could not look", an, down},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := pagetest.New()
			b.Session, b.Err = row.session, row.err
			got := b.Get(t, "/", "/", func(v *page.Visit) error {
				for range 2 {
					who, err := v.Current()
					if !errors.Is(err, row.err) || (who == nil) != (row.session == nil || row.err != nil) {
						t.Errorf("got %v, %v", who, err)
					}
				}
				_, err := v.SignedIn()
				if row.session != nil {
					return err
				}
				return nil
			})
			if row.err != nil && (!errors.Is(got.Err, row.err) || got.Location != "") {
				t.Errorf("a fault leads to %q, %v", got.Location, got.Err)
			}
			if row.session != nil && row.err == nil && b.Looked != 1 {
				t.Errorf("looked %d times", b.Looked)
			}
		})
	}
}

// TestCookies: what a browser gets, no script and no other site reads; the state for
// session management is for our script in frames of other sites.
func TestCookies(t *testing.T) {
	for _, row := range []struct {
		name, cookie       string
		plain              bool
		do                 func(*page.Visit)
		script, everywhere bool
	}{
		{"the session", "session", false, func(v *page.Visit) { v.KeepSession("secret") }, false, false},
		{"the session, by HTTP", "session", true, func(v *page.Visit) { v.KeepSession("secret") }, false, false},
		{"the binding", "binding", false, func(v *page.Visit) { v.Rebind() }, false, false},
		{"the state", "__Host-hn_state", false, func(v *page.Visit) { v.KeepBrowserState("state") }, true, true},
		{"the state, by HTTP", "hn_state", true, func(v *page.Visit) { v.KeepBrowserState("state") }, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := pagetest.New()
			b.Plain = row.plain
			got := b.Get(t, "/", "/", func(v *page.Visit) error { row.do(v); return nil })
			i := slices.IndexFunc(got.Cookies, func(c *http.Cookie) bool { return c.Name == row.cookie })
			if i < 0 {
				t.Fatalf("no cookie %s in %v", row.cookie, got.Cookies)
			}
			c := got.Cookies[i]
			want := http.SameSiteLaxMode
			if row.everywhere {
				want = http.SameSiteNoneMode
			}
			if c.HttpOnly == row.script || c.Secure == row.plain || c.SameSite != want || c.Path != "/" || c.MaxAge <= 0 || c.Domain != "" {
				t.Errorf("got %s", c)
			}
		})
	}
	got := pagetest.New().Get(t, "/", "/", func(v *page.Visit) error { v.KeepBrowserState(""); v.ForgetBrowserState(); return nil })
	if len(got.Cookies) != 0 {
		t.Errorf("a browser without a state got %v", got.Cookies)
	}
}

// TestForgettingASession takes all of it from the browser, and voids the forms that are
// open in it.
func TestForgettingASession(t *testing.T) {
	for name, who := range map[string]*session.Session{"signed in": an, "not signed in": nil} {
		t.Run(name, func(t *testing.T) {
			b := pagetest.New()
			b.Session = who
			b.SetCookie("session", "secret")
			b.SetCookie("__Host-hn_state", "state")
			before, token := b.Cookie("binding"), b.Token()
			b.Get(t, "/", "/", func(v *page.Visit) error {
				if _, err := v.Current(); err != nil {
					return err
				}
				if v.ForgetSession(); v.Session != nil {
					t.Error("the visit still has a session")
				}
				return nil
			})
			if b.Cookie("session") != "" || b.Cookie("__Host-hn_state") != "" {
				t.Error("the browser keeps a cookie of the session")
			}
			if rebound := b.Cookie("binding") != before; rebound != (who != nil) {
				t.Errorf("another binding: %v", rebound)
			}
			got := b.PostAs(t, "/", "/", url.Values{"csrf": {token}}, (*page.Visit).CheckForm)
			if (got.Fault() == string(view.ErrorForm)) != (who != nil) {
				t.Errorf("a form from before: %v", got.Err)
			}
		})
	}
}

// TestBinding: a browser without one gets one, and one that is none of ours is replaced.
func TestBinding(t *testing.T) {
	for _, row := range []struct {
		name, has string
		replaced  bool
	}{
		{"none", "", true}, {"one of ours", strings.Repeat("b", 43), false}, {"a short one", "b", true}, {"a long one", strings.Repeat("b", 44), true},
	} {
		b := pagetest.New()
		b.SetCookie("binding", row.has)
		b.Get(t, "/", "/", func(v *page.Visit) error { return v.Show(view.LoggedOut{HomeURL: "/"}) })
		if got := b.Cookie("binding"); (got != row.has) != row.replaced || len(got) != 43 {
			t.Errorf("%s became %q", row.name, got)
		}
	}
}

// TestShow: a page carries the token of this browser, is kept by nobody, loads nothing
// of others, and says who is signed in.
func TestShow(t *testing.T) {
	b := pagetest.New()
	b.Session = an
	show := func(v *page.Visit) error {
		if _, err := v.Current(); err != nil {
			return err
		}
		v.FormPath = "/portal/form"
		return v.Show(view.LoggedOut{HomeURL: "/"})
	}
	got := b.Get(t, "/", "/?a=b", show)
	for _, want := range []string{b.Token(), an.Name, `action="/logout/confirm"`, `href="/?a=b&amp;lang=en"`} {
		if !strings.Contains(got.Body, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Content-Security-Policy") != page.Policy {
		t.Errorf("headers: %v", got.Header)
	}
	if got := b.Post(t, "/", "/?a=b", nil, show); !strings.Contains(got.Body, `href="/portal/form?lang=en"`) {
		t.Error("the language links of an answer to a form do not lead to its page")
	}
	got = b.Get(t, "/", "/", func(v *page.Visit) error { v.AllowAnyFormAction(); return show(v) })
	if csp := got.Header.Get("Content-Security-Policy"); strings.Contains(csp, "form-action") ||
		!strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("a page that ends at an app: %s", csp)
	}
}

// TestDeadline: every visit has one, and the handler sees the caller's address.
func TestDeadline(t *testing.T) {
	pagetest.New().Get(t, "/", "/", func(v *page.Visit) error {
		for name, ctx := range map[string]interface{ Deadline() (time.Time, bool) }{"the visit": v.Context, "its request": v.HTTP.Context()} {
			if until, ok := ctx.Deadline(); !ok || time.Until(until) > page.Deadline {
				t.Errorf("%s ends at %v", name, until)
			}
		}
		if v.Address().String() != "192.0.2.7" || v.HTTP.RemoteAddr != "192.0.2.7" {
			t.Errorf("called from %s and %s", v.Address(), v.HTTP.RemoteAddr)
		}
		return nil
	})
}
