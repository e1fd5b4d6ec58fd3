package scenario_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

// fapiPair is a client authentication with a sender constraint.
type fapiPair struct{ authentication, constraint string }

var fapiPairs = []fapiPair{{"private_key_jwt", "dpop"}, {"private_key_jwt", "mtls"}, {"mtls", "dpop"}, {"mtls", "mtls"}}

// fapiClient writes the registration of a client of a pair and gives what the suite
// has to know about it. The first of a pair has an RSA key, so that of an assertion
// signed with RS256 nothing but the algorithm is wrong.
func fapiClient(
	t *testing.T, n *nation, pair fapiPair, id, profile, algorithm, redirect, more string,
) (registration string, client *suite.StaticClient) {
	t.Helper()
	key, err := suite.NewKey(algorithm, "fapi-"+id)
	if err != nil {
		t.Fatal(err)
	}
	key.Algorithm = algorithm
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.JSONWebKey}})
	if err != nil {
		t.Fatal(err)
	}
	published := key.Public()
	published.Algorithm = "" // so that it alone does not rule another algorithm out
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{published}})
	if err != nil {
		t.Fatal(err)
	}
	client = &suite.StaticClient{
		ID: id, JWKS: string(private), RedirectURIs: []string{redirect}, Metadata: map[string]any{"id_token_signed_response_alg": "ES256"},
	}
	var b strings.Builder
	fmt.Fprintf(&b, `
- client_id: %s
  client_name: "Bộ kiểm thử %s"
  client_name#en: "Conformance %s"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: %s
  jwks: %s
  redirect_uris: ["%s"]
  scope: openid profile offline_access grant_management_query
  id_token_signed_response_alg: ES256
  declarations:
    - {purpose: dvc.prefill, legal_basis: LB-CONSENT, registry: population, attributes: [population.full_name], explanation: {vi: Để điền sẵn tờ khai, en: To fill in the form}, max_days: 30, frequency: unlimited}
    - {purpose: tax.declare, legal_basis: LB-STATE, registry: tax, attributes: [tax.tax_code, tax.arrears], explanation: {vi: Thử, en: Test}, max_days: 30, frequency: unlimited}
`, id, id, id, profile, public, redirect)
	if pair.authentication == "mtls" {
		fmt.Fprintf(&b, "  token_endpoint_auth_method: tls_client_auth\n  tls_client_auth_subject_dn: CN=%s,O=Hopnhat Test,C=VN\n", id)
	} else {
		client.Metadata["token_endpoint_auth_method"] = "private_key_jwt"
	}
	if pair.constraint == "mtls" {
		b.WriteString("  tls_client_certificate_bound_access_tokens: true\n")
	} else {
		b.WriteString("  dpop_bound_access_tokens: true\n")
	}
	if pair.authentication == "mtls" || pair.constraint == "mtls" {
		as := n.secure.Authority.Client(id)
		client.Certificate, client.Key = as.CertFile, as.KeyFile
	}
	b.WriteString(more)
	return b.String(), client
}

// fapiExtra says what plain OAuth and client credentials are good for here: a release
// of tax data by duty, and the grant management API, where a token that is good finds
// that there is no such grant.
func fapiExtra(n *nation) map[string]any {
	return map[string]any{
		"openid": map[string]any{"parameters": map[string]string{"scope": "openid profile"}},
		"plain_oauth": map[string]any{
			"parameters": map[string]string{"authorization_details": "[" + taxDetail + "]"},
			"resource": map[string]any{
				"url": n.base + "/broker/v1/releases", "mtls_url": n.secure.Alias + "/broker/v1/releases", "method": "POST", "content_type": "application/json",
				"body": `{"registry":"tax","purpose":"tax.declare","attributes":["tax.tax_code"]}`, "statuses": []int{404},
			},
		},
		"client_credentials": map[string]any{
			"parameters": map[string]string{"scope": "grant_management_query"},
			"resource":   map[string]any{"url": n.base + "/grants/none", "mtls_url": n.secure.Alias + "/grants/none", "statuses": []int{404}},
		},
	}
}

// TestConformanceFAPI runs the plans of FAPI 2.0: every pair of client authentication
// and sender constraint, with OpenID Connect, plain OAuth and client credentials. The
// pairs run beside each other, because modules wait for codes to expire.
func TestConformanceFAPI(t *testing.T) {
	n := beginSecureWith(t, 200)
	type job struct {
		config suite.Config
		plan   string
	}
	var jobs []job
	var file strings.Builder
	people := len(n.people) / 8
	for i, pair := range fapiPairs {
		for k, plan := range []string{"fapi2-security-profile-final", "fapi2-message-signing-final"} {
			c := suiteConfig(t, n)
			at := people * (2*i + k)
			c.People = c.People[at : at+people]
			c.Extra = fapiExtra(n)
			c.Variant = suite.Variant{suite.Authentication: pair.authentication, "sender_constrain": pair.constraint}
			profile := "fapi2"
			if k == 1 {
				profile = "fapi2-message-signing"
			}
			for j, into := range []**suite.StaticClient{&c.Client, &c.Client2} {
				algorithm, redirect := []string{"PS256", "ES256"}[j], c.Listen.URL+[]string{"/callback", "/callback?dummy1=lorem&dummy2=ipsum"}[j]
				text, client := fapiClient(
					t, n, pair, fmt.Sprintf("fapi-%d-%d-%d", i, k, j), profile, algorithm, redirect, "  grant_types: [authorization_code, refresh_token, client_credentials]\n",
				)
				file.WriteString(text)
				*into = client
			}
			jobs = append(jobs, job{c, plan})
		}
	}
	name := filepath.Join(t.TempDir(), "fapi.yaml")
	if err := os.WriteFile(name, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	n.run(t, "client", "add", name)
	results := make([][]suite.Outcome, len(jobs))
	var wait sync.WaitGroup
	for i, j := range jobs {
		wait.Go(func() { results[i] = outcomesOf(t, j.config, 1, j.plan) })
	}
	wait.Wait()
	var all []suite.Outcome
	for _, outcomes := range results {
		all = append(all, outcomes...)
	}
	keepReport(t, n.base, all)
	if usual() == onTwoNodes {
		const once = "a resource takes a proof at most once a node"
		judge(t, all, map[string]string{
			"fapi2-security-profile-final/fapi2-security-profile-final-dpop-negative-tests": once,
			"fapi2-message-signing-final/fapi2-security-profile-final-dpop-negative-tests":  once,
		})
		return
	}
	documented(t, all)
	judge(t, all, map[string]string{})
}
