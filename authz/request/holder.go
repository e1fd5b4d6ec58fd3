package request

import (
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/claims"
)

// What may go to whom. A bearer token is good for anyone who finds it. So the broker
// takes none, and without bound tokens UserInfo and ID tokens hold only what a scope of
// OpenID Connect Core §5.4 asks for, name and contact, and neither verified claims nor
// mandates. A request for more is refused before the person is asked, since nobody
// should agree to what cannot be delivered.

// bindsTokens reports whether the tokens of a request will be bound to their holder:
// its profile or its registration says so, or the request names the key of its code
// (RFC 9449 §10).
func bindsTokens(client *authz.Client, profile authz.Profile, a *Authorization) bool {
	return profile.RequireConstraint || client.DPoPBound || client.CertificateBound || a.HasCode() && a.DPoPKeyThumbprint != ""
}

// Deliverable refuses a request for releases if its tokens would be bearer tokens, and
// removes from it the claims that are not given for bearer tokens.
func Deliverable(client *authz.Client, profile authz.Profile, a *Authorization) error {
	if bindsTokens(client, profile, a) {
		return nil
	}
	if len(a.Details) > 0 && !a.ClaimsOnly {
		return authz.NewError(authz.InvalidAuthorizationDetails,
			"releases go to bound tokens only: register dpop_bound_access_tokens or tls_client_certificate_bound_access_tokens, or send dpop_jkt").
			At("authorization_details").Under("RFC 9449 §5, RFC 8705 §3").ToClient()
	}
	if a.Claims == nil {
		return nil
	}
	shown := claims.Request{UserInfo: a.Claims.UserInfo.ForBearer(), IDToken: a.Claims.IDToken.ForBearer()}
	a.Claims = &shown
	wanted := claims.Attributes(a.Scope, shown)
	a.Details = slices.DeleteFunc(slices.Clone(a.Details), func(r authz.Release) bool {
		return !slices.ContainsFunc(r.Attributes, func(id authz.AttributeID) bool { return slices.Contains(wanted, id) })
	})
	for i := range a.Details {
		a.Details[i].Attributes = slices.DeleteFunc(slices.Clone(a.Details[i].Attributes),
			func(id authz.AttributeID) bool { return !slices.Contains(wanted, id) })
	}
	a.ClaimsOnly = len(a.Details) > 0
	return nil
}

// Assured reports whether an answer can reach no other app than the one it is for: the app
// authenticates, or the device opens its https address in that app only. At a loopback
// address any program on the device can pose as the app, so such a request is never
// answered without the person (RFC 8252 §8.6).
func Assured(client *authz.Client, a *Authorization) bool {
	if client.Method != authz.PublicClient {
		return true
	}
	_, onDevice := authz.Loopback(a.RedirectURI)
	return !onDevice
}

// KeyNamed refuses a request for releases that does not say which key they are for,
// where the profile wants that said before the person is asked.
func KeyNamed(profile authz.Profile, a *Authorization) error {
	if !profile.KeyBeforeReleases || len(a.Details) == 0 || a.ClaimsOnly || a.DPoPKeyThumbprint != "" {
		return nil
	}
	return authz.NewError(authz.InvalidRequest,
		"authorization_details of an app without a secret are for a key that it names: send dpop_jkt, or push the request with a DPoP proof").
		At("dpop_jkt").Under("RFC 9449 §10").ToClient()
}
