package federation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

const mediaType = "application/entity-statement+jwt"

// statement is one that was fetched and looked at.
type statement struct {
	token  string
	claims suite.Claims
	keys   suite.KeySet
}

// metadata are those of an entity type.
func (s statement) metadata(kind string) suite.Claims {
	all, _ := s.claims["metadata"].(map[string]any)
	one, _ := all[kind].(map[string]any)
	return one
}

// endpoint is one of the federation entity's, empty if it has none.
func (s statement) endpoint(name string) string { return s.metadata("federation_entity").Text(name) }

// configuration fetches and checks the configuration of an entity (§9, §3).
func configuration(r *suite.Run, id string) statement {
	a := r.Get(strings.TrimSuffix(id, "/") + "/.well-known/openid-federation")
	s := looked(r, a, id, id)
	r.Must(verifies(s.keys, s.token), "OpenID Federation 1.0 §3.2",
		"the configuration of "+id+" is signed with a key of its own jwks", "not so")
	for _, name := range []string{"metadata_policy", "metadata_policy_crit", "constraints", "source_endpoint"} {
		r.Expect(s.claims[name] == nil, "OpenID Federation 1.0 §3.1.3", name+" stands in subordinate statements alone", s.claims[name])
	}
	for name, value := range s.metadata("federation_entity") {
		if strings.HasSuffix(name, "_endpoint") {
			u, err := url.Parse(fmt.Sprint(value))
			r.Expect(err == nil && u.Scheme == "https" && u.Fragment == "", "OpenID Federation 1.0 §5.1.1",
				name+" is an https URL without a fragment", value)
		}
	}
	for _, name := range []string{"jwks", "jwks_uri", "signed_jwks_uri"} {
		r.Expect(s.metadata("federation_entity")[name] == nil, "OpenID Federation 1.0 §5.2.1", name+" is not in federation_entity", name)
	}
	return s
}

// subordinate fetches and checks the statement of a superior about an entity (§8.1).
func subordinate(r *suite.Run, superior statement, id string) statement {
	at := superior.endpoint("federation_fetch_endpoint")
	r.Must(at != "", "OpenID Federation 1.0 §5.1.1", "the superior has a federation_fetch_endpoint", superior.claims.Text("sub"))
	s := looked(r, r.Get(with(at, "sub", id)), superior.claims.Text("sub"), id)
	r.Must(verifies(superior.keys, s.token), "OpenID Federation 1.0 §3.2",
		"the statement about "+id+" is signed with a key of its issuer", "not so")
	for _, name := range []string{"authority_hints", "trust_anchor_hints", "trust_marks", "trust_mark_issuers", "trust_mark_owners"} {
		r.Expect(s.claims[name] == nil, "OpenID Federation 1.0 §3.1.2", name+" stands in configurations alone", s.claims[name])
	}
	return s
}

func with(address, name, value string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// looked checks what holds of every statement (§3, §3.1.1).
func looked(r *suite.Run, a suite.Answer, issuer, subject string) statement {
	const spec = "OpenID Federation 1.0 §"
	r.Must(a.Status == http.StatusOK, spec+"8.1.2", "the statement about "+subject+" is answered 200", a)
	r.Expect(a.MediaType() == mediaType, spec+"3", "its media type is "+mediaType, a.MediaType())
	header, claims, err := suite.Peek(a.Raw)
	r.Must(err == nil, spec+"3", "it is a signed JWT", a.Raw)
	r.Expect(header.Text("typ") == "entity-statement+jwt", spec+"3", "its typ is entity-statement+jwt", header["typ"])
	r.Expect(header.Text("kid") != "", spec+"3", "its header has a kid", header)
	r.Expect(!slices.Contains([]string{"", "none"}, header.Text("alg")) && !strings.HasPrefix(header.Text("alg"), "HS"), spec+"3",
		"it is signed, and by an asymmetric key", header["alg"])
	for _, name := range []string{"trust_chain", "peer_trust_chain"} {
		r.Expect(header[name] == nil, spec+"4.3", "its header has no "+name, header)
	}
	r.Must(claims.Text("iss") == issuer, spec+"3.1.1", "iss is "+issuer, claims["iss"])
	r.Must(claims.Text("sub") == subject, spec+"3.1.1", "sub is "+subject, claims["sub"])
	now := float64(time.Now().Unix())
	issued, ok := claims.Number("iat")
	r.Expect(ok && issued <= now+60, spec+"3.1.1", "iat is not in the future", claims["iat"])
	expiry, ok := claims.Number("exp")
	r.Expect(ok && expiry > now, spec+"3.1.1", "exp is in the future", claims["exp"])
	raw, _ := json.Marshal(claims["jwks"])
	var set jose.JSONWebKeySet
	r.Must(json.Unmarshal(raw, &set) == nil && len(set.Keys) > 0, spec+"3.1.1", "jwks is a JWK Set with keys", claims["jwks"])
	ids := map[string]bool{}
	for _, k := range set.Keys {
		r.Expect(k.IsPublic(), spec+"3.1.1", "a key of jwks is public", k.KeyID)
		r.Expect(k.KeyID != "" && !ids[k.KeyID], spec+"3.1.1", "each key of jwks has a kid of its own", k.KeyID)
		ids[k.KeyID] = true
	}
	return statement{a.Raw, claims, suite.KeySet{JSONWebKeySet: set}}
}

// verifies reports whether a key of a set, the one that the token names, signed it.
func verifies(keys suite.KeySet, token string) bool {
	header, _, err := suite.Peek(token)
	if err != nil {
		return false
	}
	object, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{
		jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.PS256, jose.PS384, jose.PS512, jose.RS256, jose.RS384, jose.RS512,
	})
	if err != nil {
		return false
	}
	named := keys.Key(header.Text("kid"))
	if len(named) != 1 {
		return false
	}
	_, err = object.Verify(named[0].Public().Key)
	return err == nil
}

// path goes up from an entity to the anchor by the first of each entity's hints that leads
// there: the chain of §4 as it was fetched, nil if there is none.
func path(r *suite.Run, from statement, anchor string, seen []string) []string {
	id := from.claims.Text("sub")
	if id == anchor {
		return []string{from.token}
	}
	hints, _ := from.claims.List("authority_hints")
	for _, hint := range hints {
		if slices.Contains(seen, hint) || len(seen) > 8 {
			continue
		}
		superior := configuration(r, hint)
		about := subordinate(r, superior, id)
		r.Expect(verifies(about.keys, from.token), "OpenID Federation 1.0 §10.2",
			"the configuration of "+id+" is signed with a key that its superior states", hint)
		above := path(r, superior, anchor, append(seen, id))
		if above == nil {
			continue
		}
		if hint != anchor { // the statement about the superior stands in the place of its configuration
			return append([]string{from.token, about.token}, above[1:]...)
		}
		return []string{from.token, about.token, above[0]}
	}
	return nil
}
