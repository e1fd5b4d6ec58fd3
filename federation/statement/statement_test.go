package statement_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/statement"
)

type claims = federationtest.Claims

// raw is JSON as it stands.
func raw(text string) json.RawMessage { return json.RawMessage(text) }

// TestParseRefuses: each rule of OpenID Federation 1.0 §3.2 that a statement can break on
// its own.
func TestParseRefuses(t *testing.T) {
	leaf, superior := federationtest.New(t, "https://app.example.vn"), federationtest.New(t, "https://ministry.example.vn")
	mark := leaf.Sign(t, claims{"typ": "trust-mark+jwt"}, claims{"trust_mark_type": "https://anchor.example.vn/mark"})
	many := make([]string, 33)
	for i := range many {
		many[i] = "https://superior.example.vn/" + strings.Repeat("a", i)
	}
	twice := raw(strings.Replace(string(leaf.JWKS(t)), `"keys":[`, `"keys":[`+keyOf(leaf.JWKS(t))+",", 1))
	for _, row := range []struct {
		name    string
		section string
		token   string
	}{
		{"3.2: it is a signed JWT", "3.2", "not.a-jwt"},
		{"3.2: it has three parts", "3.2", leaf.Configuration(t, nil) + ".more"},
		{"3.2: it is bounded", "3.2", leaf.Configuration(t, claims{"more": strings.Repeat("x", statement.MaxBytes)})},
		{"3: it has a typ", "3.2", leaf.Sign(t, claims{"typ": nil}, nil)},
		{"3: its typ is not JWT", "3.2", leaf.Sign(t, claims{"typ": "JWT"}, nil)},
		{"3: its typ is not that of a trust mark", "3.2", leaf.Sign(t, claims{"typ": "trust-mark+jwt"}, nil)},
		{"3: its typ is exact: no application/", "3", leaf.Sign(t, claims{"typ": "application/entity-statement+jwt"}, nil)},
		{"3: its typ is exact: lower case", "3", leaf.Sign(t, claims{"typ": "Entity-Statement+jwt"}, nil)},
		{"3.2: it is not unsigned", "3.2", leaf.Sign(t, claims{"alg": "none"}, nil)},
		{"3.2: its alg is not symmetric", "3.2", leaf.Sign(t, claims{"alg": "HS256"}, nil)},
		{"3.2: its alg is one of ours", "3.2", leaf.Sign(t, claims{"alg": "ES512"}, nil)},
		{"3: it has a kid", "3", leaf.Sign(t, claims{"kid": nil}, nil)},
		{"3: its kid is not empty", "3", leaf.Sign(t, claims{"kid": ""}, nil)},
		{"4.3: it carries no trust_chain", "4.3", leaf.Sign(t, claims{"trust_chain": []string{"a"}}, nil)},
		{"4.4: it carries no peer_trust_chain", "4.3", leaf.Sign(t, claims{"peer_trust_chain": []string{"a"}}, nil)},
		{"RFC 7515 §4.1.11: no critical header", "3.2", leaf.Sign(t, claims{"crit": []string{"b64"}, "b64": false}, nil)},
		{"RFC 8725 §3.10: no jku", "3.2", leaf.Sign(t, claims{"jku": "https://evil.example/keys"}, nil)},
		{"RFC 8725 §3.10: no jwk", "3.2", leaf.Sign(t, claims{"jwk": raw(keyOf(leaf.JWKS(t)))}, nil)},
		{"3: the payload is an object", "3.2", leaf.SignRaw(t, `[]`)},
		{"RFC 8725 §2.4: no claim twice", "3.2", leaf.SignRaw(t, `{"iss":"https://a.vn","iss":"https://b.vn"}`)},

		{"3.1.1: iss", "3.1.1", leaf.Configuration(t, claims{"iss": nil})},
		{"3.1.1: sub", "3.1.1", leaf.Configuration(t, claims{"sub": nil})},
		{"3.1.1: iat", "3.1.1", leaf.Configuration(t, claims{"iat": nil})},
		{"3.1.1: exp", "3.1.1", leaf.Configuration(t, claims{"exp": nil})},
		{"3.1.1: jwks", "3.1.1", leaf.Configuration(t, claims{"jwks": nil})},
		{"3.1.1: iss is a string", "3.1.1", leaf.Configuration(t, claims{"iss": 7})},
		{"3.1.1: sub is not null", "3.2", leaf.Configuration(t, claims{"sub": raw("null")})},
		{"1.2: iss is https", "3.2", leaf.Configuration(t, claims{"iss": "http://app.example.vn"})},
		{"1.2: sub has a host", "3.2", leaf.Configuration(t, claims{"sub": "https:///app"})},
		{"1.2: sub has no fragment", "3.2", leaf.Configuration(t, claims{"sub": "https://app.example.vn/#x"})},
		{"1.2: sub has no query", "3.2", leaf.Configuration(t, claims{"sub": "https://app.example.vn/?x"})},
		{"1.2: sub has no credentials", "3.2", leaf.Configuration(t, claims{"sub": "https://a:b@app.example.vn"})},
		{"1.2: sub is a URL", "3.2", leaf.Configuration(t, claims{"sub": "app"})},
		{"1.2: sub has no space", "3.2", leaf.Configuration(t, claims{"sub": "https://app.example.vn/a b"})},
		{"1.2: sub is bounded", "3.2", leaf.Configuration(t, claims{"sub": "https://app.example.vn/" + strings.Repeat("a", 2048)})},
		{"3.1.1: iat is a number", "3.1.1", leaf.Configuration(t, claims{"iat": "1"})},
		{"3.1.1: iat is not null", "3.1.1", leaf.Configuration(t, claims{"iat": raw("null")})},
		{"RFC 7519 §2: exp is a time", "3.1.1", leaf.Configuration(t, claims{"exp": 1e15})},
		{"3.1.1: iat is after 1970", "3.1.1", leaf.Configuration(t, claims{"iat": -1})},
		{"3.2: exp is after iat", "3.2", leaf.Configuration(t, claims{"exp": federationtest.Now.Unix()})},
		{"3.1.1: jwks is a key set", "3.1.1", leaf.Configuration(t, claims{"jwks": []string{"a"}})},
		{"3.1.1: jwks has a key", "3.1.1", leaf.Configuration(t, claims{"jwks": raw(`{"keys":[]}`)})},
		{"3.1.1: each key has a kid", "3.1.1", leaf.Configuration(t, claims{"jwks": raw(strings.Replace(string(leaf.JWKS(t)), `"kid"`, `"kidd"`, 1))})},
		{"3.1.1: no kid twice", "3.1.1", leaf.Configuration(t, claims{"jwks": twice})},
		{"3.1.1: no symmetric key", "3.1.1", leaf.Configuration(t, claims{"jwks": raw(`{"keys":[{"kty":"oct","k":"AAAA","kid":"a"}]}`)})},
		{"3.1.1: no private key", "3.1.1", leaf.Configuration(t, claims{"jwks": raw(strings.Replace(string(leaf.JWKS(t)), `"kty"`, `"d":"AAAA","kty"`, 1))})},

		{"3.2: crit is a list", "3.1.1", leaf.Configuration(t, claims{"crit": "jti"})},
		{"3.2: crit is not empty", "3.1.1", leaf.Configuration(t, claims{"crit": []string{}})},
		{"3.2: crit lists no claim of §3.1", "3.2", leaf.Configuration(t, claims{"crit": []string{"metadata"}})},
		{"3.2: what crit lists is understood", "3.2", leaf.Configuration(t, claims{"crit": []string{"jti"}, "jti": "a"})},

		{"5: metadata is an object", "5", leaf.Configuration(t, claims{"metadata": []string{}})},
		{"5: metadata is not null", "5", leaf.Configuration(t, claims{"metadata": raw("null")})},
		{"5: metadata of a type is an object", "5", leaf.Configuration(t, claims{"metadata": raw(`{"openid_relying_party":"a"}`)})},
		{"5: metadata of a type is not null", "5", leaf.Configuration(t, claims{"metadata": raw(`{"openid_relying_party":null}`)})},
		{"5: no parameter is null", "5", leaf.Configuration(t, claims{"metadata": raw(`{"openid_relying_party":{"scope":null}}`)})},
		{"5.2.1: no jwks of a federation entity", "5.2.1", leaf.Configuration(t, claims{"metadata": raw(`{"federation_entity":{"jwks":{}}}`)})},
		{"5.2.1: no jwks_uri of a federation entity", "5.2.1", leaf.Configuration(t, claims{"metadata": raw(`{"federation_entity":{"jwks_uri":"https://a.vn"}}`)})},
		{"5.2.1: no signed_jwks_uri of a federation entity", "5.2.1", leaf.Configuration(t, claims{"metadata": raw(`{"federation_entity":{"signed_jwks_uri":"a"}}`)})},

		{"3.1.2: authority_hints is a list", "3.1.2", leaf.Configuration(t, claims{"authority_hints": "https://a.vn"})},
		{"3.1.2: authority_hints is not empty", "3.1.2", leaf.Configuration(t, claims{"authority_hints": []string{}})},
		{"3.1.2: authority_hints is not null", "3.1.2", leaf.Configuration(t, claims{"authority_hints": raw("null")})},
		{"3.1.2: authority_hints names entities", "3.1.2", leaf.Configuration(t, claims{"authority_hints": []string{"a"}})},
		{"3.1.2: authority_hints has no null", "3.1.2", leaf.Configuration(t, claims{"authority_hints": raw(`[null]`)})},
		{"3.1.2: authority_hints names nobody twice", "3.1.2", leaf.Configuration(t, claims{"authority_hints": []string{"https://a.vn", "https://a.vn"}})},
		{"3.1.2: authority_hints does not name itself", "3.1.2", leaf.Configuration(t, claims{"authority_hints": []string{"https://app.example.vn"}})},
		{"3.1.2: authority_hints is bounded", "3.1.2", leaf.Configuration(t, claims{"authority_hints": many})},
		{"3.1.2: trust_anchor_hints is not empty", "3.1.2", leaf.Configuration(t, claims{"trust_anchor_hints": []string{}})},
		{"3.1.2: trust_anchor_hints names entities", "3.1.2", leaf.Configuration(t, claims{"trust_anchor_hints": []string{"http://a.vn"}})},
		{"3.1.2: trust_marks is a list", "3.1.2", leaf.Configuration(t, claims{"trust_marks": "a"})},
		{"3.1.2: trust_marks is a list of objects", "3.1.2", leaf.Configuration(t, claims{"trust_marks": []string{"a"}})},
		{"3.1.2: a mark has a type", "3.1.2", leaf.Configuration(t, claims{"trust_marks": []claims{{"trust_mark": mark}}})},
		{"3.1.2: a mark has a JWT", "3.1.2", leaf.Configuration(t, claims{"trust_marks": []claims{{"trust_mark_type": "a"}}})},
		{"3.2: a mark is of its type", "3.1.2", leaf.Configuration(t, claims{"trust_marks": []claims{{"trust_mark_type": "a", "trust_mark": mark}}})},
		{"3.2: a mark is a JWT", "3.1.2", leaf.Configuration(t, claims{"trust_marks": []claims{{"trust_mark_type": "a", "trust_mark": "b"}}})},
		{"3.2: trust_mark_issuers is an object", "3.2", leaf.Configuration(t, claims{"trust_mark_issuers": []string{}})},
		{"3.2: trust_mark_issuers has lists", "3.2", leaf.Configuration(t, claims{"trust_mark_issuers": claims{"a": "https://a.vn"}})},
		{"3.2: trust_mark_issuers names entities", "3.2", leaf.Configuration(t, claims{"trust_mark_issuers": claims{"a": []string{"b"}}})},
		{"3.2: trust_mark_owners is an object", "3.2", leaf.Configuration(t, claims{"trust_mark_owners": "a"})},
		{"3.2: an owner has a sub", "3.2", leaf.Configuration(t, claims{"trust_mark_owners": claims{"a": claims{"jwks": leaf.JWKS(t)}}})},
		{"3.2: an owner has jwks", "3.2", leaf.Configuration(t, claims{"trust_mark_owners": claims{"a": claims{"sub": "https://a.vn"}}})},
		{"3.2: an owner is an entity", "3.2", leaf.Configuration(t, claims{"trust_mark_owners": claims{"a": claims{"sub": "a", "jwks": leaf.JWKS(t)}}})},
		{"3.2: an owner's keys are a set", "3.1.1", leaf.Configuration(t, claims{"trust_mark_owners": claims{"a": claims{"sub": "https://a.vn", "jwks": claims{}}}})},
		{"3.2: metadata_policy is of subordinate statements", "3.2", leaf.Configuration(t, claims{"metadata_policy": claims{}})},
		{"3.2: metadata_policy_crit is of subordinate statements", "3.2", leaf.Configuration(t, claims{"metadata_policy_crit": []string{"a"}})},
		{"3.2: constraints is of subordinate statements", "3.2", leaf.Configuration(t, claims{"constraints": claims{}})},
		{"3.2: source_endpoint is of subordinate statements", "3.2", leaf.Configuration(t, claims{"source_endpoint": "https://a.vn"})},
		{"3.1.4: trust_anchor is of registration answers", "3.1.4", leaf.Configuration(t, claims{"trust_anchor": "https://a.vn"})},

		{"3.2: authority_hints is of configurations", "3.2", superior.About(t, leaf, claims{"authority_hints": []string{"https://a.vn"}})},
		{"3.2: trust_anchor_hints is of configurations", "3.2", superior.About(t, leaf, claims{"trust_anchor_hints": []string{"https://a.vn"}})},
		{"3.2: trust_marks is of configurations", "3.2", superior.About(t, leaf, claims{"trust_marks": []string{}})},
		{"3.2: trust_mark_issuers is of configurations", "3.2", superior.About(t, leaf, claims{"trust_mark_issuers": claims{}})},
		{"3.2: trust_mark_owners is of configurations", "3.2", superior.About(t, leaf, claims{"trust_mark_owners": claims{}})},
		{"6.1.2: metadata_policy is an object", "6.1.2", superior.About(t, leaf, claims{"metadata_policy": []string{}})},
		{"6.1.2: metadata_policy of a type is an object", "6.1.2", superior.About(t, leaf, claims{"metadata_policy": claims{"a": "b"}})},
		{"6.1.2: metadata_policy of a type is not null", "6.1.2", superior.About(t, leaf, claims{"metadata_policy": claims{"a": raw("null")}})},
		{"6.1.2: a parameter's policy is an object", "6.1.2", superior.About(t, leaf, claims{"metadata_policy": claims{"a": claims{"b": "c"}}})},
		{"6.1.2: a parameter's policy is not null", "6.1.2", superior.About(t, leaf, claims{"metadata_policy": claims{"a": claims{"b": raw("null")}}})},
		{"6.1.2: no operator twice", "3.2", superior.SignRaw(t, `{"metadata_policy":{"a":{"b":{"value":1,"value":2}}}}`)},
		{"3.1.3: metadata_policy_crit is a list", "3.1.3", superior.About(t, leaf, claims{"metadata_policy_crit": "a"})},
		{"3.1.3: metadata_policy_crit is not empty", "3.1.3", superior.About(t, leaf, claims{"metadata_policy_crit": []string{}})},
		{"3.2: source_endpoint is a URL", "3.2", superior.About(t, leaf, claims{"source_endpoint": "fetch"})},
		{"3.2: source_endpoint is https", "3.2", superior.About(t, leaf, claims{"source_endpoint": "http://a.vn"})},
		{"6.2: constraints is an object", "6.2", superior.About(t, leaf, claims{"constraints": []string{}})},
		{"6.2.1: max_path_length is from 0 on", "6.2.1", superior.About(t, leaf, claims{"constraints": claims{"max_path_length": -1}})},
		{"6.2.1: max_path_length is whole", "6.2.1", superior.About(t, leaf, claims{"constraints": claims{"max_path_length": 1.5}})},
		{"6.2.1: max_path_length is a number", "6.2.1", superior.About(t, leaf, claims{"constraints": claims{"max_path_length": "1"}})},
		{"6.2.2: naming_constraints is an object", "6.2.2", superior.About(t, leaf, claims{"constraints": claims{"naming_constraints": "a"}})},
		{"6.2.2: permitted is a list", "6.2.2", superior.About(t, leaf, claims{"constraints": claims{"naming_constraints": claims{"permitted": "a"}}})},
		{"6.2.2: permitted holds no URL", "6.2.2", superior.About(t, leaf, claims{"constraints": claims{"naming_constraints": claims{"permitted": []string{"https://a.vn"}}}})},
		{"6.2.2: excluded holds no lone period", "6.2.2", superior.About(t, leaf, claims{"constraints": claims{"naming_constraints": claims{"excluded": []string{"."}}}})},
		{"6.2.3: allowed_entity_types is a list", "6.2.3", superior.About(t, leaf, claims{"constraints": claims{"allowed_entity_types": "a"}})},
		{"6.2.3: allowed_entity_types lists no empty name", "6.2.3", superior.About(t, leaf, claims{"constraints": claims{"allowed_entity_types": []string{""}}})},
		{"6.2.3: allowed_entity_types does not list federation_entity", "6.2.3", superior.About(t, leaf, claims{"constraints": claims{"allowed_entity_types": []string{"federation_entity"}}})},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := statement.Parse(row.token)
			f := statement.FaultError{}
			if !errors.As(err, &f) || !errors.Is(err, statement.ErrInvalid) {
				t.Fatalf("got %v, want a fault", err)
			}
			if f.Section != row.section {
				t.Errorf("§%s: %s; want §%s", f.Section, f.Saw, row.section)
			}
		})
	}
}

// keyOf is the first key of a set that has one.
func keyOf(set json.RawMessage) string {
	text := string(set)
	return text[strings.Index(text, "[")+1 : strings.LastIndex(text, "]")]
}

// TestParse: what statements hold, as it was written.
func TestParse(t *testing.T) {
	leaf, superior := federationtest.New(t, "https://app.example.vn"), federationtest.New(t, "https://ministry.example.vn:8443/base")
	mark := superior.Sign(t, claims{"typ": "trust-mark+jwt"}, claims{"trust_mark_type": "https://anchor.example.vn/mark"})
	s := federationtest.Parse(t, leaf.Configuration(t, claims{
		"authority_hints": []string{"https://ministry.example.vn:8443/base"}, "trust_anchor_hints": []string{"https://anchor.example.vn"},
		"metadata":           raw(`{"openid_relying_party":{"default_max_age":1.50,"scope":"openid"},"x":{}}`),
		"trust_marks":        []claims{{"trust_mark_type": "https://anchor.example.vn/mark", "trust_mark": mark}},
		"trust_mark_issuers": claims{"https://anchor.example.vn/mark": []string{}},
		"trust_mark_owners":  claims{"https://anchor.example.vn/mark": claims{"sub": "https://owner.example.vn", "jwks": leaf.JWKS(t)}},
		"unknown":            1,
	}))
	if !s.IsConfiguration() || len(s.AuthorityHints) != 1 || len(s.AnchorHints) != 1 ||
		len(s.Marks) != 1 || s.Marks[0].JWT != mark || s.MarkIssuers == nil ||
		s.MarkOwners["https://anchor.example.vn/mark"].Subject != "https://owner.example.vn" {
		t.Errorf("got %+v", s)
	}
	if got := s.Metadata[federation.RelyingParty]["default_max_age"]; got != json.Number("1.50") {
		t.Errorf("a number is %v, and was written 1.50", got)
	}
	if _, declared := s.Metadata["x"]; !declared {
		t.Error("a type without parameters is not declared")
	}
	if err := s.SignedBy(leaf.Set(t)); err != nil {
		t.Errorf("by its own key: %v", err)
	}
	if err := s.SignedBy(superior.Set(t)); err == nil {
		t.Error("signed by a key of another")
	}
	two := 2
	s = federationtest.Parse(t, superior.About(t, leaf, claims{
		"constraints": claims{
			"max_path_length": two, "naming_constraints": claims{"permitted": []string{".Example.VN"}, "excluded": []string{"East.example.vn"}},
			"allowed_entity_types": []string{}, "more": "passed over",
		},
		"metadata_policy": claims{"openid_relying_party": claims{"scope": claims{"value": "openid"}}},
		"source_endpoint": "https://ministry.example.vn/fetch",
	}))
	c := s.Constraints
	if s.IsConfiguration() || c.MaxPathLength == nil || *c.MaxPathLength != 2 || c.Permitted[0] != ".example.vn" ||
		c.Excluded[0] != "east.example.vn" || !c.LimitsTypes || len(c.AllowedTypes) != 0 ||
		s.Policy[federation.RelyingParty]["scope"]["value"] != "openid" {
		t.Errorf("got %+v", s)
	}
	c = federationtest.Parse(t, superior.About(t, leaf, nil)).Constraints
	if c.LimitsTypes || c.Permitted != nil || c.MaxPathLength != nil {
		t.Errorf("constraints that are not there: %+v", c)
	}
}

// FuzzParse: whatever comes, there is a statement or a fault, and a statement says again
// what it said.
func FuzzParse(f *testing.F) {
	leaf, superior := federationtest.New(f, "https://app.example.vn"), federationtest.New(f, "https://ministry.example.vn")
	for _, token := range []string{
		leaf.Configuration(f, claims{"authority_hints": []string{"https://a.vn"}, "metadata": claims{"openid_relying_party": claims{"a": 1}}}),
		superior.About(f, leaf, claims{"metadata_policy": claims{"a": claims{"b": claims{"value": nil}}}, "constraints": claims{"max_path_length": 1}}),
		"a.b.c", "",
	} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		s, err := statement.Parse(token)
		switch {
		case err != nil && !errors.Is(err, statement.ErrInvalid):
			t.Fatalf("no fault: %v", err)
		case err == nil && (s.Token() != token || s.Issuer == "" || s.Subject == "" || s.Keys == nil || !s.IssuedAt.Before(s.Expiry)):
			t.Fatalf("got %+v", s)
		}
	})
}

// TestParseRequest: what a request of explicit registration has beyond a configuration
// (OpenID Federation 1.0 §12.2.1).
func TestParseRequest(t *testing.T) {
	const provider = "https://id.example.vn"
	leaf := federationtest.New(t, "https://app.example.vn")
	all := func(changes claims) claims {
		c := claims{
			"iss": leaf.ID, "sub": leaf.ID, "iat": 1, "exp": 2, "jwks": leaf.JWKS(t), "aud": provider, "authority_hints": []string{"https://a.vn"},
		}
		maps.Copy(c, changes)
		return c
	}
	for _, row := range []struct {
		name            string
		header, changes claims
		section         string
	}{
		{"all in order", nil, nil, ""},
		{"aud in a list of one", nil, claims{"aud": []string{provider}}, ""},
		{"chains in the header", claims{"trust_chain": []string{"a"}, "peer_trust_chain": []string{"b"}}, nil, ""},
		{"no aud", nil, claims{"aud": nil}, "12.2.2"},
		{"aud of two", nil, claims{"aud": []string{provider, "https://b.vn"}}, "12.2.2"},
		{"an empty aud", nil, claims{"aud": []string{}}, "12.2.2"},
		{"aud of another", nil, claims{"aud": "https://b.vn"}, "12.2.2"},
		{"aud is a number", nil, claims{"aud": 1}, "12.2.2"},
		{"about another", nil, claims{"sub": "https://b.vn", "authority_hints": nil}, "12.2.1"},
		{"no superior", nil, claims{"authority_hints": nil}, "12.2.1"},
		{"of another type", claims{"typ": "JWT"}, nil, "3.2"},
	} {
		_, err := statement.ParseRequest(leaf.Sign(t, row.header, all(row.changes)), provider)
		fault := statement.FaultError{}
		if errors.As(err, &fault); fault.Section != row.section || (err == nil) != (row.section == "") {
			t.Errorf("%s: got %v, want §%s", row.name, err, row.section)
		}
	}
}

// FuzzParseRequest: what is taken as a request is a configuration with a superior.
func FuzzParseRequest(f *testing.F) {
	leaf := federationtest.New(f, "https://app.example.vn")
	f.Add(leaf.Configuration(f, claims{"authority_hints": []string{"https://a.vn"}, "aud": "https://id.example.vn"}))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		s, err := statement.ParseRequest(token, "https://id.example.vn")
		if err == nil && (!s.IsConfiguration() || len(s.AuthorityHints) == 0) || err != nil && !errors.Is(err, statement.ErrInvalid) {
			t.Fatalf("got %+v, %v", s, err)
		}
	})
}
