package proof

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
	if err != nil || len(files) != 6 {
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
