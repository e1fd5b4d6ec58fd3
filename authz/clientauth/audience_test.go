package clientauth

import (
	"encoding/json"
	"slices"
	"testing"

	"hopnhat/authz"
)

// TestAssertionAudience: whom an assertion may be for, by the table of profiles.
func TestAssertionAudience(t *testing.T) {
	const issuer = "https://id.example"
	const token, backchannel, par = issuer + "/token", issuer + "/bc-authorize", issuer + "/par"
	a := &Authenticator{Issuer: issuer, Endpoints: []string{token, backchannel, par}, CIBA: []string{token, backchannel}}
	for _, row := range []struct {
		name     string
		audience any
		takenBy  []authz.AssertionAudience
	}{
		{"FAPI 2.0 SP §5.3.2.1: the issuer", issuer, []authz.AssertionAudience{authz.IssuerAlone, authz.IssuerOrCIBA, authz.IssuerOrEndpoint}},
		{"CIBA Core §7.1: the token endpoint", token, []authz.AssertionAudience{authz.IssuerOrCIBA, authz.IssuerOrEndpoint}},
		{"CIBA Core §7.1: the backchannel authentication endpoint", backchannel, []authz.AssertionAudience{authz.IssuerOrCIBA, authz.IssuerOrEndpoint}},
		{"OpenID Connect Core §9: another endpoint", par, []authz.AssertionAudience{authz.IssuerOrEndpoint}},
		{"FAPI 2.0 SP §5.3.2.1: the issuer in a list", []string{issuer}, []authz.AssertionAudience{authz.IssuerOrCIBA, authz.IssuerOrEndpoint}},
		{"another provider", "https://other.example", nil},
		{"another provider's endpoint", "https://other.example/token", nil},
		{"the issuer with a slash", issuer + "/", nil},
		{"a number", 1, nil},
		{"none", nil, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			raw, err := json.Marshal(row.audience)
			if err != nil {
				t.Fatal(err)
			}
			for _, allowed := range []authz.AssertionAudience{authz.IssuerAlone, authz.IssuerOrCIBA, authz.IssuerOrEndpoint} {
				if got, want := a.audienceOK(raw, allowed), slices.Contains(row.takenBy, allowed); got != want {
					t.Errorf("where %q is allowed: taken %v, want %v", allowed, got, want)
				}
			}
		})
	}
}
