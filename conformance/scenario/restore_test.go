package scenario_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/harness/pgtest"
)

// TestBackupAndRestore is the drill of docs/production.md, with its scripts and the
// roles of the database: a copy is made while apps read, the house is lost, and from
// the copy another one comes up that knows its people, keeps its tokens, goes on with
// its log, and whose proofs hold, those of before with them.
func TestBackupAndRestore(t *testing.T) {
	work := t.TempDir()
	script := func(name string, words ...string) {
		t.Helper()
		command := exec.Command("bash", append([]string{filepath.Join(harness.Root(t), "docs", "deploy", name)}, words...)...)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	provisioned := func() (owner, server string) {
		main, nation := pgtest.Names(t)
		pgtest.Script(
			t, harness.Run(
				t, nil, "migrate", "--print-roles", "--database", "postgres://localhost/"+main, "--registry",
				"postgres://localhost/"+nation,
			),
		)
		return pgtest.As(t, "hopnhat_migrate", main), pgtest.As(t, "hopnhat_server", main)
	}
	owner, server := provisioned()
	harness.Run(t, nil, "migrate", "--database", owner)
	port := harness.Port(t, 3)
	n := (&nation{base: fmt.Sprintf("http://localhost:%d", port), database: server}).begin(t, port, onPostgres)
	app, who, b := n.app, n.someone(t), browser(t)
	tokens := app.tokens(t, b, who, civilDetail)
	read := func() {
		t.Helper()
		if a := app.release(t, tokens.text("access_token"), civilRead); a.status != http.StatusOK {
			t.Fatalf("a release: %d %s", a.status, a.raw)
		}
	}
	release := regexp.MustCompile(`/portal/releases/[0-9a-f-]{36}`)
	// proof takes the newest release's proof from the portal.
	proof := func(name string) string {
		t.Helper()
		path := filepath.Join(work, name)
		page := release.FindString(fetch(t, b, n.base+"/portal"))
		if page == "" {
			t.Fatal("the portal shows no release")
		}
		if err := os.WriteFile(path, []byte(proofAt(t, b, n.base+page+"/proof")), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	verify := func(key string, files ...string) {
		t.Helper()
		for _, file := range files {
			if out, status := harness.Try(t, nil, "audit", "verify", "--lang", "en", "--log-key", key, file); status != 0 ||
				!strings.Contains(out, "GREEN") {
				t.Errorf("%s: status %d\n%s", file, status, out)
			}
		}
	}
	read()
	before := proof("before.proof")

	// The copy is made while an app goes on reading.
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				app.release(t, tokens.text("access_token"), civilRead)
			}
		}
	}()
	saved := filepath.Join(work, "copy")
	script("backup.sh", owner, n.state, filepath.Join(n.state, "keys"), saved)
	close(stop)
	<-stopped
	nation := filepath.Join(work, "registry.db") // has a backup of its own
	n.process.Kill()
	if err := os.Rename(filepath.Join(n.state, "registry.db"), nation); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(n.state); err != nil {
		t.Fatal(err)
	}

	owner, server = provisioned()
	state, keys := n.state, filepath.Join(work, "keys") // the same site, at the same place
	script("restore.sh", saved, owner, state, keys)
	harness.Run(t, nil, "migrate", "--database", owner)
	flags := []string{"--state", state, "--keys", keys, "--database", server, "--registry", nation, "--log-origin", "demo.hopnhat.invalid/release/dc1", "--argon2-kib", "64"}
	// The log was copied after the database: what came in between has no row, and stops
	// releases until somebody decides.
	origin := []string{"--log-origin", "demo.hopnhat.invalid/release/dc1"}
	tools := append([]string{"--state", state, "--keys", keys, "--database", server}, origin...)
	harness.Run(t, nil, append([]string{"log", "accept-loss", "--reason", "a drill: the copy is the newest there is"}, tools...)...)
	harness.Start(t, harness.Program{Base: n.base, Args: append([]string{"serve", "--issuer", n.base, "--listen", n.direct}, flags...)})

	again := app.refresh(t, tokens.text("refresh_token"))
	if again.status != http.StatusOK {
		t.Fatalf("the refresh token was lost: %d %s", again.status, again.raw)
	}
	tokens = again
	read() // under the consent of before, into the log of before
	verify(filepath.Join(state, "log.vkey"), before, proof("after.proof"))

	// What was changed since is found before anything is put in its place.
	dump := filepath.Join(saved, "database.dump")
	raw, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(dump, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(work, "empty")
	out, err := exec.Command("bash", filepath.Join(harness.Root(t), "docs", "deploy", "restore.sh"), saved, owner, empty, empty+
		"-keys").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the copy was changed") {
		t.Errorf("a changed copy: %v %s", err, out)
	}
}
