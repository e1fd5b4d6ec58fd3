package scenario_test

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario/clients"
)

// claimsApp registers an app that may ask for claims: by duty what the population
// register says, by agreement the contacts, by law the mandates.
func claimsApp(t *testing.T, n *nation, id, basis, more string) *party {
	t.Helper()
	p := newParty(t, n, id)
	registerClaimsApp(t, p, basis, more)
	return p
}

func registerClaimsApp(t *testing.T, p *party, basis, more string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), p.id+".yaml")
	text := fmt.Sprintf(`
- client_id: %s
  client_name: "Dịch vụ công %s"
  client_name#en: "Public service %s"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: fapi2
  jwks: %s
  redirect_uris: ["%s"]
  grant_types: [authorization_code, refresh_token]
  scope: openid profile email phone address
  minimum_level: 2
%s
  declarations:
    - {purpose: dvc.prefill, legal_basis: %s, registry: population, attributes: [population.full_name, population.birth_date, population.sex, population.permanent_address, population.updated_on], explanation: {vi: Để điền sẵn tờ khai, en: To fill in the form}, max_days: 30, frequency: unlimited}
    - {purpose: dvc.prefill, legal_basis: %s, registry: eid, attributes: [eid.email, eid.phone], explanation: {vi: Để báo kết quả, en: To tell you the result}, max_days: 30, frequency: unlimited}
    - {purpose: authn.represent, legal_basis: LB-LAW, registry: eid, attributes: [eid.mandates], explanation: {vi: Để biết bạn đại diện tổ chức nào, en: To know whom you represent}, max_days: 30, frequency: unlimited}
`, p.id, p.id, p.id, p.public, p.redirect, more, basis, basis)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.n.run(t, "client", "add", file)
}

// claimsOf signs somebody in with a scope and a claims parameter, and gives the
// token response and the ID token's claims.
func (p *party) claimsOf(t *testing.T, b *http.Client, who clients.Person, scope, asked string) (tokens answer, id map[string]any) {
	t.Helper()
	tokens = p.tokensFor(t, b, who, scope, asked)
	return tokens, p.n.opened(t, tokens.text("id_token"))
}

func (p *party) tokensFor(t *testing.T, b *http.Client, who clients.Person, scope, asked string) answer {
	t.Helper()
	verifier := random() + random()
	form := p.request(verifier, "")
	form.Set("scope", scope)
	if asked != "" {
		form.Set("claims", asked)
	}
	pushed := p.call(t, "/par", form)
	if pushed.status != http.StatusCreated {
		t.Fatalf("PAR answered %d: %s", pushed.status, pushed.raw)
	}
	start := p.n.base + "/authorize?" + url.Values{"client_id": {p.id}, "request_uri": {pushed.text("request_uri")}}.Encode()
	callback, err := clients.SignIn(ctx(t), b, start, p.redirect, who)
	if err != nil {
		t.Fatal(err)
	}
	tokens := p.exchange(t, callback.Query().Get("code"), verifier)
	if tokens.status != http.StatusOK {
		t.Fatalf("the token endpoint answered %d: %s", tokens.status, tokens.raw)
	}
	return tokens
}

func (p *party) userInfo(t *testing.T, tokens answer) map[string]any {
	t.Helper()
	info := p.resource(t, http.MethodGet, "/userinfo", tokens.text("access_token"), "", nil)
	if info.status != http.StatusOK {
		t.Fatalf("UserInfo answered %d: %s", info.status, info.raw)
	}
	return info.body
}

// aboutPerson are the claims that tell of a person and not of a sign-in.
var aboutPerson = []string{
	"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "email", "email_verified",
	"gender", "birthdate", "zoneinfo", "locale", "phone_number", "phone_number_verified", "address", "updated_at", "verified_claims",
	"urn:vn:gov:eid:mandates",
}

// known are the claims about the person that an answer has, sorted.
func known(about map[string]any) []string {
	var names []string
	for name := range about {
		if base, _, _ := strings.Cut(name, "#"); slices.Contains(aboutPerson, base) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// pageText asks for a page as a signed-in person.
func pageText(t *testing.T, b *http.Client, method, address string, form url.Values) string {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx(t), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
	}
	response, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if away, none := response.Location(); none == nil && form != nil && away.Host == r.URL.Host {
		return pageText(t, b, http.MethodGet, away.String(), nil) // what was done has a page of its own
	}
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s answered %d: %v %s", address, response.StatusCode, err, text)
	}
	return string(text)
}

var (
	withdrawLink = regexp.MustCompile(`href="(/portal/consents/[^"/]+/withdraw)"`)
	hiddenField  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// withdraw ends the one consent of the person at a browser, on the pages.
func (n *nation) withdraw(t *testing.T, b *http.Client) {
	t.Helper()
	list := pageText(t, b, http.MethodGet, n.base+"/portal/consents", nil)
	link := withdrawLink.FindStringSubmatch(list)
	if link == nil {
		t.Fatalf("no consent to withdraw on %s", list)
	}
	form := url.Values{"decision": {"withdraw"}}
	for _, field := range hiddenField.FindAllStringSubmatch(pageText(t, b, http.MethodGet, n.base+link[1], nil), -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	pageText(t, b, http.MethodPost, n.base+link[1], form)
}

// TestClaims is OpenID Connect Core §5.4 and §5.5, and OpenID Connect for Identity
// Assurance, from a registration to the citizen's own list.
func TestClaims(t *testing.T) {
	onBoth(t, func(t *testing.T, n *nation) {
		duty, asks := claimsApp(t, n, "app-duty", "LB-STATE", ""), claimsApp(t, n, "app-asks", "LB-CONSENT", "")
		profile := []string{"birthdate", "family_name", "gender", "given_name", "locale", "middle_name", "name", "updated_at", "zoneinfo"}
		t.Run("OpenID Connect Core §5.4: scopes, by duty", func(t *testing.T) {
			who := n.someone(t).atTheBrowser()
			tokens, id := duty.claimsOf(t, browser(t), who, "openid profile email phone address", "")
			if got := known(id); len(got) != 0 {
				t.Fatalf("the ID token says %v, which scopes ask of UserInfo", got)
			}
			about := duty.userInfo(t, tokens)
			want := slices.Sorted(slices.Values(append([]string{"address", "email", "email_verified", "phone_number", "phone_number_verified"}, profile...)))
			if got := known(about); !slices.Equal(got, want) {
				t.Fatalf("UserInfo has %v, want %v", got, want)
			}
			address, _ := about["address"].(map[string]any)
			if about["email"] != "mau."+who.Number[6:]+"@example.vn" || about["email_verified"] != true ||
				address["country"] != "Việt Nam" || address["region"] == "" {
				t.Fatalf("UserInfo says %v", about)
			}
			// A narrower token gets no more than its scope (RFC 6749 §6).
			narrow := duty.call(
				t, "/token", url.Values{
					"grant_type": {"refresh_token"}, "refresh_token": {tokens.text("refresh_token")}, "scope": {"openid email"},
				},
			)
			if got := known(duty.userInfo(t, narrow)); !slices.Equal(got, []string{"email", "email_verified"}) {
				t.Fatalf("a token of scope openid email gets %v", got)
			}
		})
		t.Run("discovery says what is offered and nothing else", func(t *testing.T) {
			r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/.well-known/openid-configuration", nil)
			if err != nil {
				t.Fatal(err)
			}
			metadata := send(t, r).body
			offered, _ := metadata["claims_supported"].([]any)
			for _, name := range aboutPerson {
				absent := slices.Contains([]string{"nickname", "preferred_username", "profile", "picture", "website"}, name)
				if slices.Contains(offered, any(name)) == absent {
					t.Errorf("OpenID Connect Discovery §3: claims_supported and %s: %v", name, offered)
				}
			}
			for member, want := range map[string]string{
				"claims_parameter_supported": "true", "verified_claims_supported": "true", "trust_frameworks_supported": "[vn_eid]",
				"evidence_supported": "[electronic_record]", "electronic_records_supported": "[population_register]", "claim_types_supported": "[normal]",
				"claims_in_verified_claims_supported": "[name given_name family_name middle_name gender birthdate address]", "claims_locales_supported": "[vi]",
			} {
				if got := fmt.Sprint(metadata[member]); got != want {
					t.Errorf("OpenID Connect for Identity Assurance §8: %s is %s, want %s", member, got, want)
				}
			}
		})
		t.Run("OpenID Connect Core §5.5: claims in the ID token and at UserInfo", func(t *testing.T) {
			who := n.someone(t).atTheBrowser()
			tokens, id := duty.claimsOf(t, browser(t), who, "openid", `{"id_token":{"birthdate":{"essential":true},"gender":{"value":"other"}},"userinfo":{"given_name":null,"family_name#vi":null,"picture":null,"unknown":{"essential":true}}}`)
			if got := known(id); !slices.Equal(got, []string{"birthdate"}) {
				t.Fatalf("the ID token has %v", got)
			}
			if got := known(duty.userInfo(t, tokens)); !slices.Equal(got, []string{"family_name#vi", "given_name"}) {
				t.Fatalf("UserInfo has %v", got)
			}
			again := duty.refresh(t, tokens.text("refresh_token"))
			if _, told := n.opened(t, again.text("id_token"))["birthdate"]; told {
				t.Fatal("a refreshed ID token tells about the person again")
			}
		})
		t.Run("OpenID Connect for Identity Assurance: verified_claims", func(t *testing.T) {
			who := n.someone(t).atTheBrowser()
			tokens, id := duty.claimsOf(t, browser(t), who, "openid", `{"id_token":{"verified_claims":{"verification":{"trust_framework":{"value":"de_aml"}},"claims":{"name":null}}},
				"userinfo":{"verified_claims":{"verification":{"trust_framework":{"value":"vn_eid"},"assurance_level":null,"evidence":[{"type":{"value":"electronic_record"},"record":{"type":null,"created_at":null}}]},"claims":{"name":null,"birthdate":{"value":"1900-01-01"},"shoe_size":null}}}}`)
			if got := known(id); len(got) != 0 {
				t.Fatalf("another trust framework was asked for, and the ID token has %v", got)
			}
			verified, _ := duty.userInfo(t, tokens)["verified_claims"].(map[string]any)
			verification, _ := verified["verification"].(map[string]any)
			claims, _ := verified["claims"].(map[string]any)
			evidence, _ := json.Marshal(verification["evidence"])
			if verification["trust_framework"] != "vn_eid" || verification["assurance_level"] != "level_2" || len(claims) != 1 ||
				claims["name"] == "" ||
				!strings.Contains(string(evidence), `"population_register"`) || !strings.Contains(string(evidence), `"created_at"`) {
				t.Fatalf("verified_claims is %v", verified)
			}
		})
		t.Run("mandates: whom the person represents by law", func(t *testing.T) {
			for range 12 {
				who := n.someone(t).atTheBrowser()
				tokens, _ := duty.claimsOf(t, browser(t), who, "openid", `{"userinfo":{"urn:vn:gov:eid:mandates":null}}`)
				list, _ := duty.userInfo(t, tokens)["urn:vn:gov:eid:mandates"].([]any)
				if len(list) == 0 {
					continue // represents nobody, so the claim is left out
				}
				mandate, _ := list[0].(map[string]any)
				organisation, _ := mandate["organisation"].(map[string]any)
				if mandate["basis"] != "legal_representative" || organisation["name"] == "" ||
					!strings.HasPrefix(organisation["enterprise_code"].(string), "99") {
					t.Fatalf("a mandate is %v", mandate)
				}
				return
			}
			t.Fatal("of twelve persons none represents an organisation")
		})
		t.Run("decision D8: agreed, seen, withdrawn, and then left out", func(t *testing.T) {
			who := n.someone(t).atTheBrowser()
			b := browser(t)
			tokens, _ := asks.claimsOf(t, b, who, "openid profile", "")
			if got := known(asks.userInfo(t, tokens)); !slices.Equal(got, profile) {
				t.Fatalf("UserInfo has %v, want %v", got, profile)
			}
			if seen := pageText(t, b, http.MethodGet, n.base+"/portal", nil); !strings.Contains(seen, "Dịch vụ công app-asks") ||
				!strings.Contains(seen, "Điền sẵn") {
				t.Fatalf("the portal does not tell of the release: %s", seen)
			}
			n.withdraw(t, b)
			if got := known(asks.userInfo(t, tokens)); len(got) != 0 {
				t.Fatalf("after the withdrawal UserInfo has %v", got)
			}
		})
		t.Run("a scope that no declaration covers is refused at registration", func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "undeclared.yaml")
			text := "- client_id: undeclared\n  client_name: Thử\n  owner: {vi: Thử}\n  profile: oidc\n  token_endpoint_auth_method: client_secret_basic\n  redirect_uris: [\"http://localhost/x/cb\"]\n  scope: openid profile\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			words := append(append([]string{"client", "add"}, n.tool...), file)
			if out, status := harness.Try(t, nil, words...); status == 0 || !strings.Contains(out, "no declaration covers it") {
				t.Fatalf("status %d: %s", status, out)
			}
		})
	})
}

// TestOnePersonAtTwoSectors: OpenID Connect Core §8.1. The same person has another
// sub at each sector, and at one sector the same wherever a sub is told.
func TestOnePersonAtTwoSectors(t *testing.T) {
	n := begin(t, usual())
	received := make(chan string, 8)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { received <- r.FormValue("logout_token") }))
	t.Cleanup(app.Close)
	who := n.someone(t).atTheBrowser()
	b := browser(t)
	subs := map[string]string{}
	for _, id := range []string{"sector-one", "sector-two"} {
		p := claimsApp(t, n, id, "LB-STATE", fmt.Sprintf("  sector: %s.test\n  backchannel_logout_uri: %s/%s", id, app.URL, id))
		tokens, idToken := p.claimsOf(t, b, who, "openid profile", `{"id_token":{"name":null}}`)
		told := map[string]any{
			"ID token": idToken["sub"], "UserInfo": p.userInfo(t, tokens)["sub"],
			"introspection": p.call(t, "/introspect", url.Values{"token": {tokens.text("access_token")}}).body["sub"],
			"release":       p.release(t, tokens.text("access_token"), `{"registry":"population","purpose":"dvc.prefill","attributes":["population.full_name"]}`).body["sub"],
		}
		for place, sub := range told {
			if sub != idToken["sub"] || sub == "" {
				t.Errorf("%s: the sub of %s is %v, that of the ID token %v", id, place, sub, idToken["sub"])
			}
		}
		subs[id], _ = idToken["sub"].(string)
	}
	if subs["sector-one"] == subs["sector-two"] {
		t.Fatal("both sectors know the person by one sub")
	}
	form := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(pageText(t, b, http.MethodGet, n.base+"/portal/sessions", nil), -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	pageText(t, b, http.MethodPost, n.base+"/portal/sessions/end-all", form)
	for range subs {
		select {
		case token := <-received:
			claims := n.opened(t, token)
			id, _ := claims["aud"].(string)
			if claims["sub"] != subs[id] || subs[id] == "" {
				t.Errorf("the logout token of %v has sub %v, want %v", claims["aud"], claims["sub"], subs[id])
			}
			delete(subs, id)
		case <-ctx(t).Done():
			t.Fatalf("no logout token came for %v", subs)
		}
	}
}

// TestClaimsSignedAndEncrypted: OpenID Connect Core §5.3.2 and §16.14: claims about
// the person inside a signed UserInfo, and inside an encrypted ID token.
func TestClaimsSignedAndEncrypted(t *testing.T) {
	n := begin(t, usual())
	p := newParty(t, n, "app-sealed")
	set := fmt.Sprintf(`{"keys":[%s,%s]}`, p.jwk(t, "sig"), p.jwk(t, "enc"))
	p.public = set
	registerClaimsApp(t, p, "LB-STATE", "  userinfo_signed_response_alg: ES256\n  id_token_encrypted_response_alg: ECDH-ES\n  id_token_encrypted_response_enc: A256GCM")
	tokens := p.tokensFor(t, browser(t), n.someone(t).atTheBrowser(), "openid profile", `{"id_token":{"birthdate":null}}`)
	nested, err := jose.ParseEncryptedCompact(tokens.text("id_token"), []jose.KeyAlgorithm{jose.ECDH_ES}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatalf("the ID token is not encrypted: %v", err)
	}
	inside, err := nested.Decrypt(p.key)
	if err != nil {
		t.Fatal(err)
	}
	if got := known(n.opened(t, string(inside))); !slices.Equal(got, []string{"birthdate"}) {
		t.Fatalf("the encrypted ID token has %v", got)
	}
	info := p.resource(t, http.MethodGet, "/userinfo", tokens.text("access_token"), "", nil)
	if got := n.opened(t, info.raw); got["aud"] != p.id || got["iss"] != n.base || got["name"] == nil || got["sub"] == nil {
		t.Fatalf("the signed UserInfo is %v", got)
	}
}

// jwk is the party's public key for a use.
func (p *party) jwk(t *testing.T, use string) []byte {
	t.Helper()
	key := jose.JSONWebKey{Key: p.key.Public(), KeyID: p.kid, Use: use, Algorithm: "ES256"}
	if use == "enc" {
		key.KeyID, key.Algorithm = "enc", ""
	}
	raw, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
