// Package upstream is sign-in by another provider as the browser sees it: the links on the
// sign-in page, the way there and back, and the page of a person's links. What comes of an
// answer is decided in federation/upstream/flow. Like the other pages of a sign-in it sends the
// browser back to the authorization endpoint, which decides again.
package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/request"
	"hopnhat/authz/session"
	"hopnhat/federation/upstream"
	"hopnhat/federation/upstream/flow"
	"hopnhat/web/page"
	"hopnhat/web/view"
	"hopnhat/web/view/ways"
)

// The addresses of the room.
const (
	StartPath    = "/signin/upstream"
	CallbackPath = flow.Prefix + ":alias/callback"
	LogoutPath   = flow.Prefix + ":alias/logout"
	Path         = page.PortalPath + "/providers"
	LinkPath     = Path + "/link"
	ConfirmPath  = Path + "/confirm"
	UnlinkPath   = Path + "/unlink"
)

// Engine signs people in by other providers ([flow.Engine]).
type Engine interface {
	Providers() []*upstream.Provider
	Provider(alias upstream.Alias) *upstream.Provider
	Begin(ctx context.Context, s flow.Start) (location string, err error)
	Finish(ctx context.Context, r flow.Return) (flow.Result, error)
	Confirm(ctx context.Context, p *upstream.Provider, proof string, who *session.Session) error
	Bonds(ctx context.Context, who authz.Subject) ([]upstream.Bond, error)
	Unlink(ctx context.Context, who *session.Session, id string) error
	// SignedOut is the provider by which a session began, and where the browser is signed out
	// there; nil where there is no such address.
	SignedOut(ctx context.Context, id authz.SessionID) (*upstream.Provider, string)
}

// Requests finds what an app asks ([hopnhat/authz/provider.Provider]).
type Requests interface {
	Waiting(ctx context.Context, id grant.Handle) (authorize.Waiting, error)
}

// Addresses limits what one address may begin.
type Addresses interface {
	Take(address netip.Addr) (wait time.Duration)
}

// Options is what the room is made of; all are needed.
type Options struct {
	Engine    Engine
	Requests  Requests
	Addresses Addresses
	// LogoutQueued is called when logout tokens were queued.
	LogoutQueued func()
	Now          func() time.Time
}

// Pages are the pages of the room. They are safe for concurrent use.
type Pages struct{ o Options }

// New makes the pages.
func New(o Options) *Pages { return &Pages{o} }

// ticket is what a link of the sign-in page carries, sealed for the browser: so nobody else
// begins a sign-in in it.
type ticket struct {
	Alias   upstream.Alias `json:"p"`
	Next    string         `json:"n"`
	Request grant.Handle   `json:"a,omitempty"`
	Expires int64          `json:"e"` // in seconds since 1970
}

const (
	ticketLife = time.Hour
	maxTicket  = 6 << 10
	aboutStart = "sign-in by another provider"
)

// Buttons are the links of the sign-in page, in the order of the operator. hint names a
// provider: it comes first, and is there though it is hidden. next is where the browser goes
// after the sign-in, request what it is for, if it is for an app's.
func (p *Pages) Buttons(v *page.Visit, hint, next string, request grant.Handle) (out []ways.ProviderButton) {
	for _, one := range p.o.Engine.Providers() {
		hinted := hint != "" && hint == string(one.Alias)
		if one.LinkOnly || one.Hidden && !hinted {
			continue
		}
		plain, err := json.Marshal(ticket{one.Alias, next, request, p.o.Now().Add(ticketLife).Unix()})
		if err != nil {
			continue
		}
		v.Bind()
		button := ways.ProviderButton{Name: one.Name, URL: StartPath + "?to=" + url.QueryEscape(v.Seal(aboutStart, plain))}
		if hinted {
			out = append([]ways.ProviderButton{button}, out...)
			continue
		}
		out = append(out, button)
	}
	return out
}

// SignOut is the link by which a browser whose session here has ended signs out at the
// provider that it signed in by; nil where there is none.
func (p *Pages) SignOut(ctx context.Context, id authz.SessionID) *ways.ProviderButton {
	one, address := p.o.Engine.SignedOut(ctx, id)
	if one == nil {
		return nil
	}
	return &ways.ProviderButton{Name: one.Name, URL: address}
}

// Start leads to a provider.
func (p *Pages) Start(v *page.Visit) error {
	sealed := v.C.Query("to")
	plain, ok := v.Open(aboutStart, sealed)
	var t ticket
	if len(sealed) > maxTicket || !ok || json.Unmarshal(plain, &t) != nil || p.o.Now().Unix() >= t.Expires {
		return p.problem(v, nil, flow.Result{}, upstream.Late)
	}
	one := p.o.Engine.Provider(t.Alias)
	if one == nil || one.LinkOnly {
		return p.problem(v, nil, flow.Result{Next: t.Next}, upstream.Unlinked)
	}
	s := flow.Start{Provider: one, Next: t.Next, Locales: []string{string(v.Lang)}}
	if t.Request != "" {
		w, err := p.o.Requests.Waiting(v.Context, t.Request)
		if err != nil {
			return err
		}
		s.Fresh, s.Level = fresh(w), w.Client.MinimumLevel
	}
	return p.begin(v, s)
}

// fresh reports whether a request wants the person to sign in for it, whoever is signed in
// (OpenID Connect Core §3.1.2.1, RFC 8252 §8.6).
func fresh(w authorize.Waiting) bool {
	r := w.Request
	anew := slices.Contains(r.Prompt, "login") || slices.Contains(r.Prompt, "select_account")
	return anew || r.MaxAge != nil || !request.Assured(w.Client, &r)
}

func (p *Pages) begin(v *page.Visit, s flow.Start) error {
	if wait := p.o.Addresses.Take(v.Address()); wait > 0 {
		return p.problem(v, s.Provider, flow.Result{Next: s.Next, Links: s.Who != nil}, busy)
	}
	s.Browser = v.Bind()
	location, err := p.o.Engine.Begin(v.Context, s)
	if err != nil {
		return p.failed(v, s.Provider, flow.Result{Next: s.Next, Links: s.Who != nil}, err)
	}
	return v.C.Redirect(location, fiber.StatusSeeOther)
}

// busy is the problem of who begins too often.
const busy upstream.Reason = "busy"

// Callback takes the answer of a provider.
func (p *Pages) Callback(v *page.Visit) error {
	one := p.o.Engine.Provider(upstream.Alias(v.C.Params("alias")))
	if one == nil {
		return page.Fault(view.ErrorNotFound)
	}
	query, err := url.ParseQuery(string(v.C.Request().URI().QueryString()))
	if err != nil {
		return page.Fault(view.ErrorBadRequest)
	}
	before, err := v.Current()
	if err != nil {
		return err
	}
	secret := authz.NewSecret()
	out, err := p.o.Engine.Finish(v.Context, flow.Return{
		Provider: one, Browser: v.Binding, Query: query, UserAgent: v.C.Get(fiber.HeaderUserAgent), Secret: secret, Before: before,
	})
	switch {
	case err != nil:
		return p.failed(v, one, out, err)
	case out.Links:
		v.FormPath = Path
		return v.Show(view.UpstreamConfirm{
			Form:     view.Form{Action: ConfirmPath, Hidden: []view.Field{{Name: "proof", Value: out.Proof}, {Name: "provider", Value: string(one.Alias)}}},
			Provider: one.Name,
		}, view.PortalNav(page.PortalPath, view.SectionSessions)...)
	}
	v.KeepSession(secret)
	if before == nil || before.ID != out.Began.ID {
		v.ForgetBrowserState()
	}
	if before != nil && before.Actor != out.Began.Actor {
		v.Rebind() // what the other person left open in this browser is void
		p.o.LogoutQueued()
	}
	return page.Redirect(onward(out.Next))
}

// onward is where a sign-in goes on: at the authorization endpoint, with the request that waits,
// or at a page of ours.
func onward(next string) string {
	if strings.HasPrefix(next, resumePath+"?") {
		return next
	}
	return page.Local(next)
}

// resumePath is that of the authorization endpoint, where it decides again.
const resumePath = protocol.AuthorizePath + "/resume"

// failed shows a refusal; another error is the server's.
func (p *Pages) failed(v *page.Visit, one *upstream.Provider, out flow.Result, err error) error {
	var r *upstream.Refusal
	if !errors.As(err, &r) {
		return err
	}
	slog.InfoContext(v.Context, "a sign-in by another provider came to nothing", "provider", one.Alias, "reason", r.Reason, "why", err.Error())
	return p.problem(v, one, out, r.Reason)
}

func (p *Pages) problem(v *page.Visit, one *upstream.Provider, out flow.Result, reason upstream.Reason) error {
	body := view.UpstreamProblem{Fault: ways.UpstreamFault(reason), Links: out.Links, BackURL: onward(out.Next)}
	if one != nil {
		body.Provider = one.Name
	}
	if out.Links {
		body.BackURL = Path
	}
	v.FormPath = Path
	return v.Show(body)
}

// List lists the providers with the person's links.
func (p *Pages) List(v *page.Visit) error { return p.list(v, view.Upstreams{}) }

func (p *Pages) list(v *page.Visit, body view.Upstreams) error {
	bonds, err := p.o.Engine.Bonds(v.Context, v.Session.Actor)
	if err != nil {
		return err
	}
	body.LinkURL, body.UnlinkURL = LinkPath, UnlinkPath
	for _, one := range p.o.Engine.Providers() {
		row := ways.Upstream{Alias: string(one.Alias), Name: one.Name, LinkOnly: one.LinkOnly}
		for _, b := range bonds {
			if b.Issuer == one.Issuer {
				row.Link, row.Level, row.Made, row.ByNumber = b.ID, int(b.Level), b.Made, b.ByNumber
			}
		}
		body.Providers = append(body.Providers, row)
	}
	v.AllowAnyFormAction() // the form that links ends at the provider
	v.FormPath = Path
	return v.Show(body, view.PortalNav(page.PortalPath, view.SectionSessions)...)
}

// Link leads to a provider, to link the person's account.
func (p *Pages) Link(v *page.Visit) error {
	one := p.o.Engine.Provider(upstream.Alias(v.Field("provider")))
	if one == nil {
		return page.Fault(view.ErrorNotFound)
	}
	return p.begin(v, flow.Start{Provider: one, Next: Path, Locales: []string{string(v.Lang)}, Who: v.Session})
}

// Confirm makes the link that the person came back with.
func (p *Pages) Confirm(v *page.Visit) error {
	one := p.o.Engine.Provider(upstream.Alias(v.Field("provider")))
	switch {
	case one == nil:
		return page.Fault(view.ErrorNotFound)
	case v.Field("decision") != "link":
		return page.Redirect(Path)
	}
	if err := p.o.Engine.Confirm(v.Context, one, v.Field("proof"), v.Session); err != nil {
		return p.failed(v, one, flow.Result{Links: true}, err)
	}
	return p.list(v, view.Upstreams{Linked: true})
}

// Unlink ends a link of the person.
func (p *Pages) Unlink(v *page.Visit) error {
	if err := p.o.Engine.Unlink(v.Context, v.Session, v.Field("link")); err != nil {
		return err
	}
	p.o.LogoutQueued()
	return p.list(v, view.Upstreams{Unlinked: true})
}
