package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/verifier"
	"hopnhat/store/tlog"
)

// TestTheProgramOnARealProof builds the program and gives it a proof of a real
// log: green, and red after any one byte was changed.
func TestTheProgramOnARealProof(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "hopnhat-verify")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	vkey, file := realProof(t, filepath.Join(dir, "tlog"))
	path := filepath.Join(dir, "release.proof")
	run := func(raw []byte, args ...string) (int, string) {
		t.Helper()
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(program, append(args, path)...).CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode(), string(out)
		}
		if err != nil {
			t.Fatal(err)
		}
		return 0, string(out)
	}
	if code, said := run(file); code != verifier.ExitNotPinned ||
		!strings.Contains(said, "KEY NOT PINNED") || !strings.Contains(said, vkey) {
		t.Errorf("no key: exit %d\n%s", code, said)
	}
	if code, said := run(file, "--log-key", vkey, "--lang", "en"); code != verifier.ExitGreen || !strings.Contains(said, "GREEN") {
		t.Errorf("exit %d\n%s", code, said)
	}
	for i := 0; i < len(file); i += 101 {
		changed := bytes.Clone(file)
		changed[i] ^= 4
		if code, said := run(changed, "--log-key", vkey, "--lang", "en"); code != verifier.ExitRed || !strings.Contains(said, "FAILED") {
			t.Fatalf("byte %d changed: exit %d\n%s", i, code, said)
		}
	}
}

func realProof(t *testing.T, dir string) (vkey string, file []byte) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	log, err := tlog.Open(t.Context(), tlog.Options{
		Dir: dir, Origin: "hopnhat.example/release/dc1/2026q4", CheckpointInterval: 100 * time.Millisecond,
		Public: private.Public().(ed25519.PublicKey),
		Sign:   func(_ context.Context, message []byte) ([]byte, error) { return ed25519.Sign(private, message), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close(context.Background())
	e := audit.Event{
		ID: "0197a1b2-c3d4-7e5f-8a6b-000000000001", Type: audit.ConsentWithdrawn,
		Person: audit.Person{Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g"},
		When:   audit.When{Decided: time.Date(2026, 11, 23, 7, 48, 0, 0, time.UTC)},
	}
	salt := audit.NewSalt()
	leaf, err := audit.Leaf(e, salt)
	if err != nil {
		t.Fatal(err)
	}
	place, err := log.Append(t.Context(), audit.Entry{Leaf: leaf})
	if err != nil {
		t.Fatal(err)
	}
	inclusion, err := log.Proof(t.Context(), place.Index)
	if err != nil {
		t.Fatal(err)
	}
	canonical, err := e.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return log.VerifierKey(), proof.File{LogKey: log.VerifierKey(), Event: canonical, Salt: salt, Inclusion: inclusion}.Marshal()
}
