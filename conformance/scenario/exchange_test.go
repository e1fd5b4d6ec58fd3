package scenario_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/conformance/scenario/clients"
)

const (
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessToken   = "urn:ietf:params:oauth:token-type:access_token"
	landAPI       = "http://localhost/land-api"
)

// delegates registers an agency's API, an app whose tokens can be exchanged, and a
// back end that may: at the broker for what it declared, and for the API.
func delegates(t *testing.T, n *nation) (front, back *party) {
	t.Helper()
	front, back = newParty(t, n, "app-front"), newParty(t, n, "app-back")
	folder := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	n.run(t, "resource", "add", write("apis.yaml", fmt.Sprintf(`
- resource: %s
  name: {vi: "API đất đai", en: "Land API"}
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  scopes: [land.read, land.write]
`, landAPI)))
	app := func(p *party, more string) string {
		return fmt.Sprintf(`
- client_id: %s
  client_name: "Ứng dụng %s"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: fapi2
  token_endpoint_auth_method: private_key_jwt
  jwks: %s
  redirect_uris: ["%s"]
  grant_types: [authorization_code, refresh_token, client_credentials, %s]
  scope: openid land.read land.write grant_management_query grant_management_revoke
  minimum_level: 2
  resources: ["%s"]
%s`, p.id, p.id, p.public, p.redirect, exchangeGrant, landAPI, more)
	}
	const tax = `    - {purpose: tax.declare, legal_basis: LB-STATE, registry: tax, attributes: [tax.tax_code, tax.arrears], explanation: {vi: Thử, en: Test}, max_days: 30}
`
	n.run(t, "client", "add", write("apps.yaml", app(front, `  declarations:
    - {purpose: land.mortgage, legal_basis: LB-CONSENT, registry: civil, attributes: [civil.marital_status], recipients: [app-back], explanation: {vi: Thử, en: Test}, max_days: 30, frequency: unlimited}
`+tax)+app(back, fmt.Sprintf(`  introspect: ["%s"]
  token_exchange:
    - {clients: [app-front], subject_audience: ["%s/broker/v1"], audience: ["%s/broker/v1"]}
    - {clients: [app-front], subject_audience: ["%s"], audience: ["%s"], scope: [land.read]}
  declarations:
`, landAPI, n.base, n.base, landAPI, landAPI)+tax)))
	if shown := n.run(t, "client", "show", "app-back"); !strings.Contains(shown, "token_exchange") || !strings.Contains(shown, landAPI) {
		t.Errorf("client show tells nothing of the rules: %s", shown)
	}
	return front, back
}

func (p *party) exchanged(t *testing.T, token string, more url.Values) answer {
	t.Helper()
	f := url.Values{"grant_type": {exchangeGrant}, "subject_token": {token}, "subject_token_type": {accessToken}}
	for k, v := range more {
		f[k] = v
	}
	return p.call(t, "/token", f)
}

// TestDelegation: an app's token becomes a back end's, which reads what both
// declared and the person knows of; all of it ends with the grant.
func TestDelegation(t *testing.T) {
	onBoth(t, func(t *testing.T, n *nation) {
		front, back := delegates(t, n)
		who := n.someone(t)
		b := browser(t)
		given := front.tokens(t, b, who, civilDetail+","+taxDetail)
		own := back.call(t, "/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"grant_management_query"}})
		if own.status != http.StatusOK {
			t.Fatal(own.raw)
		}

		got := back.exchanged(t, given.text("access_token"), nil)
		if got.status != http.StatusOK || got.text("issued_token_type") != accessToken {
			t.Fatalf("%d %s", got.status, got.raw)
		}
		acting := got.text("access_token")
		t.Run("it reads what it declared itself", func(t *testing.T) {
			a := back.release(t, acting, taxRead)
			if a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.raw)
			}
		})
		t.Run("default deny: it has no declaration for the other", func(t *testing.T) {
			want(t, back.release(t, acting, civilRead), http.StatusForbidden, "actor-not-declared")
		})
		t.Run("RFC 9449 §7.1: nobody else holds its key", func(t *testing.T) {
			want(t, front.release(t, acting, taxRead), http.StatusUnauthorized, "token-refused")
		})
		t.Run("the token presented is not good at the broker for it", func(t *testing.T) {
			want(t, back.release(t, given.text("access_token"), taxRead), http.StatusUnauthorized, "token-refused")
		})
		t.Run("default deny: the other way round there is no rule", func(t *testing.T) {
			want(t, front.exchanged(t, acting, nil), http.StatusBadRequest, "invalid_request")
		})
		t.Run("the person sees who acts for whom", func(t *testing.T) {
			page := fetch(t, b, n.base+"/portal")
			for _, text := range []string{"Ứng dụng app-back", "Thay mặt dịch vụ", "Ứng dụng app-front", "Làm thay dịch vụ khác"} {
				if !strings.Contains(page, text) {
					t.Errorf("her timeline has no %q", text)
				}
			}
		})
		t.Run("RFC 9728: the challenge names the metadata, the metadata the server", func(t *testing.T) {
			a := back.release(t, "x", taxRead)
			_, rest, _ := strings.Cut(a.header.Get("WWW-Authenticate"), `resource_metadata="`)
			address, _, _ := strings.Cut(rest, `"`)
			r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, address, nil)
			if err != nil {
				t.Fatal(err)
			}
			if m := send(t, r); m.status != http.StatusOK || m.text("resource") != n.base+"/broker/v1" {
				t.Errorf("at %q: %d %s", address, m.status, m.raw)
			}
		})
		t.Run("Grant Management §6: the app asks and gives back; all ends", func(t *testing.T) {
			manage := front.call(t, "/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"grant_management_query grant_management_revoke"}})
			path := "/grants/" + given.text("grant_id")
			if a := front.resource(t, http.MethodGet, path, manage.text("access_token"), "", nil); a.status != http.StatusOK ||
				!strings.Contains(a.raw, "land.mortgage") {
				t.Fatalf("%d %s", a.status, a.raw)
			}
			if a := back.resource(t, http.MethodGet, path, own.text("access_token"), "", nil); a.status != http.StatusNotFound {
				t.Errorf("another app: %d %s", a.status, a.raw)
			}
			if a := front.resource(t, http.MethodDelete, path, manage.text("access_token"), "", nil); a.status != http.StatusNoContent {
				t.Fatalf("%d %s", a.status, a.raw)
			}
			want(t, back.release(t, acting, taxRead), http.StatusUnauthorized, "grant-ended")
			want(t, front.release(t, given.text("access_token"), taxRead), http.StatusUnauthorized, "grant-ended")
			want(t, front.refresh(t, given.text("refresh_token")), http.StatusBadRequest, "invalid_grant")
			want(t, back.exchanged(t, given.text("access_token"), nil), http.StatusBadRequest, "invalid_request")
		})
		t.Run("RFC 8707: an agency's API as audience", func(t *testing.T) { agencyAPI(t, n, front, back, b, who) })
	})
}

// agencyAPI: a token for the API and nothing else, which its server looks at.
func agencyAPI(t *testing.T, n *nation, front, back *party, b *http.Client, who *person) {
	verifier := random() + random()
	f := front.request(verifier, "")
	f.Set("scope", "openid land.read land.write")
	f.Set("resource", landAPI)
	pushed := front.call(t, "/par", f)
	if pushed.status != http.StatusCreated {
		t.Fatalf("%d %s", pushed.status, pushed.raw)
	}
	address := n.base + "/authorize?" + url.Values{"client_id": {front.id}, "request_uri": {pushed.text("request_uri")}}.Encode()
	callback, err := clients.SignIn(ctx(t), b, address, front.redirect, who.atTheBrowser())
	if err != nil {
		t.Fatal(err)
	}
	given := front.exchange(t, callback.Query().Get("code"), verifier)
	if given.status != http.StatusOK || given.text("scope") != "land.read land.write" {
		t.Fatalf("%d %s", given.status, given.raw)
	}
	if a := front.resource(t, http.MethodGet, "/userinfo", given.text("access_token"), "", nil); a.status != http.StatusUnauthorized {
		t.Errorf("RFC 9068 §4: UserInfo took a token for the API: %d", a.status)
	}
	got := back.exchanged(t, given.text("access_token"), url.Values{"resource": {landAPI}})
	if got.status != http.StatusOK || got.text("scope") != "land.read" {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	seen := back.call(t, "/introspect", url.Values{"token": {got.text("access_token")}})
	act, _ := seen.body["act"].(map[string]any)
	if seen.body["active"] != true || act["client_id"] != back.id || seen.text("client_id") != back.id || seen.text("acr") == "" ||
		seen.body["auth_time"] == nil {
		t.Errorf("RFC 9470 §6.2, RFC 8693 §4.1: %s", seen.raw)
	}
	want(
		t, back.exchanged(t, given.text("access_token"), url.Values{"resource": {landAPI}, "scope": {"land.write"}}),
		http.StatusBadRequest, "invalid_scope",
	)
	n.run(t, "resource", "disable", landAPI)
}
