package provider

import (
	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
)

// What an app without a secret is held to beyond the others (RFC 8252).

// assured reports whether an answer can reach no other app than the one it is for: the app
// authenticates, or the device gives its https address to nobody else. To a loopback
// address whatever runs on the device can ask in the app's name, so the person is always
// there when it is answered (RFC 8252 §8.6).
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

// share names whose part of the memory for proofs a proof takes. An app that
// authenticates has one. Anybody can say that he is an app without a secret, so it has
// none: each of its keys has one, once a grant was found that is bound to it, and one
// device cannot shut out the others.
func share(client *clientauth.Registered, proof clientauth.Proof) authz.ClientID {
	if client.Method == authz.PublicClient {
		return client.ID + "\x00" + authz.ClientID(proof.JKT)
	}
	return client.ID
}
