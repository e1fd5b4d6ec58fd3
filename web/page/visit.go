package page

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/web/view"
)

// Deadline is how long a request may take.
const Deadline = 15 * time.Second

// Sessions finds the session of a browser, and names the cookies that it travels in.
type Sessions interface {
	// Of finds the live session of a request; [session.ErrNone] where there is none.
	Of(r *http.Request) (session.Session, error)
	CookieName() string
	BindingName() string
	// Secure reports whether cookies are for HTTPS only.
	Secure() bool
}

// Forms makes and checks what a browser carries for us, each bound to that browser.
type Forms interface {
	Token(binding, purpose string) string
	Genuine(binding, purpose, token string) bool
	Seal(binding, purpose string, plain []byte) string
	Open(binding, purpose, sealed string) (plain []byte, ok bool)
}

// Frame is what all pages have in common. It is safe for concurrent use.
type Frame struct {
	Issuer   string
	Sessions Sessions
	Forms    Forms
	// ClientAddress is the network address of a caller.
	ClientAddress func(*fiber.Ctx) netip.Addr
	// Demo shows the strip that says all is invented.
	Demo bool
	// OpenIncidents is how many incidents are open, for the console; nil for none.
	OpenIncidents func() int
}

// Visit is one request to a page. It is good as long as its handler runs.
type Visit struct {
	C       *fiber.Ctx
	Context context.Context
	HTTP    *http.Request
	Lang    view.Lang
	// UILocale is the language that the app asks for, empty if none.
	UILocale string
	// Binding is the random id of the browser that its forms are bound to.
	Binding string
	// Session is nil until [Visit.Current] has found one.
	Session *session.Session
	// Role is the one for which an official was let in; empty on other pages.
	Role authz.Role
	// FormPath shows by GET the form that a POST answers with, for the language
	// links; empty leads to the start page.
	FormPath string

	frame *Frame
}

// Handler makes a fiber handler of a page. It refuses parameters that are no text.
func (f *Frame) Handler(h func(*Visit) error) fiber.Handler {
	return f.AnyInput(func(v *Visit) error {
		if err := checkText(v.C); err != nil {
			return err
		}
		return h(v)
	})
}

// AnyInput is [Frame.Handler] for a page that is shown whatever was sent, as an error
// page is.
func (f *Frame) AnyInput(h func(*Visit) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		ctx, cancel := context.WithTimeout(authz.WithRequest(context.Background(), c.GetRespHeader(fiber.HeaderXRequestID)), Deadline)
		defer cancel()
		r, err := httpRequest(c)
		if err != nil {
			return Fault(view.ErrorBadRequest)
		}
		v := &Visit{C: c, frame: f}
		r.RemoteAddr = v.Address().String() // not that of a proxy of ours
		v.Context = authz.WithReading(ctx, f.sessionHash(c))
		v.HTTP = r.WithContext(v.Context)
		v.chooseLanguage()
		v.Binding = c.Cookies(f.Sessions.BindingName())
		c.Set(fiber.HeaderContentSecurityPolicy, Policy)
		c.Set(fiber.HeaderCacheControl, "no-store")
		return h(v)
	}
}

// sessionHash is the hash of the session secret that a browser sent, nil for none.
func (f *Frame) sessionHash(c *fiber.Ctx) []byte {
	secret := c.Cookies(f.Sessions.CookieName())
	if len(secret) != session.SecretLength {
		return nil
	}
	return authz.HashSecret(secret)
}

// loads lets a page load its own files and nothing else, and Policy lets its forms
// post to us only.
const (
	loads = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
	Policy = loads + "; form-action 'self'"
)

// AllowAnyFormAction takes form-action from a page whose last form ends at an app.
// Browsers hold it against every redirect that follows a form, those of the app included
// (CSP3 §6.4.1.1), and where an app sends the browser on is not ours to know: to
// another host, from http to https, to a scheme of its own. An answer that is no
// redirect would escape the rule, but a telephone opens an app only from a redirect
// that a tap began. The page where the password is typed keeps form-action: its form
// ends at the next page of ours, and its link that gives up is no form.
func (v *Visit) AllowAnyFormAction() { v.C.Set(fiber.HeaderContentSecurityPolicy, loads) }

// bindingLength is the length of a binding of ours, see [authz.NewSecret].
const bindingLength = 43

// Bind makes sure that the browser has its binding cookie.
func (v *Visit) Bind() string {
	if len(v.Binding) != bindingLength {
		v.Binding = authz.NewSecret()
		v.SetCookie(v.frame.Sessions.BindingName(), v.Binding, 24*time.Hour)
	}
	return v.Binding
}

// Rebind gives the browser another binding, so that the forms and links that are
// open in it are void.
func (v *Visit) Rebind() {
	v.Binding = ""
	v.Bind()
}

// SetCookie gives the browser a cookie that no script reads.
func (v *Visit) SetCookie(name, value string, life time.Duration) {
	v.C.Cookie(&fiber.Cookie{
		Name: name, Value: value, Path: "/", HTTPOnly: true, Secure: v.frame.Sessions.Secure(),
		SameSite: fiber.CookieSameSiteLaxMode, MaxAge: int(life.Seconds()),
	})
}

// KeepSession gives the browser the secret of its session.
func (v *Visit) KeepSession(secret string) {
	v.SetCookie(v.frame.Sessions.CookieName(), secret, 12*time.Hour)
}

// ForgetSession takes the session from the browser, and with it the forms of the
// session that are open elsewhere.
func (v *Visit) ForgetSession() {
	if v.Session != nil {
		v.Rebind()
	}
	v.SetCookie(v.frame.Sessions.CookieName(), "", -time.Second)
	v.ForgetBrowserState()
	v.Session = nil
}

// Current finds the session of the browser, once a visit; nil where there is none.
func (v *Visit) Current() (*session.Session, error) {
	if v.Session != nil {
		return v.Session, nil
	}
	found, err := v.frame.Sessions.Of(v.HTTP)
	if errors.Is(err, session.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v.Session = &found
	return v.Session, nil
}

// SignedIn is [Visit.Current], or a redirect to the sign-in page that comes back here.
func (v *Visit) SignedIn() (*session.Session, error) {
	s, err := v.Current()
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, Redirect("/signin?" + url.Values{"next": {v.returnPath()}}.Encode())
	}
	return s, nil
}

// SignedInRecently is [Visit.SignedIn] where she signed in here, with two factors, not longer ago
// than [Recent], twice that for a form, or a redirect to the sign-in page that comes back here.
func (v *Visit) SignedInRecently(now time.Time) (*session.Session, error) {
	s, err := v.SignedIn()
	if err != nil {
		return nil, err
	}
	limit := Recent
	if v.C.Method() == http.MethodPost {
		limit *= 2
	}
	if !own(s) || now.Sub(s.AuthTime) >= limit {
		next := v.returnPath()
		if v.C.Method() == http.MethodPost {
			next = PasskeysPath
		}
		return nil, Redirect("/signin?" + url.Values{"next": {next}}.Encode())
	}
	return s, nil
}

// returnPath is an address to come back to: this one, or where a form was sent, the
// beginning of its part.
func (v *Visit) returnPath() string {
	switch {
	case v.C.Method() == http.MethodGet:
		return v.C.OriginalURL()
	case within(v.C.Path(), ConsolePath):
		return ConsolePath
	default:
		return PortalPath
	}
}

// Address is the caller's network address.
func (v *Visit) Address() netip.Addr { return v.frame.ClientAddress(v.C) }

// Show renders a page.
func (v *Visit) Show(page view.Page, nav ...view.NavLink) error {
	shell := view.Shell{Lang: v.Lang, CSRF: v.Token(formToken), Path: v.C.OriginalURL(), Nav: nav, Demo: v.frame.Demo}
	if v.C.Method() != fiber.MethodGet {
		shell.Path = v.FormPath
	}
	if v.Session != nil {
		shell.SignedInAs, shell.SignOut = v.Session.Name, "/logout/confirm"
	}
	if v.frame.OpenIncidents != nil && within(v.C.Path(), ConsolePath) {
		shell.Banner = &view.Banner{Open: v.frame.OpenIncidents(), URL: IncidentsPath}
	}
	v.C.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return view.Render(v.C.Response().BodyWriter(), shell, page)
}
