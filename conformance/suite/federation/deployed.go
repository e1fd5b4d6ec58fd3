package federation

import (
	"encoding/json"
	"net/http"
	"slices"

	"hopnhat/conformance/suite"
)

// maxListed is how many of a list are fetched.
const maxListed = 5

// deployed are the modules about an entity as it runs. Its identifier is the issuer of the
// configuration.
var deployed = []suite.Module{
	{
		Name: "openid-federation-entity-configuration", Clause: "OpenID Federation 1.0 §9",
		Rule: "the entity and each of its immediate superiors publish a right configuration, and they state it",
		Test: func(r *suite.Run) {
			self := configuration(r, r.Config().Issuer)
			hints, has := self.claims.List("authority_hints")
			r.Expect(self.claims["authority_hints"] == nil || has && len(hints) > 0, "OpenID Federation 1.0 §3.1.2",
				"authority_hints is a list of one or more entities, or is not there", self.claims["authority_hints"])
			for _, hint := range hints {
				subordinate(r, configuration(r, hint), r.Config().Issuer)
			}
			r.Expect(len(hints) > 0 || r.Config().Issuer == parameters(r).Text("trust_anchor"), "OpenID Federation 1.0 §3.1.2",
				"an entity that is no trust anchor has superiors", hints)
			if op := self.metadata("openid_provider"); op != nil {
				r.Expect(op.Text("issuer") == r.Config().Issuer, "OpenID Federation 1.0 §5.1.3", "issuer of openid_provider is the entity", op["issuer"])
				_, ok := op.List("client_registration_types_supported")
				r.Expect(ok, "OpenID Federation 1.0 §5.1.3", "client_registration_types_supported is a list", op["client_registration_types_supported"])
			}
		},
	},
	{
		Name: "openid-federation-list-and-fetch", Clause: "OpenID Federation 1.0 §8.2",
		Rule: "the entities that are listed are stated, as many as five are looked at",
		Test: func(r *suite.Run) {
			self := superior(r)
			at := self.endpoint("federation_list_endpoint")
			r.Must(at != "", "OpenID Federation 1.0 §5.1.1", "an entity with a fetch endpoint has a federation_list_endpoint", self.claims["metadata"])
			a := r.Get(at)
			r.Must(a.Status == http.StatusOK && a.MediaType() == "application/json", "OpenID Federation 1.0 §8.2.2", "the list is answered 200 as JSON", a)
			var list []string
			r.Must(json.Unmarshal([]byte(a.Raw), &list) == nil, "OpenID Federation 1.0 §8.2.2", "the list is an array of entity identifiers", a.Raw)
			r.Expect(!slices.Contains(list, r.Config().Issuer), "OpenID Federation 1.0 §8.2", "the entity is not among its own subordinates", list)
			for _, id := range list[:min(len(list), maxListed)] {
				subordinate(r, self, id)
			}
			none := r.Get(with(at, "entity_type", "nobody_"+suite.Random()))
			r.Expect(none.Status == http.StatusBadRequest && none.ErrorCode() == "unsupported_parameter" || none.Raw == "[]" || none.Raw == "[]\n",
				"OpenID Federation 1.0 §8.2.1", "nobody is of an entity type that nobody has", none)
		},
	},
	{
		Name: "openid-federation-ensure-fetch-with-invalid-sub-fails", Clause: "OpenID Federation 1.0 §8.1",
		Rule: "a statement about an entity that is no subordinate is refused",
		Test: func(r *suite.Run) {
			refused(r, with(superior(r).endpoint("federation_fetch_endpoint"), "sub", "https://"+suite.Random()+".example/not-there"), "not_found", "invalid_request")
		},
	},
	{
		Name: "openid-federation-ensure-fetch-with-iss-as-sub-fails", Clause: "OpenID Federation 1.0 §8.1.1",
		Rule: "a statement of the entity about itself is not given by its fetch endpoint",
		Test: func(r *suite.Run) {
			refused(r, with(superior(r).endpoint("federation_fetch_endpoint"), "sub", r.Config().Issuer), "invalid_request", "not_found")
		},
	},
	{
		Name: "openid-federation-preconfigured-keys-match-trust-anchors-keys", Clause: "OpenID Federation 1.0 §4",
		Rule: "the trust anchor signs its configuration with a key that was given beforehand",
		Test: func(r *suite.Run) {
			id, keys := anchorOf(r, "OpenID Federation 1.0 §4")
			r.Expect(verifies(keys, configuration(r, id).token), "OpenID Federation 1.0 §4",
				"the configuration of the trust anchor verifies with a key of trust_anchor_jwks", id)
		},
	},
	{
		Name: "openid-federation-compare-trust-chain-to-resolve", Clause: "OpenID Federation 1.0 §8.3",
		Rule: "the chain that the trust anchor resolves is one that leads from the entity to it",
		Test: func(r *suite.Run) {
			id, keys := anchorOf(r, "OpenID Federation 1.0 §8.3")
			anchor := configuration(r, id)
			r.Must(verifies(keys, anchor.token), "OpenID Federation 1.0 §4", "the trust anchor signs with a key of trust_anchor_jwks", id)
			chain := path(r, configuration(r, r.Config().Issuer), id, nil)
			r.Must(len(chain) > 0, "OpenID Federation 1.0 §10.1", "a path leads from the entity to the trust anchor", r.Config().Issuer)
			at := anchor.endpoint("federation_resolve_endpoint")
			if at == "" {
				r.NotOffered("OpenID Federation 1.0 §8.3", "federation_resolve_endpoint", nil)
			}
			a := r.Get(with(with(at, "sub", r.Config().Issuer), "trust_anchor", id))
			r.Must(a.Status == http.StatusOK && a.MediaType() == "application/resolve-response+jwt", "OpenID Federation 1.0 §8.3.2",
				"it is answered 200 as application/resolve-response+jwt", a)
			header, claims, err := suite.Peek(a.Raw)
			r.Must(err == nil && header.Text("typ") == "resolve-response+jwt", "OpenID Federation 1.0 §8.3.2", "its typ is resolve-response+jwt", header)
			r.Expect(verifies(anchor.keys, a.Raw), "OpenID Federation 1.0 §8.3.2", "the resolver signed it", header["kid"])
			r.Expect(claims.Text("iss") == id && claims.Text("sub") == r.Config().Issuer, "OpenID Federation 1.0 §8.3.2", "iss and sub are right", claims)
			got, _ := claims.List("trust_chain")
			r.Must(len(got) == len(chain), "OpenID Federation 1.0 §8.3.2", "trust_chain has as many statements as the path that was walked", len(got))
			for i, token := range got {
				_, ours, _ := suite.Peek(chain[i])
				_, theirs, err := suite.Peek(token)
				r.Expect(err == nil && theirs.Text("iss") == ours.Text("iss") && theirs.Text("sub") == ours.Text("sub"), "OpenID Federation 1.0 §8.3.2",
					"statement of "+ours.Text("iss")+" about "+ours.Text("sub"), theirs["iss"])
			}
			r.Expect(claims["metadata"] != nil, "OpenID Federation 1.0 §8.3.2", "metadata is there", claims["metadata"])
		},
	},
}

// superior is the configuration of an entity that has subordinates; the module ends with a review
// for one that has none.
func superior(r *suite.Run) statement {
	self := configuration(r, r.Config().Issuer)
	if self.endpoint("federation_fetch_endpoint") == "" {
		r.NotOffered("OpenID Federation 1.0 §5.1.1", "federation_fetch_endpoint", nil)
	}
	return self
}

// refused checks an error of §8.9, of one of some codes.
func refused(r *suite.Run, address string, codes ...string) {
	a := r.Get(address)
	r.Expect(a.Status >= 400 && a.Status < 500, "OpenID Federation 1.0 §8.9", "it is answered with a status of 4xx", a)
	r.Expect(a.MediaType() == "application/json" && slices.Contains(codes, a.ErrorCode()), "OpenID Federation 1.0 §8.9",
		"the error is JSON with one of the codes "+codes[0]+", "+codes[1], a)
}
