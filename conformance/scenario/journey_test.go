package scenario

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/conformance/harness"
)

// TestJourney is the citizen's and the auditor's day in Chromium, on a telephone
// in Vietnamese and at a desk in English. The proofs that they take away are
// verified offline, and no longer when a byte was changed.
func TestJourney(t *testing.T) {
	t.Parallel()
	demo := StartDemo(t)
	for _, row := range []struct {
		lang, width string
		citizen     Login
	}{
		{"vi", "phone", citizenA},
		{"en", "desktop", citizenB},
	} {
		t.Run(row.lang+" "+row.width, func(t *testing.T) {
			folder := harness.Artifacts(t)
			(&Demo{Process: demo.Process, State: demo.State, t: t}).node("journey.mjs", map[string]string{
				"ISSUER": demo.Base, "LAND_APP": demo.Land, "TAX_APP": demo.Tax, "ARTIFACTS": folder,
				"UI_LANG": row.lang, "WIDTH": row.width,
				"CITIZEN": demo.personJSON(row.citizen), "AUDITOR": demo.personJSON(auditor),
			})
			for _, name := range []string{"citizen-" + row.lang + ".proof", "auditor-" + row.lang + ".proof", "auditor-" + row.lang + ".export"} {
				t.Run(name, func(t *testing.T) { checkProof(t, filepath.Join(demo.State, "log.vkey"), filepath.Join(folder, name)) })
			}
		})
	}
}

// checkProof verifies a proof file as it is, and then with one byte changed, at
// places all over the file.
func checkProof(t *testing.T, key, file string) {
	output, status := harness.Try(t, nil, "audit", "verify", "--log-key", key, file)
	if status != 0 {
		t.Fatalf("exit status %d\n%s", status, output)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	forged := filepath.Join(t.TempDir(), "forged.proof")
	for i := range 16 {
		at := i * (len(good) - 1) / 15
		bad := bytes.Clone(good)
		bad[at] ^= 0x01
		if err := os.WriteFile(forged, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		output, status := harness.Try(t, nil, "audit", "verify", "--log-key", key, forged)
		if status == 0 {
			t.Errorf("byte %d of %d changed from %q to %q: still verified", at, len(good), good[at], bad[at])
		}
		if strings.TrimSpace(output) == "" {
			t.Errorf("byte %d changed: refused without a word", at)
		}
	}
}
