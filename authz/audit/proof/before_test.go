package proof

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAReleaseOfBeforeProvesItsConsent: its file holds the event by which the consent was given, in
// the other log, and both are there.
func TestAReleaseOfBeforeProvesItsConsent(t *testing.T) {
	const folder = "../testdata/before"
	keys, err := os.ReadFile(filepath.Join(folder, "log.vkey"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"release-vi.proof", "release-en.proof"} {
		raw, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		f, err := Unmarshal(raw)
		if err != nil || f.Given == nil || f.LogKey == f.Given.LogKey {
			t.Fatalf("%s: the consent is %+v, %v", name, f.Given, err)
		}
		// The key of one log vouches for the other, which the same server signed.
		for _, trusted := range [][]string{strings.Fields(string(keys)), {f.LogKey}, {f.LogKey, f.Given.LogKey}} {
			r := Verify(raw, trusted)
			if !r.OK() || !r.Pinned || r.Ground != GroundProved || len(r.Events) != 2 || r.Events[1].Type != "consent.approved" {
				t.Errorf("%s with %d keys: %+v", name, len(trusted), r)
			}
		}
	}
}

// TestProofsOfBeforeVerify: proof files and exports that people took away from a program
// of before verify, under the key that was pinned then, and no longer with one byte
// changed.
func TestProofsOfBeforeVerify(t *testing.T) {
	const folder = "../testdata/before"
	raw, err := os.ReadFile(filepath.Join(folder, "log.vkey"))
	if err != nil {
		t.Fatal(err)
	}
	trusted := strings.Fields(string(raw))
	files, err := filepath.Glob(filepath.Join(folder, "*-*.*"))
	if err != nil || len(files) != 9 {
		t.Fatalf("got %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			good, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if r := Verify(good, trusted); !r.OK() {
				step, _ := r.Failed()
				t.Fatalf("not verified: %s", step.Reason("en"))
			}
			for at := 0; at < len(good); at += 97 {
				bad := bytes.Clone(good)
				bad[at] ^= 4
				if Verify(bad, trusted).OK() {
					t.Errorf("verified with byte %d changed", at)
				}
			}
		})
	}
}
