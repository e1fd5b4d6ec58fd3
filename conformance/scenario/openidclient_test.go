package scenario_test

import (
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/scenario"
)

// forNode is a person as the Node clients read one.
func (p *person) forNode(t *testing.T) string {
	t.Helper()
	seed, err := hex.DecodeString(p.SeedHex)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"number": p.Number, "password": p.Password, "totp": base32.StdEncoding.EncodeToString(seed)})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// keyFile is a private JWK where a Node client reads it.
func keyFile(t *testing.T, key jose.JSONWebKey) string {
	t.Helper()
	text, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.jwk")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestOpenIDClientBeyond: the certified openid-client over TLS, beyond what every
// app of profile fapi2 does.
func TestOpenIDClientBeyond(t *testing.T) {
	n := beginSecure(t)
	ca := n.secure.Authority
	play := func(t *testing.T, script string, env map[string]string, want ...string) {
		t.Helper()
		env["ISSUER"], env["NODE_EXTRA_CA_CERTS"] = n.base, ca.File
		env["PERSON"] = n.someone(t).forNode(t)
		var steps []string
		for _, line := range scenario.Node(t, script, env) {
			if step, ok := line["step"].(string); ok {
				steps = append(steps, step)
			}
		}
		if !slices.Equal(steps, want) {
			t.Errorf("steps %q, want %q", steps, want)
		}
	}
	t.Run("FAPI 2.0 Message Signing, encryption, introspection, sign-out", func(t *testing.T) {
		p := signingApp(t, n)
		play(t, "signing.mjs", map[string]string{
			"CLIENT_ID": p.id, "REDIRECT_URI": p.redirect, "POST_LOGOUT_REDIRECT_URI": "http://localhost/signed-out",
			"CLIENT_KEY":     keyFile(t, jose.JSONWebKey{Key: p.key, KeyID: p.kid, Algorithm: "ES256"}),
			"DECRYPTION_KEY": keyFile(t, jose.JSONWebKey{Key: p.key, KeyID: "enc"}),
		}, "discovery", "signed request", "signed response", "encrypted ID token", "signed UserInfo", "signed introspection",
			"revocation", "logout")
	})
	t.Run("RFC 8705: certificates that authenticate and bind", func(t *testing.T) {
		as, thief := ca.Client("app-node"), ca.Client("thief")
		p := certified(t, n, "app-node", as)
		registerCertified(t, p, "token_endpoint_auth_method: tls_client_auth\ntls_client_certificate_bound_access_tokens: true\ntls_client_auth_subject_dn: CN=app-node,O=Hopnhat Test,C=VN")
		play(t, "certificates.mjs", map[string]string{
			"CLIENT_ID": p.id, "REDIRECT_URI": p.redirect, "CERT": as.CertFile, "KEY": as.KeyFile, "THIEF_CERT": thief.CertFile, "THIEF_KEY": thief.KeyFile,
		}, "discovery", "par", "bound token", "userinfo", "stolen token", "another certificate", "refresh")
	})
	t.Run("RFC 8628 and CIBA", func(t *testing.T) {
		p := newParty(t, n, "app-node-tv")
		file := filepath.Join(t.TempDir(), "app.yaml")
		text := fmt.Sprintf(`
- client_id: %s
  client_name: "Ứng dụng thiết bị"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: oidc
  token_endpoint_auth_method: private_key_jwt
  dpop_bound_access_tokens: true
  id_token_signed_response_alg: ES256
  jwks: %s
  grant_types: [%s, %s]
  response_types: []
  backchannel_token_delivery_mode: poll
  scope: openid
  sector: thiet-bi.example
`, p.id, p.public, deviceGrant, cibaGrant)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n.run(t, "client", "add", file)
		play(t, "decoupled.mjs", map[string]string{
			"CLIENT_ID": p.id, "CLIENT_KEY": keyFile(t, jose.JSONWebKey{Key: p.key, KeyID: p.kid, Algorithm: "ES256"}),
		}, "discovery", "device", "ciba")
	})
}
