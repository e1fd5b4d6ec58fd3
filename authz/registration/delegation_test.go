package registration

import (
	"errors"
	"testing"

	"hopnhat/authz"
)

// TestDelegationRules: who an app may act for is registered whole or not at all.
func TestDelegationRules(t *testing.T) {
	const grants = `"grant_types":["authorization_code","urn:ietf:params:oauth:grant-type:token-exchange","urn:ietf:params:oauth:grant-type:jwt-bearer"]`
	rule := func(members string) string { return `{` + grants + `,"token_exchange":[{` + members + `}]}` }
	trust := func(members string) string { return `{` + grants + `,"trusted_issuers":[{` + members + `}]}` }
	for _, row := range []struct {
		name, changes, member string // member at fault; empty: accepted
	}{
		{"a resource", `{"resources":["https://land.example/api"]}`, ""},
		{"RFC 8707 §2: a resource with a fragment", `{"resources":["https://land.example/api#x"]}`, "resources"},
		{"a rule", rule(`"clients":["app"],"subject_audience":["https://land.example"],"audience":["https://tax.example"],"scope":["land.read"]`), ""},
		{"a rule for ID tokens", rule(`"clients":["app"],"subject_token_types":["urn:ietf:params:oauth:token-type:id_token"],"audience":["https://tax.example"]`), ""},
		{"a rule for any app", rule(`"subject_audience":["https://land.example"],"audience":["https://tax.example"]`), "token_exchange"},
		{"a rule to anywhere", rule(`"clients":["app"],"subject_audience":["https://land.example"]`), "token_exchange"},
		{"a rule from any audience", rule(`"clients":["app"],"audience":["https://tax.example"]`), "token_exchange"},
		{"RFC 8693 §3: a rule for refresh tokens", rule(`"clients":["app"],"subject_audience":["https://land.example"],"audience":["https://tax.example"],"subject_token_types":["urn:ietf:params:oauth:token-type:refresh_token"]`), "token_exchange"},
		{"a rule without the grant", `{"token_exchange":[{"clients":["app"],"subject_audience":["https://land.example"],"audience":["https://tax.example"]}]}`, "token_exchange"},
		{"an issuer", trust(`"issuer":"https://ci.example","jwks":` + ecKeys + `,"subjects":["nightly"],"audience":["https://tax.example"]`), ""},
		{"an issuer without keys", trust(`"issuer":"https://ci.example","jwks":{"keys":[]},"subjects":["nightly"],"audience":["https://tax.example"]`), "trusted_issuers"},
		{"an issuer that may name anybody", trust(`"issuer":"https://ci.example","jwks":` + ecKeys + `,"audience":["https://tax.example"]`), "trusted_issuers"},
		{"an issuer that names a person", trust(`"issuer":"https://ci.example","jwks":` + ecKeys + `,"subjects":["099304000017"],"audience":["https://tax.example"]`), "trusted_issuers"},
		{"an issuer without the grant", `{"trusted_issuers":[{"issuer":"https://ci.example","jwks":` + ecKeys + `,"subjects":["nightly"],"audience":["https://tax.example"]}]}`, "trusted_issuers"},
		{"recipients", `{"declarations":[{"purpose":"p","registry":"r","attributes":["r.a"],"recipients":["other"],"max_auth_age":300}]}`, ""},
		{"itself as recipient", `{"declarations":[{"purpose":"p","registry":"r","attributes":["r.a"],"recipients":["so-dat"]}]}`, "declarations"},
		{"more recipients than a person reads", `{"declarations":[{"purpose":"p","registry":"r","attributes":["r.a"],"recipients":["1","2","3","4","5","6","7","8","9"]}]}`, "declarations"},
		{"an age below zero", `{"declarations":[{"purpose":"p","registry":"r","attributes":["r.a"],"max_auth_age":-1}]}`, "declarations"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, err := Parse(with(t, app, row.changes))
			if err == nil {
				_, err = m.Client(rules)
			}
			var got authz.Error
			if told := (*authz.Error)(nil); errors.As(err, &told) {
				got = *told
			}
			if got.Parameter != row.member || (err == nil) != (row.member == "") {
				t.Fatalf("got %v, want it at %q", err, row.member)
			}
		})
	}
}

// TestNoAppGivesItselfRights: what says who it may act for is an operator's word.
func TestNoAppGivesItselfRights(t *testing.T) {
	for _, policy := range []Policy{{Open: true}, {Profile: authz.FAPI2, Owner: authz.LocalizedText{VI: "Sở"}}} {
		for _, changes := range []string{
			`{"resources":["https://land.example/api"]}`, `{"may_act":"other"}`, `{"token_exchange":[{"clients":["app"]}]}`, `{"trusted_issuers":[{"issuer":"https://ci.example"}]}`,
		} {
			m, err := Parse(with(t, app, changes))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := policy.Fill(m); err == nil {
				t.Errorf("%s was let", changes)
			}
		}
	}
	let := authz.Declaration{Purpose: "p", Registry: "r", Basis: "b", Attributes: []authz.AttributeID{"r.a"}, Recipients: []authz.ClientID{"one"}, MaxAuthAge: 60}
	wider, older := let, let
	wider.Recipients, older.MaxAuthAge = []authz.ClientID{"one", "two"}, 0
	if !within(let, let) || within(wider, let) || within(older, let) {
		t.Error("a declaration grew by recipients, or lost its age")
	}
}
