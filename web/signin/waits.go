package signin

import (
	"encoding/json"
	"net/url"

	"hopnhat/authz"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/grant"
	"hopnhat/web/page"
)

// waitsField is the parameter and the form field in which a browser carries what the
// pages of a sign-in show of the request that waits, so that they do not read it.
const waitsField = "waits"

// maxWaits bounds the field; one that would be longer is left out.
const maxWaits = 1024

// waits is what stands in the field, sealed for one browser and one request. It decides
// nothing and is never spent: whoever keeps it sees the page once more, and the request
// is read from the database when it goes on.
type waits struct {
	Client  authz.ClientID `json:"c"`
	Expires int64          `json:"e"` // in seconds since 1970
}

// aboutWaits is what the field is tied to, beside the browser.
func aboutWaits(id grant.Handle) string { return "waits " + string(id) }

// withWaits is where the authorization endpoint sends the browser, with the field where
// there is one.
func withWaits(v *page.Visit, next response.Next) string {
	if next.Waits == nil {
		return next.Location
	}
	plain, err := json.Marshal(waits{next.Waits.Client, next.Waits.Expires.Unix()})
	if err != nil {
		return next.Location
	}
	v.Bind()
	sealed := v.Seal(aboutWaits(next.Waits.ID), plain)
	if len(sealed) > maxWaits {
		return next.Location
	}
	return next.Location + "&" + waitsField + "=" + url.QueryEscape(sealed)
}

// carried is the app whose request waits, out of the field; nil where the request has to
// be read. That is so for a browser with a session, which may be signed in already, and
// for a field of another browser or request, an old one, and one that is none of ours.
func (p *Pages) carried(v *page.Visit, to signInPurpose) *authz.Client {
	if to.waits == "" || authz.ReadingOf(v.Context).Session != nil {
		return nil
	}
	var w waits
	plain, ok := v.Open(aboutWaits(grant.Handle(to.authorization)), to.waits)
	if !ok || json.Unmarshal(plain, &w) != nil || p.o.Now().Unix() >= w.Expires {
		return nil
	}
	client, err := p.o.Requests.App(v.Context, w.Client)
	if err != nil {
		return nil
	}
	return client
}
