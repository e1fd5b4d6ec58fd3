package page

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz/session"
)

// browser answers for one browser: the session that it has, or the error of looking.
type browser struct {
	session *session.Session
	err     error
	plain   bool
}

func (b *browser) Of(*http.Request) (session.Session, error) {
	if b.err != nil {
		return session.Session{}, b.err
	}
	if b.session == nil {
		return session.Session{}, session.ErrNone
	}
	return *b.session, nil
}
func (b *browser) CookieName() string  { return "session" }
func (b *browser) BindingName() string { return "binding" }
func (b *browser) Secure() bool        { return !b.plain }

const (
	issuer  = "https://id.example"
	hers    = "hers4567890123456789012345678901234567890123"
	another = "another7890123456789012345678901234567890123"
)

func frameOf(b *browser) *Frame {
	return &Frame{
		Issuer: issuer, Sessions: b, Forms: session.NewForms([]byte("key")),
		ClientAddress: func(*fiber.Ctx) netip.Addr { return netip.MustParseAddr("192.0.2.7") },
	}
}

// visited answers one request by a handler, with what it returned.
func visited(t *testing.T, f *Frame, r *http.Request, h func(*Visit) error) (answer *http.Response, body string, returned error) {
	t.Helper()
	app := fiber.New()
	app.All("/*", func(c *fiber.Ctx) error {
		returned = f.Handler(h)(c)
		return nil
	})
	answer, err := app.Test(r, -1)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(raw), returned
}

func posted(path, body string, header map[string]string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return r
}

// TestFieldsAreOfTheBody: what stands in the address of a POST is no field of its
// form.
func TestFieldsAreOfTheBody(t *testing.T) {
	_, body, err := visited(t, frameOf(&browser{}), posted("/fields?b=address", "a=body", nil), func(v *Visit) error {
		return v.C.SendString(v.Field("a") + "," + v.Field("b") + "," + v.Param("b"))
	})
	if err != nil || body != "body,," {
		t.Errorf("got %q, %v", body, err)
	}
}
