package signin

import (
	"net/http"

	"hopnhat/authz/authorize/response"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// Home is the start page.
func (p *Pages) Home(v *page.Visit) error {
	if _, err := v.Current(); err != nil {
		return err
	}
	body := view.Home{
		Issuer: p.o.Issuer, PortalURL: page.PortalPath, ConsoleURL: page.ConsolePath,
		DiscoveryURL: "/.well-known/openid-configuration", MetadataURL: "/.well-known/oauth-authorization-server", KeysURL: protocol.JWKSPath,
	}
	for _, d := range p.o.DemoApps {
		if c, err := p.o.Clients.Client(v.Context, d.Client); err == nil {
			body.Apps = append(body.Apps, view.AppLink{App: page.App(c), URL: d.URL})
		}
	}
	return v.Show(body)
}

// Authorize is the authorization endpoint (RFC 6749 §3.1).
func (p *Pages) Authorize(v *page.Visit) error {
	next, err := p.o.Requests.Authorize(v.HTTP)
	if err != nil {
		return err
	}
	return follow(v, next)
}

// Resume goes on with a pending request after one of our pages.
func (p *Pages) Resume(v *page.Visit) error {
	next, err := p.o.Requests.Resume(v.HTTP, grant.Handle(v.C.Query("a")))
	if err != nil {
		return err
	}
	return follow(v, next)
}

// Cancel sends the browser back to the app. Only this browser knows the handle in the
// link, so no other site can cancel for it.
func (p *Pages) Cancel(v *page.Visit) error {
	next, err := p.o.Answers.Decline(v.HTTP, grant.Handle(v.C.Query("a")), nil)
	if err != nil {
		return err
	}
	return follow(v, next)
}

// follow sends the browser where the authorization endpoint says.
func follow(v *page.Visit, next response.Next) error {
	v.SetUILocales(next.Lang)
	v.KeepBrowserState(next.BrowserState)
	if next.Form == nil {
		return v.C.Redirect(withWaits(v, next), http.StatusSeeOther)
	}
	body := view.FormPost{Action: next.Form.Action, App: page.App(next.Form.Client)}
	for name := range next.Form.Fields {
		body.Fields = append(body.Fields, view.Field{Name: name, Value: next.Form.Fields.Get(name)})
	}
	v.AllowAnyFormAction()
	return v.Show(body)
}
