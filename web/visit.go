package web

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/web/view"
)

// visit is one request to a page.
type visit struct {
	s    *Server
	c    *fiber.Ctx
	ctx  context.Context
	http *http.Request
	lang view.Lang
	// asked is the language that an app asks for, empty if none.
	asked   string
	binding string // of the browser, for forms
	session *session.Session
	// formPath shows by GET the form that a POST answers with, for the language
	// links; empty leads to the start page.
	formPath string
}

// page makes a fiber handler of a page.
func (s *Server) page(h func(*visit) error) fiber.Handler {
	return s.show(func(v *visit) error {
		if err := readable(v.c); err != nil {
			return err
		}
		return h(v)
	})
}

// show is page for whatever was sent, which an error page needs.
func (s *Server) show(h func(*visit) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		ctx, cancel := context.WithTimeout(authz.WithRequest(context.Background(), c.GetRespHeader(fiber.HeaderXRequestID)), deadline)
		defer cancel()
		r, err := asHTTP(c)
		if err != nil {
			return fault(view.ErrorBadRequest)
		}
		r.RemoteAddr = s.caller(c).String() // not that of a proxy of ours
		v := &visit{s: s, c: c, ctx: ctx, http: r.WithContext(ctx)}
		v.listen()
		v.binding = c.Cookies(s.o.Sessions.BindingName())
		c.Set(fiber.HeaderContentSecurityPolicy, policy)
		c.Set(fiber.HeaderCacheControl, "no-store")
		return h(v)
	}
}

// typed are fields that people fill in by hand or paste into: what makes a number, a
// code or a password of them says what is wrong, where a text that is none has only a
// page of errors.
var typed = []string{"number", "code", "user_code", "password"}

// readable refuses parameters that are no text ([authz.CheckText]). No form of ours
// sends them, and a database that is asked for one answers with a failure of its own.
func readable(c *fiber.Ctx) error {
	odd := false
	look := func(name, value []byte) {
		odd = odd || authz.CheckText(string(name)) != nil || !slices.Contains(typed, string(name)) && authz.CheckText(string(value)) != nil
	}
	c.Context().QueryArgs().VisitAll(look)
	if !odd && c.Method() == fiber.MethodPost {
		c.Request().PostArgs().VisitAll(look)
	}
	if odd {
		return fault(view.ErrorBadRequest)
	}
	return nil
}

// loads lets a page load its own files and nothing else, and policy lets its forms
// post to us only.
const (
	loads = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
	policy = loads + "; form-action 'self'"
)

// leadsAway takes form-action from a page whose last form ends at an app. Browsers
// hold it against every redirect that follows a form, those of the app included
// (CSP3 §6.4.1.1), and where an app sends the browser on is not ours to know: to
// another host, from http to https, to a scheme of its own. An answer that is no
// redirect would escape the rule, but a telephone opens an app only from a redirect
// that a tap began. The page where the password is typed keeps form-action: its form
// ends at the next page of ours, and who gives up leaves it by a link.
func (v *visit) leadsAway() { v.c.Set(fiber.HeaderContentSecurityPolicy, loads) }

// bind makes sure that the browser has its binding cookie.
func (v *visit) bind() string {
	if len(v.binding) != 43 {
		v.binding = authz.NewSecret()
		v.cookie(v.s.o.Sessions.BindingName(), v.binding, 24*time.Hour)
	}
	return v.binding
}

// rebind gives the browser another binding, so that the forms and links that are
// open in it are void.
func (v *visit) rebind() {
	v.binding = ""
	v.bind()
}

func (v *visit) cookie(name, value string, life time.Duration) {
	v.c.Cookie(&fiber.Cookie{
		Name: name, Value: value, Path: "/", HTTPOnly: true, Secure: v.s.o.Sessions.Secure(),
		SameSite: fiber.CookieSameSiteLaxMode, MaxAge: int(life.Seconds()),
	})
}

// checkForm refuses a form that is not ours: its token must be bound to this
// browser, and a browser that says where it comes from must say: from us. "null" is
// what a browser says of a page that hides where it is, which ours do not
// (Referrer-Policy).
func (v *visit) checkForm() error {
	if origin := v.c.Get(fiber.HeaderOrigin); origin != "" && origin != v.s.o.Issuer {
		return fault(view.ErrorForm)
	}
	if site := v.c.Get("Sec-Fetch-Site"); site == "cross-site" {
		return fault(view.ErrorForm)
	}
	if !v.s.o.Forms.Genuine(v.binding, "form", v.field("csrf")) {
		return fault(view.ErrorForm)
	}
	return nil
}

// checkSignIn is checkForm for a form that nobody need be signed in for. Tabs that a
// browser opened at once, without a cookie yet, have one binding between them, that
// of the last: a browser that says itself that the form comes from a page of ours is
// believed without the token.
func (v *visit) checkSignIn() error {
	err := v.checkForm()
	if err != nil && v.fromUs() {
		return nil
	}
	return err
}

// checkFormOr is checkForm for a form of a page that can be shown again: one from
// before a sign-out leads there, and changes nothing.
func (v *visit) checkFormOr(page string) error {
	err := v.checkForm()
	if err != nil && v.fromUs() {
		return redirect(page)
	}
	return err
}

// fromUs reports whether the browser says itself that a form comes from a page of ours.
func (v *visit) fromUs() bool {
	return len(v.binding) == 43 && v.c.Get(fiber.HeaderOrigin) == v.s.o.Issuer && v.c.Get("Sec-Fetch-Site") != "cross-site"
}

// field is a field of the form that was posted. The query of a POST's address is no
// part of its form.
func (v *visit) field(name string) string { return string(v.c.Request().PostArgs().Peek(name)) }

// current finds the session of the browser once.
func (v *visit) current() (*session.Session, error) {
	if v.session != nil {
		return v.session, nil
	}
	found, err := v.s.o.Sessions.Of(v.http)
	if errors.Is(err, session.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v.session = &found
	return v.session, nil
}

// signedIn is current, or a redirect to the sign-in page that comes back here.
func (v *visit) signedIn() (*session.Session, error) {
	s, err := v.current()
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, redirect("/signin?" + url.Values{"next": {v.here()}}.Encode())
	}
	return s, nil
}

// here is an address to come back to: this one, or where a form was sent, the
// beginning of its part.
func (v *visit) here() string {
	switch {
	case v.c.Method() == http.MethodGet:
		return v.c.OriginalURL()
	case strings.HasPrefix(v.c.Path(), console):
		return console
	default:
		return portal
	}
}

// param is a parameter of the query or of the form.
func (v *visit) param(name string) string {
	if v.c.Method() == http.MethodPost {
		return v.field(name)
	}
	return v.c.Query(name)
}

// address is the caller's network address.
func (v *visit) address() netip.Addr { return v.s.caller(v.c) }

// show renders a page.
func (v *visit) show(page view.Page, nav ...view.NavLink) error {
	shell := view.Shell{
		Lang: v.lang, CSRF: v.s.o.Forms.Token(v.bind(), "form"), Path: v.c.OriginalURL(), Nav: nav, Demo: v.s.o.Demo,
	}
	if v.c.Method() != fiber.MethodGet {
		shell.Path = v.formPath
	}
	if v.session != nil {
		shell.SignedInAs, shell.SignOut = v.session.Name, "/logout/confirm"
	}
	v.c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return view.Render(v.c.Response().BodyWriter(), shell, page)
}

// redirection is an error that is a redirect, so that helpers can ask for one.
type redirection struct{ to string }

func (r redirection) Error() string { return "redirect to " + r.to }

func redirect(to string) error { return redirection{to} }

// local is a path of ours to come back to, or the portal. A path that is not in its
// plain form could lead a browser elsewhere than it reads.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || strings.ContainsAny(next, "\\\r\n") || u.Path != path.Clean(u.Path) ||
		!slices.ContainsFunc([]string{portal, console}, func(part string) bool { return u.Path == part || strings.HasPrefix(u.Path, part+"/") }) {
		return portal
	}
	return next
}

// app is a client as a page shows it.
func app(c *authz.Client) view.App {
	return view.App{Name: c.Name, Owner: c.Owner, Verified: c.Verified.Holds(), Site: c.Site(), OnDevice: c.OnDevice(), LogoURL: logoPath(c), PolicyURL: c.PolicyURI, TermsURL: c.TermsURI}
}
