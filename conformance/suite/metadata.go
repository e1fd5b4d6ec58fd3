package suite

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Provider is the provider under test, as one run has met it.
type Provider struct {
	Caller

	issuer   string
	metadata Claims  // fetched once
	keys     *KeySet // fetched once, and anew for a key that is not among them
}

// Discover is the provider's metadata, fetched once in a run.
func (p *Provider) Discover() Claims {
	if p.metadata == nil {
		p.metadata, _ = p.FetchMetadata()
	}
	return p.metadata
}

// FetchMetadata fetches the discovery document and checks what every module relies on.
func (p *Provider) FetchMetadata() (Claims, Answer) {
	const clause = "OpenID Connect Discovery §4"
	issuer := p.issuer
	a := p.Get(strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration")
	p.Must(a.Status == http.StatusOK, clause+".2", "the discovery document answers 200", a)
	p.Must(a.JSON != nil, clause+".2", "the discovery document is a JSON object", a.Raw)
	p.Must(a.JSON.Text("issuer") == issuer, clause+".3", "issuer is exactly "+issuer, a.JSON["issuer"])
	return a.JSON, a
}

// Endpoint is one of the metadata, which must be there.
func (p *Provider) Endpoint(name string) string {
	at := p.Discover().Text(name)
	p.Must(at != "", "OpenID Connect Discovery §3", "the metadata names the "+name, p.Discover()[name])
	return at
}

// Endpoint is an endpoint as the client uses it: one that shows a certificate goes to
// its alias (RFC 8705 §5).
func (c *Client) Endpoint(name string) string {
	if aliases, ok := c.run.Discover()["mtls_endpoint_aliases"].(map[string]any); ok && c.Certificate != nil {
		if at := Claims(aliases).Text(name); at != "" {
			return at
		}
	}
	return c.run.Endpoint(name)
}

// KeySet is the provider's JWK Set, fetched once in a run.
func (p *Provider) KeySet() *KeySet {
	if p.keys == nil {
		p.keys = p.FetchKeySet()
	}
	return p.keys
}

// Refetch forgets the JWK Set, so that it is fetched anew.
func (p *Provider) Refetch() { p.keys = nil }

// FetchKeySet fetches the JWK Set anew.
func (p *Provider) FetchKeySet() *KeySet {
	a := p.Get(p.Endpoint("jwks_uri"))
	p.Must(a.Status == http.StatusOK, "OpenID Connect Discovery §3", "the JWK Set answers 200", a)
	var set KeySet
	err := json.Unmarshal([]byte(a.Raw), &set.JSONWebKeySet)
	p.Must(err == nil && len(set.Keys) > 0, "RFC 7517 §5", "jwks_uri gives a JWK Set with keys", a)
	return &set
}

// Supports reports whether a list in the metadata holds a value.
func (p *Provider) Supports(list, value string) bool { return p.Discover().Lists(list, value) }
