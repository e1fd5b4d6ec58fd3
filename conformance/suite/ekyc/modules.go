package ekyc

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"hopnhat/conformance/suite"
)

const (
	requestSpec  = "OpenID Connect for Identity Assurance §6"
	responseSpec = "OpenID Connect for Identity Assurance §5"
	metadataSpec = "OpenID Connect for Identity Assurance §8"
)

// Plans are all of the package.
func Plans() []suite.Plan {
	return []suite.Plan{{Name: "ekyc", Certificate: "OpenID Connect for Identity Assurance OP", Parts: []suite.Part{{
		Variant: suite.Variant{suite.Authentication: "client_secret_basic", suite.ResponseType: "code", suite.ResponseMode: "default"},
		Modules: modules,
	}}}}
}

// where the request asks for the claims.
var both = []string{"userinfo", "id_token"}

// modules are one request each, with one thing changed in it.
var modules = []suite.Module{
	{
		Name: "ekyc-server-happypath", Clause: requestSpec, Rule: "the metadata say what can be verified, and a claim that is asked for comes verified",
		Test: func(r *suite.Run) {
			discovery(r)
			comes(r, both, suite.Claims{known(r): nil}, known(r))
		},
	},
	{
		Name: "ekyc-server-happypath-emptyobject", Clause: requestSpec, Rule: "a claim may be asked for with an empty object",
		Test: func(r *suite.Run) { comes(r, both, suite.Claims{known(r): suite.Claims{}}, known(r)) },
	},
	{
		Name: "ekyc-server-happypath-essentialfalse", Clause: requestSpec, Rule: "a claim may be asked for as not essential",
		Test: func(r *suite.Run) { comes(r, both, suite.Claims{known(r): suite.Claims{"essential": false}}, known(r)) },
	},
	unknown("ekyc-server-unknown-claim-omitted", "unknown_to_everybody", nil),
	unknown("ekyc-server-unknown-essential-claim-omitted", "unknown_to_everybody", suite.Claims{"essential": true}),
	unknown("ekyc-server-unknown-claim-specialchars-omitted", "%not/known:to everybody & \"no-one\"", nil),
	{
		Name: "ekyc-server-one-claim-with-random-value-omitted", Clause: requestSpec, Rule: "where no claim is as it was asked for, verified_claims is left out as a whole",
		Test: func(r *suite.Run) {
			l := login(r, both, suite.Claims{known(r): suite.Claims{"value": suite.Random()}}, nil)
			absent(r, "the ID token", l.ID)
			absent(r, "UserInfo", l.UserInfo)
		},
	},
	{
		Name: "ekyc-server-request-only-in-idtoken", Clause: requestSpec, Rule: "what is asked for in the ID token is not told by UserInfo",
		Test: func(r *suite.Run) {
			l := login(r, []string{"id_token"}, suite.Claims{known(r): nil}, nil)
			present(r, "the ID token", l.ID, []string{known(r)}, known(r))
			absent(r, "UserInfo", l.UserInfo)
		},
	},
	{
		Name: "ekyc-server-request-only-in-userinfo", Clause: requestSpec, Rule: "what is asked for in UserInfo is not in the ID token",
		Test: func(r *suite.Run) {
			l := login(r, []string{"userinfo"}, suite.Claims{known(r): nil}, nil)
			present(r, "UserInfo", l.UserInfo, []string{known(r)}, known(r))
			absent(r, "the ID token", l.ID)
		},
	},
	{
		Name: "ekyc-server-testuserprovidedrequest", Clause: requestSpec, Rule: "the request of the configuration is answered",
		Test: func(r *suite.Run) {
			asked, ok := r.Config().Extra["verified_claims_request"].(map[string]any)
			if !ok {
				r.NotOffered(requestSpec, "a request of your own; put it into the configuration under extra, verified_claims_request", nil)
			}
			l := request(r, suite.Claims{"userinfo": suite.Claims{"verified_claims": asked}})
			names, _ := asked["claims"].(map[string]any)
			present(r, "UserInfo", l.UserInfo, slices.Sorted(maps.Keys(names)))
		},
	},
	{
		Name: "ekyc-server-testbasedonuserinfo-defaults", Clause: requestSpec, Rule: "all claims that the metadata name, with the verification asked for by value, are told of a person who has them",
		Test: func(r *suite.Run) {
			wanted, claims := verified(r), suite.Claims{}
			for _, name := range wanted {
				claims[name] = nil
			}
			frameworks, _ := r.Discover().List("trust_frameworks_supported")
			l := login(r, both, claims, suite.Claims{"trust_framework": suite.Claims{"value": frameworks[0]}})
			present(r, "UserInfo", l.UserInfo, wanted, known(r))
			present(r, "the ID token", l.ID, wanted, known(r))
		},
	},
	{
		Name: "ekyc-server-test-userinfo-notfoundinop", Clause: requestSpec, Rule: "a verification that the metadata do not name is refused, or verified_claims is left out as a whole",
		Test: func(r *suite.Run) {
			text, err := json.Marshal(asking(both, suite.Claims{known(r): nil}, suite.Claims{"trust_framework": suite.Claims{"value": "none-of-" + suite.Random()}}))
			r.Works(err, "writing the claims parameter")
			q := r.Request(append(holder(r), suite.With("claims", string(text)))...)
			landing := q.Send()
			if landing.Callback == nil || landing.Callback.Values.Get("error") != "" {
				q.RefusedAnyhow(landing, requestSpec, "invalid_request")
				return
			}
			l := suite.Login{Request: q, Landing: landing, Callback: q.Accepted(landing)}
			l.Redeem()
			l.ReadUserInfo()
			absent(r, "UserInfo", l.UserInfo)
			absent(r, "the ID token", l.ID)
		},
	},
}

// unknown is a module that asks for a claim that nobody knows beside one that is known.
func unknown(name, claim string, how any) suite.Module {
	return suite.Module{Name: name, Clause: requestSpec, Rule: "a claim that is not known is left out, and the others come", Test: func(r *suite.Run) {
		comes(r, both, suite.Claims{known(r): nil, claim: how}, known(r))
	}}
}

// verified are the claims that the metadata name.
func verified(r *suite.Run) []string {
	list, ok := r.Discover().List("claims_in_verified_claims_supported")
	r.Must(ok && len(list) > 0, metadataSpec, "claims_in_verified_claims_supported is a list that is not empty", r.Discover()["claims_in_verified_claims_supported"])
	return list
}

// known is a claim that people have: the configuration's under extra,
// verified_claim_name, or the first.
func known(r *suite.Run) string {
	if name, ok := r.Config().Extra["verified_claim_name"].(string); ok {
		return name
	}
	return verified(r)[0]
}

// login signs in with verified claims asked for.
func login(r *suite.Run, where []string, claims, verification suite.Claims) suite.Login {
	return request(r, asking(where, claims, verification))
}

// asking is a claims parameter; a verification of nil is the least that there is.
func asking(where []string, claims, verification suite.Claims) suite.Claims {
	if verification == nil {
		verification = suite.Claims{"trust_framework": nil}
	}
	parameter := suite.Claims{}
	for _, place := range where {
		parameter[place] = suite.Claims{"verified_claims": suite.Claims{"verification": verification, "claims": claims}}
	}
	return parameter
}

func request(r *suite.Run, parameter suite.Claims) suite.Login {
	text, err := json.Marshal(parameter)
	r.Works(err, "writing the claims parameter")
	return r.Login(append(holder(r), suite.With("claims", string(text)))...)
}

// holder binds the client's tokens to a key, and says so in the request (RFC 9449 §10),
// where the provider offers it: verified claims are what a provider may keep from
// bearers.
func holder(r *suite.Run) []suite.Option {
	if !r.Supports("dpop_signing_alg_values_supported", "ES256") {
		return nil
	}
	key := r.Key("ES256", r.Module.Name)
	if c := r.Client(); c.Binding == nil {
		c.Binding = &suite.DPoP{Key: key}
	}
	return []suite.Option{suite.With("dpop_jkt", key.Thumbprint())}
}

// comes asks and expects one claim in each place.
func comes(r *suite.Run, where []string, claims suite.Claims, name string) {
	l := login(r, where, claims, nil)
	asked := slices.Sorted(maps.Keys(claims))
	present(r, "the ID token", l.ID, asked, name)
	present(r, "UserInfo", l.UserInfo, asked, name)
}

func absent(r *suite.Run, place string, claims suite.Claims) {
	got, there := claims["verified_claims"]
	r.Expect(!there, requestSpec, "verified_claims is left out of "+place, got)
}

// present checks verified_claims in a place: right in form, with the claims that must
// be there, and with none that nobody asked for.
func present(r *suite.Run, place string, all suite.Claims, asked []string, must ...string) {
	value := all["verified_claims"]
	if list, ok := value.([]any); ok && len(list) > 0 { // §5: one object, or several
		value = list[0]
	}
	element, ok := value.(map[string]any)
	r.Must(ok, responseSpec, "verified_claims is in "+place, all)
	verification, ok := element["verification"].(map[string]any)
	r.Must(ok, responseSpec, "verification is an object", element)
	framework := suite.Claims(verification).Text("trust_framework")
	r.Expect(
		framework != "" && r.Supports("trust_frameworks_supported", framework), responseSpec, "trust_framework is one of the metadata", framework,
	)
	claims, ok := element["claims"].(map[string]any)
	r.Must(ok && len(claims) > 0, responseSpec, "claims is an object that is not empty", element)
	for _, name := range must {
		r.Expect(claims[name] != nil, requestSpec, name+" is among the claims of "+place, claims)
	}
	for name, got := range claims {
		r.Expect(slices.Contains(asked, name), requestSpec, "nothing comes that was not asked for: "+name, claims)
		r.Expect(got != nil, responseSpec, name+" is left out rather than null", got)
		r.Expect(r.Supports("claims_in_verified_claims_supported", name), metadataSpec, "the metadata name "+name, claims)
	}
}

// discovery checks the metadata of §8.
func discovery(r *suite.Run) {
	m := r.Discover()
	r.Expect(m.True("verified_claims_supported"), metadataSpec, "verified_claims_supported is true", m["verified_claims_supported"])
	r.Expect(m.True("claims_parameter_supported"), metadataSpec, "claims_parameter_supported is true", m["claims_parameter_supported"])
	frameworks, ok := m.List("trust_frameworks_supported")
	r.Must(ok && len(frameworks) > 0, metadataSpec, "trust_frameworks_supported is a list that is not empty", m["trust_frameworks_supported"])
	verified(r)
	for kind, list := range map[string]string{"document": "documents_supported", "electronic_record": "electronic_records_supported"} {
		_, there := m[list]
		if m.Lists("evidence_supported", kind) {
			_, ok := m.List(list)
			r.Expect(ok, metadataSpec, fmt.Sprintf("%s is there, because evidence_supported lists %s", list, kind), m[list])
		} else if there {
			r.Should(false, metadataSpec, fmt.Sprintf("%s is left out where evidence_supported does not list %s", list, kind), m[list])
		}
	}
}
