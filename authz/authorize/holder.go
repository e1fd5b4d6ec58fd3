package authorize

import (
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/claims"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
)

// What may go to whom. A bearer token is good for anyone who finds it. So the broker
// takes none, and without bound tokens UserInfo and ID tokens hold only what a scope of
// OpenID Connect Core §5.4 asks for, name and contact, and neither verified claims nor
// mandates. A request for more is refused before the person is asked, since nobody
// should agree to what cannot be delivered.

// bindsTokens reports whether the tokens of a request will be bound to their holder:
// its profile or its registration says so, or the request names the key of its code
// (RFC 9449 §10).
func bindsTokens(client *clientauth.Registered, a request.Authorization) bool {
	return client.Profile.RequireConstraint || client.DPoPBound || client.CertificateBound || a.HasCode() && a.DPoPKeyThumbprint != ""
}

// deliverable refuses a request for releases if its tokens would be bearer tokens, and
// removes from it the claims that are not given for bearer tokens.
func deliverable(client *clientauth.Registered, a *request.Authorization) error {
	if bindsTokens(client, *a) {
		return nil
	}
	if len(a.Details) > 0 && !a.ClaimsOnly {
		return authz.Refuse(authz.InvalidAuthorizationDetails, "releases go to bound tokens only: register dpop_bound_access_tokens or tls_client_certificate_bound_access_tokens, or send dpop_jkt").
			At("authorization_details").Under("RFC 9449 §5, RFC 8705 §3").ToClient()
	}
	if a.Claims == nil {
		return nil
	}
	told := claims.Request{UserInfo: a.Claims.UserInfo.ForBearer(), IDToken: a.Claims.IDToken.ForBearer()}
	a.Claims = &told
	wanted := claims.Attributes(a.Scope, told)
	a.Details = slices.DeleteFunc(slices.Clone(a.Details), func(r authz.Release) bool {
		return !slices.ContainsFunc(r.Attributes, func(id authz.AttributeID) bool { return slices.Contains(wanted, id) })
	})
	for i := range a.Details {
		a.Details[i].Attributes = slices.DeleteFunc(slices.Clone(a.Details[i].Attributes), func(id authz.AttributeID) bool { return !slices.Contains(wanted, id) })
	}
	a.ClaimsOnly = len(a.Details) > 0
	return nil
}
