package scenario

import (
	"testing"

	"hopnhat/conformance/harness"
)

// TestVNeID is a citizen's sign-in by another provider in Chromium, the simulator of VNeID: on a
// telephone in Vietnamese, at a desk in English. She says no, is refused at a low level, is let in
// and linked by her number, is signed out there, unlinks, links again by hand, and signs out.
func TestVNeID(t *testing.T) {
	t.Parallel()
	demo := StartDemo(t, "--vneid")
	for _, row := range []struct {
		lang, width string
		citizen     Login
	}{
		{"vi", "phone", citizenA},
		{"en", "desktop", citizenB},
	} {
		t.Run(row.lang+" "+row.width, func(t *testing.T) {
			(&Demo{Process: demo.Process, State: demo.State, t: t}).node("vneid.mjs", map[string]string{
				"ISSUER": demo.Base, "LAND_APP": demo.Land, "SIMULATOR": demo.Simulator, "ARTIFACTS": harness.Artifacts(t),
				"UI_LANG": row.lang, "WIDTH": row.width, "NUMBER": row.citizen.Number,
			})
		})
	}
}
