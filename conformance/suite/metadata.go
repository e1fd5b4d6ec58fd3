package suite

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Discover is the provider's metadata, fetched once in a run.
func (r *Run) Discover() Claims {
	if r.metadata == nil {
		r.metadata, _ = r.FetchMetadata()
	}
	return r.metadata
}

// FetchMetadata fetches the discovery document and checks what every module relies on.
func (r *Run) FetchMetadata() (Claims, Answer) {
	const clause = "OpenID Connect Discovery §4"
	issuer := r.suite.Config.Issuer
	a := r.Get(strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration")
	r.Must(a.Status == http.StatusOK, clause+".2", "the discovery document answers 200", a)
	r.Must(a.JSON != nil, clause+".2", "the discovery document is a JSON object", a.Raw)
	r.Must(a.JSON.Text("issuer") == issuer, clause+".3", "issuer is exactly "+issuer, a.JSON["issuer"])
	return a.JSON, a
}

// Endpoint is one of the metadata, which must be there.
func (r *Run) Endpoint(name string) string {
	at := r.Discover().Text(name)
	r.Must(at != "", "OpenID Connect Discovery §3", "the metadata names the "+name, r.Discover()[name])
	return at
}

// EndpointFor is an endpoint as a client uses it: one that shows a certificate goes to
// its alias (RFC 8705 §5).
func (r *Run) EndpointFor(c *Client, name string) string {
	if aliases, ok := r.Discover()["mtls_endpoint_aliases"].(map[string]any); ok && c.Certificate != nil {
		if at := Claims(aliases).Text(name); at != "" {
			return at
		}
	}
	return r.Endpoint(name)
}

// KeySet is the provider's JWK Set, fetched once in a run.
func (r *Run) KeySet() *KeySet {
	if r.keys == nil {
		r.keys = r.FetchKeySet()
	}
	return r.keys
}

// Refetch forgets the JWK Set, so that it is fetched anew.
func (r *Run) Refetch() { r.keys = nil }

// FetchKeySet fetches the JWK Set anew.
func (r *Run) FetchKeySet() *KeySet {
	a := r.Get(r.Endpoint("jwks_uri"))
	r.Must(a.Status == http.StatusOK, "OpenID Connect Discovery §3", "the JWK Set answers 200", a)
	var set KeySet
	err := json.Unmarshal([]byte(a.Raw), &set.JSONWebKeySet)
	r.Must(err == nil && len(set.Keys) > 0, "RFC 7517 §5", "jwks_uri gives a JWK Set with keys", a)
	return &set
}

// Supports reports whether a list in the metadata holds a value.
func (r *Run) Supports(list, value string) bool { return r.Discover().Lists(list, value) }
