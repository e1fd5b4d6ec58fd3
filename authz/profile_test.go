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
			"§5.3.2.1: an assertion's audience is the issuer as a string": p.AssertionAudience == authz.IssuerAlone,
			"§5.3.2.1: no rotation of refresh tokens":                     !p.RotateRefresh,
			"§5.3.2.1: codes of at most 60 s":                             p.CodeLife > 0 && p.CodeLife <= time.Minute,
			"§5.3.2.1: no password grant":                                 !slices.Contains(p.GrantTypes, "password") && !slices.Contains(p.GrantTypes, "implicit"),
			"§5.3.2.2: response_type code":                                slices.Equal(p.ResponseTypes, []string{"code"}),
			"Message Signing §5.3.1: request objects that end":            p.LimitedRequestObjects,
			"CIBA has a row of its own":                                   !slices.Contains(p.GrantTypes, authz.GrantCIBA),
			"§5.3.2.2: only pushed requests":                              p.RequirePAR,
			"§5.4.1: PS256, ES256 and EdDSA":                              subset(p.ClientAlgorithms, []string{"PS256", "ES256", "EdDSA"}) && subset(p.TokenAlgorithms, []string{"PS256", "ES256", "EdDSA"}),
		} {
			if !holds {
				t.Errorf("profile %s: %s", name, clause)
			}
		}
	}
}

// TestCIBARow: what FAPI-CIBA §5.2.2 fixes for a server, with FAPI 1.0 Advanced
// §5.2.2 and §8.6 which it builds on.
func TestCIBARow(t *testing.T) {
	p := authz.Profiles[authz.FAPICIBA]
	for clause, holds := range map[string]bool{
		"only confidential clients, by key or certificate": !slices.ContainsFunc(p.AuthMethods, func(m authz.AuthMethod) bool {
			return m != authz.PrivateKeyJWT && m != authz.TLSClientAuth && m != authz.SelfSignedTLSClientAuth
		}),
		"signed requests that end":                   p.RequireRequestObject && p.LimitedRequestObjects && !p.UnsignedRequestObjects,
		"bound tokens":                               p.RequireConstraint && len(p.Constraints) > 0,
		"CIBA Core §7.1: the three audiences":        p.AssertionAudience == authz.IssuerOrCIBA,
		"and so nothing that begins with a redirect": len(p.ResponseTypes) == 0 && !slices.Contains(p.GrantTypes, "authorization_code"),
		"FAPI-CIBA §7.6: PS256 and ES256":            slices.Equal(p.ClientAlgorithms, []string{"ES256", "PS256"}) && slices.Equal(p.TokenAlgorithms, p.ClientAlgorithms),
	} {
		if !holds {
			t.Error(clause)
		}
	}
}

// TestProfileNames: every row is in the list that discovery and the docs are made of.
func TestProfileNames(t *testing.T) {
	if len(authz.ProfileNames) != len(authz.Profiles) {
		t.Fatalf("%d names for %d rows", len(authz.ProfileNames), len(authz.Profiles))
	}
	for _, name := range authz.ProfileNames {
		if authz.Profiles[name].Name != name {
			t.Errorf("row %s is called %q", name, authz.Profiles[name].Name)
		}
	}
}
