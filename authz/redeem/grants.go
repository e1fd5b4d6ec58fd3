package redeem

import (
	"context"
	"net/url"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/token"
)

// Grant is one way to get tokens: a row of the table.
type Grant struct {
	// Type is the grant_type, Needs the parameters it cannot do without.
	Type  string
	Needs []string
	// Redeem checks what is presented and gives tokens for it. Errors are *authz.Error.
	Redeem func(ctx context.Context, q *Request) (*token.Response, error)
}

// grants are the table.
type grants []Grant

// table is every grant that is offered: a new one is a row here and a file of its own.
func table(o *Options) grants {
	bearer := jwtBearer{o}
	return grants{
		{"authorization_code", []string{"code", "redirect_uri"}, code{o}.redeem}, // a missing code_verifier is a wrong one
		{"refresh_token", []string{"refresh_token"}, refresh{o}.redeem},
		{"client_credentials", nil, clientCredentials{o}.redeem},
		{authz.GrantDevice, []string{"device_code"}, deviceCode(o).redeem},
		{authz.GrantCIBA, []string{"auth_req_id"}, ciba(o).redeem},
		{authz.GrantTokenExchange, []string{"subject_token", "subject_token_type"}, exchange{o, bearer}.redeem},
		{authz.GrantJWTBearer, []string{"assertion"}, bearer.redeem},
	}
}

// find finds the row of a request, and checks that the client may use it and that what
// it needs is there.
func (g grants) find(form url.Values, client *clientauth.Registered) (*Grant, error) {
	grantType := form.Get("grant_type")
	i := slices.IndexFunc(g, func(row Grant) bool { return row.Type == grantType })
	switch {
	case grantType == "":
		return nil, authz.NewError(authz.InvalidRequest, "grant_type is missing").At("grant_type")
	case i < 0:
		// RFC 6749 §5.2, docs/decisions.md F5: the engine would say invalid_request.
		return nil, authz.NewError(authz.UnsupportedGrantType, "this grant_type is not offered; see grant_types_supported").At("grant_type")
	}
	if err := CheckMayUse(client, grantType); err != nil {
		return nil, err
	}
	for _, name := range g[i].Needs {
		if form.Get(name) == "" {
			return nil, authz.NewError(authz.InvalidRequest, "%s is missing", name).At(name)
		}
	}
	return &g[i], nil
}

// CheckMayUse checks that the client is registered for a grant and that its profile
// offers it: unauthorized_client of RFC 6749 §5.2, RFC 8628 §3.1 and CIBA Core §13.
func CheckMayUse(client *clientauth.Registered, grantType string) error {
	if !client.AllowsGrant(grantType) {
		return authz.NewError(authz.UnauthorizedClient, "this app is not registered for the grant %s", grantType).At("grant_type")
	}
	if !slices.Contains(client.Profile.GrantTypes, grantType) {
		return authz.NewError(authz.UnauthorizedClient, "profile %s does not offer the grant %s%s",
			client.Profile.Name, grantType, authz.OfferedBy(grantType)).At("grant_type")
	}
	return nil
}
