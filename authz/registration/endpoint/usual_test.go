package endpoint

import (
	"testing"

	"hopnhat/authz"
)

// TestUsualAlgorithm: OpenID Connect Dynamic Registration §2 for the profile of that
// standard, and never RS256 for FAPI 2.0 (§5.4.1).
func TestUsualAlgorithm(t *testing.T) {
	for profile, want := range map[authz.ProfileName]string{authz.OIDC: "RS256", authz.FAPI2: "ES256", authz.FAPI2Signing: "ES256", "": "ES256"} {
		if got := usualAlgorithm(profile); got != want {
			t.Errorf("%q: got %s, want %s", profile, got, want)
		}
	}
}
