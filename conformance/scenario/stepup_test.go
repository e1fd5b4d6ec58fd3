package scenario_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"hopnhat/conformance/scenario/clients"
)

// TestStepUp is the whole circle of RFC 9470: the broker asks for a newer sign-in,
// the app passes that on, the person signs in again, and the data come.
func TestStepUp(t *testing.T) {
	n := begin(t, usual())
	p := newParty(t, n, "app-fresh")
	file := filepath.Join(t.TempDir(), "fresh.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
- client_id: %s
  client_name: "Ứng dụng %s"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: fapi2
  token_endpoint_auth_method: private_key_jwt
  jwks: %s
  redirect_uris: ["%s"]
  scope: openid
  minimum_level: 2
  declarations:
    - {purpose: tax.declare, legal_basis: LB-STATE, registry: tax, attributes: [tax.tax_code, tax.arrears], max_auth_age: 5, explanation: {vi: Thử, en: Test}, max_days: 30}
`, p.id, p.id, p.public, p.redirect), 0o600); err != nil {
		t.Fatal(err)
	}
	n.run(t, "client", "add", file)
	b, who := browser(t), n.someone(t)
	token := p.tokens(t, b, who, taxDetail).text("access_token")
	// Reads go well until the sign-in is five seconds old.
	var refused answer
	for refused = p.release(t, token, taxRead); refused.status == http.StatusOK; {
		refused = p.release(t, token, taxRead)
	}
	challenge := refused.header.Get("WWW-Authenticate")
	age := regexp.MustCompile(`^DPoP .*error="insufficient_user_authentication".*, max_age="(\d+)"`).FindStringSubmatch(challenge)
	if refused.status != http.StatusUnauthorized || refused.text("code") != "sign-in-too-old" || age == nil {
		t.Fatalf("§3: %d %q %s", refused.status, challenge, refused.raw)
	}
	// §4: the app asks with what the challenge said.
	verifier := random() + random()
	f := p.request(verifier, taxDetail)
	f.Set("max_age", age[1])
	pushed := p.call(t, "/par", f)
	if pushed.status != http.StatusCreated {
		t.Fatalf("%d %s", pushed.status, pushed.raw)
	}
	address := n.base + "/authorize?" + url.Values{"client_id": {p.id}, "request_uri": {pushed.text("request_uri")}}.Encode()
	callback, err := clients.SignIn(ctx(t), b, address, p.redirect, who.atTheBrowser())
	if err != nil {
		t.Fatal(err)
	}
	fresh := p.exchange(t, callback.Query().Get("code"), verifier)
	if fresh.status != http.StatusOK {
		t.Fatalf("%d %s", fresh.status, fresh.raw)
	}
	before, after := n.opened(t, token)["auth_time"].(float64), n.opened(t, fresh.text("access_token"))["auth_time"].(float64)
	if after <= before {
		t.Errorf("§5: auth_time was %v and is %v", before, after)
	}
	if a := p.release(t, fresh.text("access_token"), taxRead); a.status != http.StatusOK {
		t.Errorf("after signing in again: %d %s", a.status, a.raw)
	}
}
