package authority_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/authority"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/resolver"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/keys/jose"
)

// known is a resolver that knows what a test says.
type known map[federation.EntityID]*resolver.Entry

func (k known) Resolve(subject federation.EntityID, _ ...federation.EntityID) (*resolver.Entry, error) {
	e, ok := k[subject]
	if !ok {
		return nil, resolver.ErrUnknown
	}
	if e.Err != nil {
		return nil, e.Err
	}
	return e, nil
}

func (known) Anchors() []federation.EntityID {
	return []federation.EntityID{id, "https://b.example.vn"}
}

// TestResolve: what is answered about an entity, and the errors of §8.3 and §8.9
// (OpenID Federation 1.0 §8.3.2).
func TestResolve(t *testing.T) {
	soon := federationtest.Now.Add(time.Hour)
	entities := known{
		"https://app.example.vn": {
			Subject: "https://app.example.vn", Anchor: id, Chain: []string{"a", "b", "c"}, Expiry: soon, Digest: "1",
			Metadata: federation.Metadata{"openid_relying_party": {"scope": "openid"}, "federation_entity": {}},
			Marks: []resolver.Mark{
				{Mark: statement.Mark{Type: kind, JWT: "m"}, Expiry: soon.Add(-time.Minute)},
				{Mark: statement.Mark{Type: kind, JWT: "over"}, Expiry: federationtest.Now},
			},
		},
		"https://chain.example.vn":  {Err: trust.ErrChain},
		"https://anchor.example.vn": {Err: trust.ErrAnchor},
		"https://meta.example.vn":   {Err: trust.ErrMetadata},
	}
	o := newOffice(t, func(o *authority.Options) { o.Resolver = entities })
	form := func(sub string, more ...string) url.Values {
		f := url.Values{"sub": {sub}, "trust_anchor": {string(id)}}
		for _, kind := range more {
			f.Add("entity_type", kind)
		}
		return f
	}
	for _, row := range []struct {
		name   string
		form   url.Values
		status int
		code   string
	}{
		{"§8.3.1: no sub", url.Values{"trust_anchor": {string(id)}}, 400, "invalid_request"},
		{"§8.3.1: no trust_anchor", url.Values{"sub": {"https://app.example.vn"}}, 400, "invalid_request"},
		{"§8.3.1: an anchor that names no entity", url.Values{"sub": {"https://app.example.vn"}, "trust_anchor": {"neo"}}, 400, "invalid_request"},
		{"§8.9: an anchor that is not used here", url.Values{"sub": {"https://app.example.vn"}, "trust_anchor": {"https://x.example.vn"}}, 404, "invalid_trust_anchor"},
		{"§8.9: a stranger", form("https://x.example.vn"), 404, "not_found"},
		{"§8.9: a chain that is not valid", form("https://chain.example.vn"), 400, "invalid_trust_chain"},
		{"§8.9: a chain to another anchor", form("https://anchor.example.vn"), 404, "invalid_trust_anchor"},
		{"§8.9: metadata that do not comply", form("https://meta.example.vn"), 400, "invalid_metadata"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, _, body := o.ask(t, http.MethodGet, authority.ResolvePath, row.form)
			var said map[string]string
			if err := json.Unmarshal([]byte(body), &said); status != row.status || err != nil || said["error"] != row.code ||
				said["error_description"] == "" {
				t.Errorf("status %d: %s", status, body)
			}
		})
	}
	for _, row := range []struct {
		name  string
		form  url.Values
		types int
	}{
		{"all types", form("https://app.example.vn"), 2},
		{"one type", form("https://app.example.vn", "openid_relying_party"), 1},
		{"one type twice, and one that it does not have", form("https://app.example.vn", "openid_relying_party", "openid_relying_party", "x"), 1},
		{"a type that it does not have", form("https://app.example.vn", "openid_provider"), 0},
		{"§8.3.1: several anchors, one of them used here", url.Values{"sub": {"https://app.example.vn"}, "trust_anchor": {"https://x.example.vn", string(id)}}, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, media, body := o.ask(t, http.MethodGet, authority.ResolvePath, row.form)
			v, err := jose.Verify(body, o.keys(t), jose.Rule{Type: "resolve-response+jwt", Algorithms: statement.Algorithms})
			var got struct {
				Issuer   string                    `json:"iss"`
				Subject  string                    `json:"sub"`
				Audience json.RawMessage           `json:"aud"`
				Issued   int64                     `json:"iat"`
				Expiry   int64                     `json:"exp"`
				Metadata map[string]map[string]any `json:"metadata"`
				Chain    []string                  `json:"trust_chain"`
				Marks    []map[string]string       `json:"trust_marks"`
			}
			if err == nil {
				err = json.Unmarshal(v.Claims, &got)
			}
			if status != http.StatusOK || media != "application/resolve-response+jwt" || err != nil {
				t.Fatalf("§8.3.2: status %d, %s, %v", status, media, err)
			}
			if got.Issuer != string(id) || got.Subject != "https://app.example.vn" || got.Audience != nil || len(got.Chain) != 3 ||
				len(got.Metadata) != row.types || got.Issued != o.now.Unix() {
				t.Errorf("§8.3.2: got %+v", got)
			}
			if len(got.Marks) != 1 || got.Marks[0]["trust_mark"] != "m" || got.Expiry != soon.Add(-time.Minute).Unix() {
				t.Errorf("§8.3.2: marks %v, until %d", got.Marks, got.Expiry)
			}
		})
	}
	made := o.ring.Stats().Signatures
	for range 10 {
		o.ask(t, http.MethodGet, authority.ResolvePath, form("https://app.example.vn"))
	}
	if o.ring.Stats().Signatures != made {
		t.Error("the same question is signed again")
	}
}
