// Package pagetest is a browser for tests of pages: it keeps its cookies, carries the
// token of a form, and runs one handler of a page at a time, without a server.
package pagetest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz/session"
	"hopnhat/keys/seal"
	"hopnhat/web/page"
)

// Issuer is ours in these tests.
const Issuer = "https://id.example"

// Browser is a browser and the part of a server that all pages have in common.
type Browser struct {
	// Session is the one it is signed in with, nil for none. Err is what looking for it
	// fails with.
	Session *session.Session
	Err     error
	// Looked counts how often the session was looked for.
	Looked int
	// Plain is for a server that is reached by HTTP.
	Plain bool
	// Header is sent with each request.
	Header http.Header

	frame   *page.Frame
	cookies map[string]string
}

// New is a browser that has been here before: it has a binding.
func New() *Browser {
	b := &Browser{Header: http.Header{}, cookies: map[string]string{"binding": strings.Repeat("b", 43)}}
	b.frame = &page.Frame{
		Issuer: Issuer, Sessions: b, Forms: session.NewForms(seal.New(seal.Forms, []byte("key"))),
		ClientAddress: func(*fiber.Ctx) netip.Addr { return netip.MustParseAddr("192.0.2.7") },
	}
	return b
}

// Frame is what all pages have in common.
func (b *Browser) Frame() *page.Frame { return b.frame }

// Forms makes the tokens of the browser's forms.
func (b *Browser) Forms() page.Forms { return b.frame.Forms }

// Of finds the session of the browser.
func (b *Browser) Of(*http.Request) (session.Session, error) {
	b.Looked++
	switch {
	case b.Err != nil:
		return session.Session{}, b.Err
	case b.Session == nil:
		return session.Session{}, session.ErrNone
	}
	return *b.Session, nil
}

// CookieName names the cookie of the session.
func (b *Browser) CookieName() string { return "session" }

// BindingName names the cookie of the binding.
func (b *Browser) BindingName() string { return "binding" }

// Secure reports whether the server is reached by HTTPS.
func (b *Browser) Secure() bool { return !b.Plain }

// Cookie is the value of a cookie, empty for none.
func (b *Browser) Cookie(name string) string { return b.cookies[name] }

// SetCookie gives the browser a cookie; an empty value takes it.
func (b *Browser) SetCookie(name, value string) {
	if b.cookies[name] = value; value == "" {
		delete(b.cookies, name)
	}
}

// Token is the token of a form that this browser was shown.
func (b *Browser) Token() string { return b.frame.Forms.Token(b.cookies["binding"], "form") }

// Answer is what a handler did.
type Answer struct {
	// Err is what it returned, a redirect apart.
	Err      error
	Status   int
	Location string
	Header   http.Header
	Cookies  []*http.Cookie
	Body     string
}

// Fault is the page of an error that the handler asked for, empty for none.
func (a Answer) Fault() string {
	var fault page.Fault
	_ = errors.As(a.Err, &fault)
	return string(fault)
}

// Query is a parameter of the address that the answer redirects to.
func (a Answer) Query(name string) string {
	u, err := url.Parse(a.Location)
	if err != nil {
		return ""
	}
	return u.Query().Get(name)
}

// Get asks for an address, which the handler answers under a pattern such as
// /portal/releases/:id.
func (b *Browser) Get(t testing.TB, pattern, target string, h func(*page.Visit) error) Answer {
	t.Helper()
	return b.Do(t, pattern, httptest.NewRequest(http.MethodGet, target, nil), h)
}

// Post sends a form that this browser was shown.
func (b *Browser) Post(t testing.TB, pattern, target string, form url.Values, h func(*page.Visit) error) Answer {
	t.Helper()
	signed := url.Values{"csrf": {b.Token()}}
	for name, values := range form {
		signed[name] = values
	}
	return b.PostAs(t, pattern, target, signed, h)
}

// PostAs sends a form as it is.
func (b *Browser) PostAs(t testing.TB, pattern, target string, form url.Values, h func(*page.Visit) error) Answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Header.Set(fiber.HeaderContentType, fiber.MIMEApplicationForm)
	return b.Do(t, pattern, r, h)
}

// Do sends a request with the browser's cookies, and keeps those of the answer.
func (b *Browser) Do(t testing.TB, pattern string, r *http.Request, h func(*page.Visit) error) Answer {
	t.Helper()
	for name, values := range b.Header {
		r.Header[name] = values
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	var returned error
	app := fiber.New(fiber.Config{Immutable: true, ReadBufferSize: 32 << 10})
	app.All(pattern, func(c *fiber.Ctx) error {
		returned = b.frame.Handler(h)(c)
		return nil
	})
	response, err := app.Test(r, -1)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range response.Cookies() {
		if b.SetCookie(c.Name, c.Value); c.MaxAge < 0 {
			b.SetCookie(c.Name, "")
		}
	}
	out := Answer{
		Err: returned, Status: response.StatusCode, Location: response.Header.Get(fiber.HeaderLocation),
		Header: response.Header, Cookies: response.Cookies(), Body: string(raw),
	}
	var to page.Redirect
	if errors.As(returned, &to) {
		out.Err, out.Status, out.Location = nil, http.StatusSeeOther, string(to)
	}
	return out
}
