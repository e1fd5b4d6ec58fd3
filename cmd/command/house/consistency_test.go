package house

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/verifier"
	"hopnhat/cmd/command/tool"
	"hopnhat/store/tlog"
)

const shard = "hopnhat.example/release/dc1/2026q4"

// realLog is a log with some entries, closed; it gives its key.
func realLog(t *testing.T, dir string, entries ...string) string {
	t.Helper()
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	log, err := tlog.Open(t.Context(), tlog.Options{
		Dir: dir, Origin: shard, CheckpointInterval: 100 * time.Millisecond, Public: private.Public().(ed25519.PublicKey),
		Sign: func(_ context.Context, message []byte) ([]byte, error) { return ed25519.Sign(private, message), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if _, err := log.Append(t.Context(), audit.Entry{Leaf: []byte(entry)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return log.VerifierKey()
}

// TestWhereACheckpointIsKept: those of the two logs of a site do not take each other's place.
func TestWhereACheckpointIsKept(t *testing.T) {
	for shard, want := range map[string]string{
		"https://id.example.vn/log/shards/2026q4":          "2026q4.checkpoint",
		"https://id.example.vn/log/consent/shards/2026q4/": "consent-2026q4.checkpoint",
		"/mnt/copy/tlog/2026q4":                            "2026q4.checkpoint",
		"/mnt/copy/tlog/consent/2026q4-2":                  "consent-2026q4-2.checkpoint",
	} {
		if got := keptAs(shard); got != want {
			t.Errorf("%s is kept in %s, want %s", shard, got, want)
		}
	}
}

// TestConsistency: a log that goes on, one that was set back, and one with another history,
// from its folder and from a server.
// TestConsistency: RFC 6962 §2.1.2, a log goes on from the checkpoint that was kept, or does not.
func TestConsistency(t *testing.T) {
	dir := t.TempDir()
	live, fork, kept := filepath.Join(dir, "2026q4"), filepath.Join(dir, "fork"), filepath.Join(dir, "kept")
	key := realLog(t, live, "a", "b", "c")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hnl.good" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.FileServer(http.Dir(live)).ServeHTTP(w, r)
	}))
	defer server.Close()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("hnl.good\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := consistency(&tool.Env{Out: &out, Err: &out})
		cmd.SetArgs(append(args, "--kept", kept))
		cmd.SetContext(t.Context())
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.Execute()
		return out.String(), err
	}
	if said, err := run("--log-key", key, live); err != nil || !strings.Contains(said, "nothing to compare") {
		t.Fatalf("the first time: %q, %v", said, err)
	}
	realLog(t, live, "d", "e")
	realLog(t, fork, "x", "y", "z", "d", "e", "f", "g", "h")
	for _, row := range []struct {
		name string
		args []string
		says string // empty: it is refused
	}{
		{"without a token", []string{"--log-key", key, server.URL}, ""},
		{"at a server", []string{"--log-key", key, "--token-file", token, server.URL}, "5 entries go on from 3"},
		{"the same tree", []string{"--log-key", key, live}, "5 entries go on from 5"},
		{"another history", []string{"--log-key", key, fork}, ""},
		{"no shard", []string{"--log-key", key, dir}, ""},
		{"after what was refused it compares with the same", []string{"--log-key", key, live}, "5 entries go on from 5"},
	} {
		said, err := run(row.args...)
		if (err == nil) != (row.says != "") || !strings.Contains(said, row.says) {
			t.Errorf("%s: %q, %v", row.name, said, err)
		}
	}
	var code tool.ExitCode
	if _, err := run(live); !errors.As(err, &code) || code != verifier.ExitNotPinned {
		t.Errorf("without a key: %v", err)
	}
	older := filepath.Join(dir, "older")
	realLog(t, older, "a", "b")
	if said, err := run("--log-key", key, older); err == nil {
		t.Errorf("a log that was set back: %q", said)
	}
}
