package web

import (
	"net/url"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/registration"
	"hopnhat/web/view"
)

// operatorRole is the role of who runs the provider.
const operatorRole = "operator"

// Keys tells what this node knows of the keys at an app's jwks_uri.
type Keys interface {
	KeyState(id authz.ClientID) (n int, fetched time.Time, failed bool)
}

// operator lets operators in who signed in with two factors, and nobody else.
func (v *visit) operator() error { return v.holds(operatorRole) }

// apps lists registered apps to an operator.
func (s *Server) apps(v *visit) error {
	if err := v.operator(); err != nil {
		return err
	}
	const pageSize = 50
	after := v.c.Query("after")
	if len(after) > 128 {
		after = ""
	}
	found, err := s.o.Clients.Clients(v.ctx, authz.ClientID(after), pageSize+1)
	if err != nil {
		return err
	}
	var page view.Apps
	for i, c := range found {
		if i == pageSize {
			page.Next = console + "/apps?" + url.Values{"after": {string(found[i-1].ID)}}.Encode()
			break
		}
		page.Rows = append(page.Rows, s.appRow(c))
	}
	return v.show(page, view.OperatorNav(console, view.SectionApps)...)
}

func (s *Server) appRow(c *authz.Client) view.AppRow {
	row := view.AppRow{
		ID: string(c.ID), Name: c.Name, Owner: c.Owner, Profile: string(c.Profile), Method: string(c.Method), State: view.AppEnabled,
		Verified: c.Verified.Holds(), VerifiedBy: c.Verified.By, VerifiedAt: c.Verified.At,
		Ends: len(registration.ReviewOf(c, s.o.Now()).Findings),
	}
	switch {
	case !c.Ended.IsZero():
		row.State, row.Ends = view.AppDeleted, 0
	case c.Disabled:
		row.State = view.AppDisabled
	}
	if row.Remote = c.JWKSURI != ""; row.Remote {
		row.Keys, row.Fetched, row.Failed = s.o.Keys.KeyState(c.ID)
	} else {
		row.Keys = registration.KeysOf(c)
	}
	return row
}

// openURL begins a sign-in at an app that lets itself be asked to (OpenID Connect
// Core §4): with our issuer, so that it knows whom to send the person back to.
func openURL(c *authz.Client, issuer string) string {
	u, err := url.Parse(c.InitiateLoginURI)
	if err != nil || c.InitiateLoginURI == "" || c.Disabled {
		return ""
	}
	query := u.Query()
	query.Set("iss", issuer)
	u.RawQuery = query.Encode()
	return u.String()
}
