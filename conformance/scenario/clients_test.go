package scenario

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/scenario/clients"
)

// TestOpenIDClient: the certified openid-client goes through the FAPI 2.0
// Security Profile with the land app's key, and through every refusal that it
// checks on the way.
func TestOpenIDClient(t *testing.T) {
	t.Parallel()
	demo := StartDemo(t)
	lines := demo.node("fapi2.mjs", map[string]string{
		"ISSUER": demo.Base, "CLIENT_ID": "dat-dai-da-nang", "CLIENT_KEY": filepath.Join(demo.State, "apps", "dat-dai-da-nang.jwk"),
		"REDIRECT_URI": demo.Land + "/callback", "PERSON": demo.personJSON(citizenA),
		"DETAILS": `[{"type":"vn_data_release","registry":"land","purpose":"land.mortgage","legal_basis":"LB-CONSENT",
			"attributes":["land.certificate_no","land.area","land.encumbrance"]}]`,
		"RELEASE": `{"registry":"land","purpose":"land.mortgage","attributes":["land.certificate_no"]}`,
	})
	var steps []string
	for _, line := range lines {
		if step, ok := line["step"].(string); ok {
			steps = append(steps, step)
		}
	}
	want := []string{"discovery", "par", "authorization", "token", "userinfo", "stolen token", "release", "refresh", "revocation", "revoked token"}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %q, want %q", steps, want)
	}
}

// legacyApps are registered while the server runs, as an operator does.
const legacyApps = `
- client_id: so-tay-cu
  client_name: Sổ tay cũ
  client_name#en: Old notebook
  owner: {vi: Sở Mẫu, en: Sample Department}
  profile: oidc
  token_endpoint_auth_method: client_secret_basic
  id_token_signed_response_alg: ES256
  redirect_uris: ["http://localhost:9/callback"]
  minimum_level: 2
- client_id: so-tay-rs256
  client_name: Sổ tay RS256
  client_name#en: RS256 notebook
  owner: {vi: Sở Mẫu, en: Sample Department}
  profile: oidc
  token_endpoint_auth_method: client_secret_post
  redirect_uris: ["http://localhost:9/other"]
  sector: so-tay-rs256.example
  minimum_level: 2
`

// TestGoOIDC: go-oidc logs a person in at an app of profile oidc; a second app
// gets another pseudonym in the same session (OpenID Connect Core §8.1), and ID tokens
// have the algorithm that each registered, or RS256, the standard's default.
func TestGoOIDC(t *testing.T) {
	demo := StartDemo(t)
	file := filepath.Join(t.TempDir(), "apps.yaml")
	if err := os.WriteFile(file, []byte(legacyApps), 0o600); err != nil {
		t.Fatal(err)
	}
	output := demo.Tool([]string{"client", "add"}, file)
	secrets := regexp.MustCompile(`client_secret: (\S+)`).FindAllStringSubmatch(output, -1)
	if len(secrets) != 2 {
		t.Fatalf("client add printed no two secrets:\n%s", output)
	}
	browser, err := clients.Browser()
	if err != nil {
		t.Fatal(err)
	}
	person := demo.Person(citizenB)
	first, err := clients.LegacyApp{
		Issuer: demo.Base, ClientID: "so-tay-cu", ClientSecret: secrets[0][1], RedirectURI: "http://localhost:9/callback",
	}.Login(t.Context(), browser, person)
	if err != nil {
		t.Fatal(err)
	}
	person.OTP = func() string {
		t.Error("single sign-on asked for a second code")
		return ""
	}
	second, err := clients.LegacyApp{
		Issuer: demo.Base, ClientID: "so-tay-rs256", ClientSecret: secrets[1][1], RedirectURI: "http://localhost:9/other",
		SecretInBody: true,
	}.Login(t.Context(), browser, person)
	if err != nil {
		t.Fatal(err)
	}
	if first.IDToken.Subject == second.IDToken.Subject {
		t.Error("two sectors know the person by one pseudonym")
	}
	for name, login := range map[string]*clients.Login{"ES256": first, "RS256": second} {
		if _, err := jose.ParseSignedCompact(login.Tokens.Extra("id_token").(string), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(name)}); err != nil {
			t.Errorf("the ID token is not signed with %s: %v", name, err)
		}
		if login.Claims["acr"] == nil || login.Claims["amr"] == nil || login.Claims["auth_time"] == nil || login.Claims["sid"] == nil {
			t.Errorf("%s: the ID token lacks acr, amr, auth_time or sid: %v", name, login.Claims)
		}
		for claim, value := range login.UserInfo {
			if text, ok := value.(string); ok && strings.Contains(text, citizenB.Number) {
				t.Errorf("%s: UserInfo gives the personal number as %s", name, claim)
			}
		}
	}
}
