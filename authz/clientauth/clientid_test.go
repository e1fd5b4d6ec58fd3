package clientauth_test

import (
	"net/url"
	"testing"

	"hopnhat/authz"
)

// TestAClientIDIsNoSecret: RFC 6749 §2.2, whoever names an app proves nothing by it; only an app
// that has nothing to prove itself by is taken at its word.
func TestAClientIDIsNoSecret(t *testing.T) {
	for method, want := range map[authz.AuthMethod]authz.Code{
		authz.PrivateKeyJWT: authz.InvalidClient, authz.TLSClientAuth: authz.InvalidClient, authz.SelfSignedTLSClientAuth: authz.InvalidClient,
		authz.ClientSecretBasic: authz.InvalidClient, authz.ClientSecretPost: authz.InvalidClient, authz.PublicClient: "",
	} {
		t.Run(string(method), func(t *testing.T) {
			client := app(method, authz.CertificateName{DNS: "app"})
			client.Profile = authz.OIDC
			if method == authz.PublicClient {
				client.Profile = authz.Native
			}
			outcome(t, authenticate(t, client, nil, url.Values{"client_id": {"app"}}), want)
		})
	}
}
