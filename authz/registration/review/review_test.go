package review

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
)

// TestProfilesPage: docs/profiles.md is what the table says today.
func TestProfilesPage(t *testing.T) {
	var want bytes.Buffer
	if err := WriteProfiles(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../docs/profiles.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/profiles.md is not what the table says; write it with: hopnhat profiles > docs/profiles.md")
	}
}

// TestReview: each thing that ends is found where it is used, and nowhere else.
func TestReview(t *testing.T) {
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	best := authz.Client{ID: "a", Profile: authz.FAPI2, Authentication: authz.Authentication{Method: authz.PrivateKeyJWT}, Keys: authz.Keys{JWKSURI: "https://a.example.vn/keys"}, Requests: authz.Requests{RedirectURIs: []string{"https://a.example.vn/cb"}}}
	legacy := best
	legacy.Profile, legacy.DPoPBound, legacy.SigningAlg = authz.OIDC, true, "ES256"
	for _, row := range []struct {
		name   string
		base   authz.Client
		change func(c *authz.Client)
		want   []string
	}{
		{"nothing", best, func(*authz.Client) {}, nil},
		{"the profile", legacy, func(*authz.Client) {}, []string{"profile-oidc"}},
		{"a secret", legacy, func(c *authz.Client) {
			c.Method, c.SecretHash, c.SecretExpires = authz.ClientSecretPost, []byte("x"), now
		}, []string{"profile-oidc", "client-secret"}},
		{"a secret without end", legacy, func(c *authz.Client) { c.Method, c.SecretHash = authz.ClientSecretBasic, []byte("x") }, []string{"profile-oidc", "client-secret", "secret-without-end"}},
		{"RS256", legacy, func(c *authz.Client) { c.UserInfoAlg = "RS256" }, []string{"profile-oidc", "rs256"}},
		{"no algorithm", legacy, func(c *authz.Client) { c.SigningAlg = "" }, []string{"profile-oidc", "unsaid-algorithm"}},
		{"no algorithm where ES256 is the default", best, func(c *authz.Client) { c.SigningAlg = "" }, nil},
		{"no PKCE", legacy, func(c *authz.Client) { c.CodeWithoutPKCE = true }, []string{"profile-oidc", "without-pkce"}},
		{"hybrid", legacy, func(c *authz.Client) { c.ResponseTypes = []string{"code", "code id_token"} }, []string{"profile-oidc", "front-channel-tokens"}},
		{"unsigned requests", legacy, func(c *authz.Client) { c.RequestObjectAlg = "none" }, []string{"profile-oidc", "unsigned-requests"}},
		{"RFC 9700 §2.2.1: bearer tokens", legacy, func(c *authz.Client) { c.DPoPBound = false }, []string{"profile-oidc", "bearer-tokens"}},
		{"keys that stand still", best, func(c *authz.Client) { c.JWKS = []byte(`{"keys":[]}`) }, []string{"static-keys"}},
		{"CIBA of before there was a profile for it", best, func(c *authz.Client) { c.GrantTypes = []string{"authorization_code", authz.GrantCIBA} }, []string{"grant-of-another-profile"}},
		{"plain HTTP", best, func(c *authz.Client) { c.RedirectURIs = []string{"http://localhost/"} }, []string{"loopback-redirect"}},
		{"a state basis that nobody vouches for", best, func(c *authz.Client) { c.Declarations = []authz.Declaration{{Basis: authz.BasisState}} }, []string{"unvouched-basis"}},
		{"a state basis that an operator vouches for", best, func(c *authz.Client) {
			c.Declarations, c.Verified = []authz.Declaration{{Basis: authz.BasisState}}, authz.Verification{By: "operator:a", At: now}
		}, nil},
		{"consent, with nobody who vouches", best, func(c *authz.Client) { c.Declarations = []authz.Declaration{{Basis: authz.BasisConsent}} }, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := row.base
			row.change(&c)
			r := Of(&c, now)
			var got []string
			for _, f := range r.Findings {
				got = append(got, f.Code)
				if f.Says == "" || f.Next == "" || f.Past {
					t.Errorf("%+v", f)
				}
			}
			if !slices.Equal(got, row.want) {
				t.Fatalf("got %v, want %v", got, row.want)
			}
			var text strings.Builder
			if err := r.Write(&text); err != nil {
				t.Fatal(err)
			}
			for _, code := range row.want {
				if !strings.Contains(text.String(), code) {
					t.Errorf("the text does not name %s:\n%s", code, &text)
				}
			}
		})
	}
	for _, f := range Of(&legacy, sunset).Findings {
		if !f.Past {
			t.Errorf("%s: its sunset is here", f.Code)
		}
	}
}
