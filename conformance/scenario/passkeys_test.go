package scenario

import (
	"testing"

	"hopnhat/conformance/harness"
)

// TestPasskeys: two people add passkeys in Chromium and sign in with them at an app, without a
// number and in the place of the code; one of another person and one that was removed are
// refused. Each page stands in both languages, for a telephone and a desktop.
func TestPasskeys(t *testing.T) {
	demo := StartDemo(t)
	app := patient(t, demo)
	demo.node("passkeys.mjs", map[string]string{
		"ISSUER": demo.Base, "APP": app, "CLIENT": "patient",
		"FIRST": demo.personJSON(citizenA), "SECOND": demo.personJSON(citizenB), "ARTIFACTS": harness.Artifacts(t),
	})
}
