package authority_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/authority"
	"hopnhat/federation/caller"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/statement"
	"hopnhat/keys/jose"
)

// proved are parameters with the proof of who asks.
func proved(t *testing.T, e *federationtest.Entity, now time.Time, form url.Values) url.Values {
	t.Helper()
	all := url.Values{
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion": {e.Sign(t, claims{"typ": "JWT"}, claims{
			"iss": e.ID, "sub": e.ID, "aud": id, "jti": authz.NewID(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		})},
	}
	for name, values := range form {
		all[name] = values
	}
	return all
}

// TestAuthentication: at each endpoint who asks has to prove who it is, may, or may not, as the
// metadata say (OpenID Federation 1.0 §8.8).
func TestAuthentication(t *testing.T) {
	app, far := federationtest.New(t, "https://app.example.vn"), federationtest.New(t, "https://far.example.vn")
	stranger := federationtest.New(t, "https://la.example.vn")
	province := federationtest.New(t, "https://danang.example.vn")
	soon := federationtest.Now.Add(time.Hour)
	about := province.About(t, far, nil)
	entities := known{far.ID: {
		Subject: far.ID, Anchor: id, Chain: []string{far.Configuration(t, nil), about, "c"}, Expiry: soon, Digest: "1",
		Metadata: federation.Metadata{"federation_entity": {}},
	}}
	o := newOffice(t, func(options *authority.Options) {
		options.Resolver = entities
		options.Authentication = map[string]caller.Mode{
			authority.FetchPath: caller.Required, authority.ListPath: caller.Optional, authority.ResolvePath: caller.Optional,
			authority.MarkStatusPath: caller.Required,
		}
	})
	enrolled := o.enrolled(t, app, nil, nil)
	sub := url.Values{"sub": {string(app.ID)}}
	resolve := url.Values{"sub": {string(far.ID)}, "trust_anchor": {string(id)}}
	used := proved(t, app, o.now, sub)
	for _, row := range []struct {
		name, method, path string
		form               url.Values
		status             int
		code               string
	}{
		{"§8.8.1: required, and nobody proves anything", http.MethodPost, authority.FetchPath, sub, 401, "invalid_client"},
		{"§8.8: required, by GET", http.MethodGet, authority.FetchPath, sub, 405, "invalid_request"},
		{"§8.8: in the body of a POST", http.MethodPost, authority.FetchPath, used, 200, ""},
		{"RFC 7523 §3: the same again", http.MethodPost, authority.FetchPath, used, 401, "invalid_client"},
		{"an entity that the resolver trusts", http.MethodPost, authority.FetchPath, proved(t, far, o.now, sub), 200, ""},
		{"§8.9: a stranger", http.MethodPost, authority.FetchPath, proved(t, stranger, o.now, sub), 401, "invalid_client"},
		{"optional, by GET without a proof", http.MethodGet, authority.ListPath, nil, 200, ""},
		{"optional, with one", http.MethodPost, authority.ListPath, proved(t, app, o.now, nil), 200, ""},
		{"§8.8: a POST without one", http.MethodPost, authority.ListPath, nil, 401, "invalid_client"},
		{"§8.8: a proof in the query", http.MethodGet, authority.ListPath, proved(t, app, o.now, nil), 400, "invalid_request"},
		{"§8.8.1: where none is accepted", http.MethodPost, authority.MarkPath, proved(t, app, o.now, sub), 405, "invalid_request"},
		{"a mark's status without one", http.MethodPost, authority.MarkStatusPath, url.Values{"trust_mark": {"x"}}, 401, "invalid_client"},
		{"a mark's status", http.MethodPost, authority.MarkStatusPath, proved(t, app, o.now, url.Values{"trust_mark": {"x"}}), 400, "invalid_request"},
		{"resolve without one", http.MethodGet, authority.ResolvePath, resolve, 200, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, _, body := o.ask(t, row.method, row.path, row.form)
			var said map[string]string
			if row.code != "" {
				if err := json.Unmarshal([]byte(body), &said); err != nil {
					t.Errorf("%v: %s", err, body)
				}
			}
			if status != row.status || said["error"] != row.code {
				t.Errorf("got %d %s, want %d %s", status, body, row.status, row.code)
			}
		})
	}
	_, _, body := o.ask(t, http.MethodPost, authority.ResolvePath, proved(t, app, o.now, resolve))
	if got := audience(t, body); got != string(app.ID) {
		t.Errorf("§8.3.2: the answer to one who proved who it is has aud %q", got)
	}
	if _, _, body = o.ask(t, http.MethodGet, authority.ResolvePath, resolve); audience(t, body) != "" {
		t.Errorf("§8.3.2: the answer to anybody has aud %q", audience(t, body))
	}
	suspended, err := enrolled.Suspend("b", "test", o.now)
	if err != nil {
		t.Fatal(err)
	}
	o.save(t, suspended)
	if status, _, _ := o.ask(t, http.MethodPost, authority.FetchPath, proved(t, app, o.now, sub)); status != 401 {
		t.Errorf("§8.9: one who is suspended: %d", status)
	}

	token, err := o.Configuration(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := federationtest.Parse(t, token).Metadata[federation.FederationEntity]
	for name, want := range map[string]string{
		"federation_fetch_endpoint_auth_methods": "private_key_jwt", "federation_list_endpoint_auth_methods": "none private_key_jwt",
		"federation_trust_mark_endpoint_auth_methods": "", "endpoint_auth_signing_alg_values_supported": "ES256 EdDSA PS256 RS256",
	} {
		var got []string
		values, _ := m[name].([]any)
		for _, v := range values {
			got = append(got, v.(string))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("§8.8.1: %s is %q, want %q", name, got, want)
		}
	}
}

// audience is aud of an answer of the resolve endpoint.
func audience(t *testing.T, token string) string {
	t.Helper()
	received, err := jose.Receive(token, jose.Rule{Type: "resolve-response+jwt", Algorithms: statement.Algorithms, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Audience string `json:"aud"`
	}
	if err := json.Unmarshal(received.Claims(), &c); err != nil {
		t.Fatal(err)
	}
	return c.Audience
}
