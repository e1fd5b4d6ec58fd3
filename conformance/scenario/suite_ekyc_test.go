package scenario_test

import "testing"

// TestConformanceEKYC runs the plan of OpenID Connect for Identity Assurance with
// clients that the suite registers itself.
func TestConformanceEKYC(t *testing.T) {
	n := beginSecureWith(t, 24, "--registration-burst", "100000")
	c := suiteConfig(t, n)
	initialTokens(t, n, &c)
	c.Extra = map[string]any{
		"verified_claim_name": "name",
		"verified_claims_request": map[string]any{
			"verification": map[string]any{"trust_framework": map[string]any{"value": "vn_eid"}, "time": nil, "evidence": []any{map[string]any{"type": map[string]any{"value": "electronic_record"}}}},
			"claims":       map[string]any{"name": nil, "birthdate": nil},
		},
	}
	runSuite(t, c, map[string]string{}, "ekyc")
}
