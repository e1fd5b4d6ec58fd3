package authz_test

import (
	"slices"
	"testing"
	"time"

	"hopnhat/authz"
)

// TestFAPIRows: what FAPI 2.0 Security Profile Final fixes for a server, in the
// table that everything derives from.
func TestFAPIRows(t *testing.T) {
	subset := func(some, all []string) bool {
		return !slices.ContainsFunc(some, func(one string) bool { return !slices.Contains(all, one) })
	}
	for _, name := range []authz.ProfileName{authz.FAPI2, authz.FAPI2Signing} {
		p := authz.Profiles[name]
		methods := make([]string, len(p.AuthMethods))
		for i, m := range p.AuthMethods {
			methods[i] = string(m)
		}
		constraints := slices.Clone(p.Constraints)
		slices.Sort(constraints)
		for clause, holds := range map[string]bool{
			"§5.3.2.1: only confidential clients, by key or certificate":  subset(methods, []string{"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"}),
			"§5.3.2.1: only sender-constrained tokens, by DPoP or mTLS":   p.RequireConstraint && slices.Equal(constraints, []authz.Constraint{authz.DPoP, authz.MutualTLS}),
			"§5.3.2.1: an assertion's audience is the issuer as a string": p.AssertionIssuerOnly,
			"§5.3.2.1: no rotation of refresh tokens":                     !p.RotateRefresh,
			"§5.3.2.1: codes of at most 60 s":                             p.CodeLife > 0 && p.CodeLife <= time.Minute,
			"§5.3.2.1: no password grant":                                 !slices.Contains(p.GrantTypes, "password") && !slices.Contains(p.GrantTypes, "implicit"),
			"§5.3.2.2: response_type code":                                slices.Equal(p.ResponseTypes, []string{"code"}),
			"§5.3.2.2: only pushed requests":                              p.RequirePAR,
			"§5.4.1: PS256, ES256 and EdDSA":                              subset(p.ClientAlgorithms, []string{"PS256", "ES256", "EdDSA"}) && subset(p.TokenAlgorithms, []string{"PS256", "ES256", "EdDSA"}),
		} {
			if !holds {
				t.Errorf("profile %s: %s", name, clause)
			}
		}
	}
}
