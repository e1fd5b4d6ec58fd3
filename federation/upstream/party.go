package upstream

import (
	"encoding/json"
	"slices"

	"hopnhat/keys"
)

// Party are the metadata of this server as a relying party of a federation (OpenID Federation 1.0
// §5.1.2), for the providers at which it registers automatically; nil where there is none. name is
// what people read, callback gives the redirect URI of a provider, backchannel where one sends
// logout tokens, and signedOut is where a browser comes back to that was signed out; jwks are the
// public keys of which one signs what is sent.
func Party(
	list []*Provider, name string, callback, backchannel func(Alias) string, signedOut string, jwks json.RawMessage,
) (json.RawMessage, error) {
	list = slices.DeleteFunc(slices.Clone(list), func(p *Provider) bool { return p.Registration != Automatic })
	if len(list) == 0 {
		return nil, nil
	}
	redirects := make([]string, len(list))
	algorithm := list[0].Algorithms[0]
	for i, p := range list {
		redirects[i] = callback(p.Alias)
		if !slices.Contains(p.Algorithms, algorithm) {
			algorithm = keys.ES256
		}
	}
	m := map[string]any{
		"client_registration_types": []string{string(Automatic)}, "client_name": name, "organization_name": name, "jwks": jwks,
		"redirect_uris": redirects, "post_logout_redirect_uris": []string{signedOut},
		"response_types": []string{"code"}, "grant_types": []string{"authorization_code"},
		"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": keys.ES256,
		"request_object_signing_alg": keys.ES256, "id_token_signed_response_alg": algorithm,
	}
	// Metadata have one such address, and each provider has its own here.
	if len(list) == 1 {
		m["backchannel_logout_uri"], m["backchannel_logout_session_required"] = backchannel(list[0].Alias), true
	}
	return json.Marshal(m)
}
