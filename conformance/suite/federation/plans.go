package federation

import (
	"hopnhat/conformance/suite"
)

// Plans are all of the package.
func Plans() []suite.Plan {
	return []suite.Plan{
		{
			Name: "federation-deployed-entity", Certificate: "OpenID Federation deployed entity",
			Parts: []suite.Part{{Variant: suite.Variant{suite.Registration: suite.Static}, Modules: deployed}},
		},
		{
			Name: "federation-op", Certificate: "OpenID Federation OP joined to a test federation",
			Parts: []suite.Part{{
				Variant: suite.Variant{suite.Registration: "automatic", "request_method": "par"}, Modules: registering,
			}},
		},
	}
}

// parameters are what stands in the configuration under extra, federation.
func parameters(r *suite.Run) suite.Claims {
	all, _ := r.Config().Extra["federation"].(map[string]any)
	return all
}

// anchorOf is the trust anchor of the configuration with its keys.
func anchorOf(r *suite.Run, clause string) (id string, keys suite.KeySet) {
	id = parameters(r).Text("trust_anchor")
	if id == "" {
		r.NotOffered(clause, "a trust anchor; put trust_anchor and trust_anchor_jwks into the configuration under extra, federation", nil)
	}
	set, err := suite.ParseJWKS(parameters(r)["trust_anchor_jwks"])
	r.Works(err, "reading trust_anchor_jwks")
	r.Must(len(set.Keys) > 0, clause, "the configuration has keys of the trust anchor", len(set.Keys))
	return id, suite.KeySet{JSONWebKeySet: set}
}
