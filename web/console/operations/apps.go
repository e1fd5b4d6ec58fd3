package operations

import (
	"net/url"

	"hopnhat/authz"
	"hopnhat/authz/registration"
	"hopnhat/authz/registration/review"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// maxAfter bounds the id that a list of apps goes on after.
const maxAfter = 128

// Apps lists registered apps to an operator.
func (p *Pages) Apps(v *page.Visit) error {
	after := v.C.Query("after")
	if len(after) > maxAfter {
		after = ""
	}
	found, err := p.o.Clients.Clients(v.Context, authz.ClientID(after), pageSize+1)
	if err != nil {
		return err
	}
	var body view.Apps
	for i, c := range found {
		if i == pageSize {
			body.Next = AppsPath + "?" + url.Values{"after": {string(found[i-1].ID)}}.Encode()
			break
		}
		body.Rows = append(body.Rows, p.appRow(c))
	}
	return v.Show(body, view.OperatorNav(page.ConsolePath, view.SectionApps)...)
}

func (p *Pages) appRow(c *authz.Client) view.AppRow {
	row := view.AppRow{
		ID: string(c.ID), Name: c.Name, Owner: c.Owner, Profile: string(c.Profile), Method: string(c.Method), State: view.AppEnabled,
		Verified: c.Verified.Holds(), VerifiedBy: c.Verified.By, VerifiedAt: c.Verified.At,
		Ends: len(review.Of(c, p.o.Now()).Findings),
	}
	switch {
	case !c.Ended.IsZero():
		row.State, row.Ends = view.AppDeleted, 0
	case c.Disabled:
		row.State = view.AppDisabled
	case c.Membership.Lapsed(p.o.Now()):
		row.State = view.AppLapsed
	}
	if row.Remote = c.JWKSURI != ""; row.Remote {
		row.Keys, row.Fetched, row.Failed = p.o.Keys.KeyState(c.ID)
	} else {
		row.Keys = registration.KeysOf(c)
	}
	return row
}
