package registration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"hopnhat/authz"
)

// TestStated: RFC 7591 §2.3 and §3.2.2.
func TestStated(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	issuers, err := ParseIssuers(fmt.Appendf(nil, `{"https://bo.example.vn":{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":%q,"y":%q}]}}`, b64(point[1:33]), b64(point[33:])))
	if err != nil {
		t.Fatal(err)
	}
	statement := func(alg, claims string) string {
		input := b64([]byte(`{"alg":"`+alg+`","kid":"1"}`)) + "." + b64([]byte(claims))
		digest := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	}
	now := time.Unix(1_800_000_000, 0)
	plain := Metadata{Name: "Tự xưng", ClientURI: "https://a.example.vn", RedirectURIs: []string{"https://evil.example/cb"}}
	good := statement("ES256", `{"iss":"https://bo.example.vn","client_name":"Được duyệt","redirect_uris":["https://a.example.vn/cb"],"exp":1800000001,"client_id":"x","software_statement":"y","other":1}`)
	m := plain
	m.Statement = good
	stated, err := m.Stated(issuers, true, now)
	if err != nil {
		t.Fatal(err)
	}
	if stated.Name != "Được duyệt" || !slices.Equal(stated.RedirectURIs, []string{"https://a.example.vn/cb"}) || stated.ClientURI != plain.ClientURI || stated.ClientID != "" || stated.Statement != good {
		t.Errorf("signed claims win, others stay, and the statement is echoed: %+v", stated)
	}
	forged := good[:len(good)-4] + "AAAA"
	for _, row := range []struct {
		name, statement string
		want            authz.Code
	}{
		{"forged", forged, authz.InvalidSoftwareStatement},
		{"of an issuer that is not approved", statement("ES256", `{"iss":"https://la.example"}`), authz.UnapprovedSoftwareStatement},
		{"not signed", b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(`{"iss":"https://bo.example.vn"}`)) + ".", authz.InvalidSoftwareStatement},
		{"expired", statement("ES256", `{"iss":"https://bo.example.vn","exp":1800000000}`), authz.InvalidSoftwareStatement},
		{"not valid yet", statement("ES256", `{"iss":"https://bo.example.vn","nbf":1800000001}`), authz.InvalidSoftwareStatement},
		{"with a claim of a wrong type", statement("ES256", `{"iss":"https://bo.example.vn","redirect_uris":"x"}`), authz.InvalidSoftwareStatement},
		{"without issuer", statement("ES256", `{}`), authz.InvalidSoftwareStatement},
		{"missing", "", authz.InvalidSoftwareStatement},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := plain
			m.Statement = row.statement
			var got *authz.Error
			if _, err := m.Stated(issuers, true, now); !errors.As(err, &got) || got.Code != row.want {
				t.Fatalf("got %v, want %s", err, row.want)
			}
		})
	}
	for name, raw := range map[string]string{"not an object": `[]`, "no keys": `{"a":{"keys":[]}}`, "a secret": `{"a":{"keys":[{"kty":"oct","k":"AA"}]}}`} {
		if _, err := ParseIssuers([]byte(raw)); err == nil {
			t.Errorf("issuers, %s: accepted", name)
		}
	}
}

// FuzzMetadata: what is accepted names no host without TLS, no method or grant out
// of the profile's row, and is read again as the same app.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(app))
	f.Add([]byte(`{"client_id":"a","client_name":"a","profile":"oidc","response_types":["code id_token"],"redirect_uris":["https://a/"],"scope":"openid","request_uris":["https://a/#x"]}`))
	f.Add([]byte(`{"client_name#vi":"\u202e","jwks":null,"contacts":["\n"],"sector_identifier_uri":"https://a"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw)
		if err != nil {
			var told *authz.Error
			if !errors.As(err, &told) || told.Code != authz.InvalidClientMetadata {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		c, err := m.Client(rules)
		if err != nil {
			return
		}
		profile := authz.Profiles[c.Profile]
		if !slices.Contains(profile.AuthMethods, c.Method) ||
			slices.ContainsFunc(c.GrantTypes, func(g string) bool { return !slices.Contains(profile.GrantTypes, g) }) {
			t.Fatalf("beyond the profile: %+v", c)
		}
		for _, uri := range slices.Concat(
			c.RedirectURIs, c.PostLogoutRedirectURIs, some(c.JWKSURI), some(c.LogoURI), some(c.PolicyURI), some(c.InitiateLoginURI),
		) {
			if len(uri) < 9 || uri[:8] != "https://" && uri[:8] != "HTTPS://" && wrongURI(uri, false) != "" {
				t.Fatalf("%q was accepted", uri)
			}
		}
		text, err := json.Marshal(Of(c))
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(text)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		again, err := back.Client(rules)
		if err != nil || again.ID != c.ID || again.Name != c.Name || again.Sector != c.Sector ||
			!slices.Equal(again.RedirectURIs, c.RedirectURIs) {
			t.Fatalf("read again: %v\n%+v\n%+v", err, again, c)
		}
	})
}
