package authorize

import (
	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
)

// Further rules for apps without a secret (RFC 8252).

// assured reports whether an answer can reach no other app than the one it is for: the app
// authenticates, or the device opens its https address in that app only. At a loopback
// address any program on the device can pose as the app, so such a request is never
// answered without the person (RFC 8252 §8.6).
func assured(client *clientauth.Registered, a request.Authorization) bool {
	if client.Method != authz.PublicClient {
		return true
	}
	_, onDevice := authz.Loopback(a.RedirectURI)
	return !onDevice
}

// keyNamed refuses a request for releases that does not say which key they are for,
// where the profile wants that said before the person is asked.
func keyNamed(client *clientauth.Registered, a request.Authorization) error {
	if !client.Profile.KeyBeforeReleases || len(a.Details) == 0 || a.ClaimsOnly || a.DPoPKeyThumbprint != "" {
		return nil
	}
	return authz.Refuse(authz.InvalidRequest, "authorization_details of an app without a secret are for a key that it names: send dpop_jkt, or push the request with a DPoP proof").
		At("dpop_jkt").Under("RFC 9449 §10").ToClient()
}
