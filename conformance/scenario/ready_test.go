package scenario_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/harness/pgtest"
)

// readiness is what /readyz says of a role, and which parts it names as down.
func readiness(t *testing.T, base, role string) (status int, down map[string]string) {
	t.Helper()
	answer, err := http.Get(base + "/readyz" + role)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	parts := map[string]string{}
	if err := json.NewDecoder(answer.Body).Decode(&parts); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(parts, func(_, said string) bool { return said == "ok" })
	return answer.StatusCode, parts
}

// becomes waits until the node says that these parts are down and no others, and
// checks that exactly these roles are out.
func becomes(t *testing.T, base string, down map[string]string, out ...string) {
	t.Helper()
	again, over := time.NewTicker(100*time.Millisecond), time.NewTimer(time.Minute)
	defer again.Stop()
	defer over.Stop()
	for {
		_, said := readiness(t, base, "")
		if maps.Equal(said, down) {
			break
		}
		select {
		case <-again.C:
		case <-over.C:
			t.Fatalf("/readyz says %v is down, want %v", said, down)
		}
	}
	for _, role := range []string{"provider", "broker", "portal"} {
		want := http.StatusOK
		for _, one := range out {
			if one == role {
				want = http.StatusServiceUnavailable
			}
		}
		if status, said := readiness(t, base, "/"+role); status != want {
			t.Errorf("/readyz/%s is %d with %v down, want %d", role, status, said, want)
		}
	}
	want := http.StatusOK
	if len(out) > 0 {
		want = http.StatusServiceUnavailable
	}
	if status, _ := readiness(t, base, ""); status != want {
		t.Errorf("/readyz is %d, want %d", status, want)
	}
}

// loud returns the lines of a log at these levels, but for parts that did not answer in
// time: a machine that is busy with other tests is no fault of the server.
func loud(log string, levels ...string) []string {
	var lines []string
	for line := range strings.Lines(log) {
		late := strings.Contains(line, `"msg":"a part does not work"`) && strings.Contains(line, `"error":"no answer within `)
		if !late && slices.ContainsFunc(levels, func(level string) bool { return strings.Contains(line, `"level":"`+level+`"`) }) {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestReadinessOfReleases: a release log that cannot be written takes the broker out and
// nothing else; people go on signing in.
func TestReadinessOfReleases(t *testing.T) {
	n := begin(t, onSQLite)
	p, who := n.app, n.someone(t)
	token := p.tokens(t, browser(t), who, taxDetail).text("access_token")
	if a := p.release(t, token, taxRead); a.status != http.StatusOK {
		t.Fatal(a.raw)
	}
	becomes(t, n.base, map[string]string{})
	for _, found := range loud(n.logs(t), "WARN", "ERROR") {
		t.Errorf("nobody has to act, and it warns: %s", found)
	}
	counted(t, n, `hopnhat_releases_total\{outcome="released"\} 1`, `hopnhat_http_requests_total\{class="2xx",route="/token"\} [1-9]`,
		`hopnhat_refusals_total\{error="use_dpop_nonce"\} [1-9]`, `hopnhat_part_up\{part="log"\} 1`, `hopnhat_logout_tokens_total\{outcome="delivered"\} 0`,
		`hopnhat_http_answer_seconds_bucket\{group="release",le="\+Inf"\} 1`, `hopnhat_http_answer_seconds_count\{group="sign_in"\} [2-9]`)
	t.Run("the newest bundle is gone", func(t *testing.T) {
		newest := newestBundle(t, filepath.Join(n.state, "tlog"))
		aside := filepath.Join(t.TempDir(), "bundle")
		if err := os.Rename(newest, aside); err != nil {
			t.Fatal(err)
		}
		becomes(t, n.base, map[string]string{"log": "unavailable: damaged"}, "broker")
		p.tokens(t, browser(t), n.someone(t), taxDetail)
		if err := os.Rename(aside, newest); err != nil {
			t.Fatal(err)
		}
	})
	becomes(t, n.base, map[string]string{})
	if a := p.release(t, token, taxRead); a.status != http.StatusOK {
		t.Errorf("mended, and a release is answered %d %s", a.status, a.raw)
	}
}

// counted checks that /metrics has lines of a form.
func counted(t *testing.T, n *nation, lines ...string) {
	t.Helper()
	text := fetch(t, http.DefaultClient, n.base+"/metrics")
	for _, line := range lines {
		if !regexp.MustCompile("(?m)^" + line).MatchString(text) {
			t.Errorf("/metrics has no line %s", line)
		}
	}
}

// newestBundle is the entry bundle of the release log that was written last.
func newestBundle(t *testing.T, folder string) (newest string) {
	t.Helper()
	var when time.Time
	if err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "tile/entries") || strings.Contains(path, "/tlog/consent/") {
			return err
		}
		info, err := d.Info()
		if err == nil && !info.ModTime().Before(when) {
			newest, when = path, info.ModTime()
		}
		return err
	}); err != nil || newest == "" {
		t.Fatalf("no bundle: %v", err)
	}
	return newest
}

// TestReadinessOfCommits: where nothing can be committed, a primary that waits for a
// standby that is not there, every role is out within seconds, and back when it can.
func TestReadinessOfCommits(t *testing.T) {
	cluster := ownCluster(t)
	t.Setenv(pgtest.Env, cluster)
	n := begin(t, onPostgres)
	becomes(t, n.base, map[string]string{})
	pgtest.Script(t, "ALTER SYSTEM SET synchronous_standby_names = 'nobody';\nSELECT pg_reload_conf();")
	becomes(t, n.base, map[string]string{"database": "unavailable"}, "provider", "broker", "portal")
	pgtest.Script(t, "SET synchronous_commit = local;\nALTER SYSTEM RESET synchronous_standby_names;\nSELECT pg_reload_conf();")
	becomes(t, n.base, map[string]string{})
	t.Run("a forged row of evidence", func(t *testing.T) {
		database, err := url.Parse(n.tool[slices.Index(n.tool, "--database")+1])
		if err != nil {
			t.Fatal(err)
		}
		pgtest.Script(t, "\\connect "+strings.Trim(database.Path, "/")+"\nINSERT INTO events (id, at, type, client_id, pseudonym, purpose, registry, permit, consent, canonical, salt) VALUES ('0', now(), '', '', '', '', '', true, '', 'forged', '');")
		n.process.Stop()
		n.start(t)
		becomes(t, n.base, map[string]string{})
		if a := n.app.release(
			t, n.app.tokens(t, browser(t), n.someone(t), taxDetail).text("access_token"), taxRead,
		); a.status != http.StatusOK {
			t.Errorf("a release is answered %d %s", a.status, a.raw)
		}
	})
}

// ownCluster starts a PostgreSQL cluster for a test that changes its configuration.
func ownCluster(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("ready-%d", os.Getpid())
	script := filepath.Join(harness.Root(t), "conformance", "harness", "postgres.sh")
	output, err := exec.CommandContext(t.Context(), "bash", script, "start", name).Output()
	t.Cleanup(func() { _ = exec.Command("bash", script, "stop", name).Run() })
	if err != nil {
		t.Fatalf("starting a cluster: %v", err)
	}
	return strings.TrimSpace(string(output))
}

// TestReadinessOfTheDisk: a disk that fills up takes the broker out before it is full;
// when it is, nothing is released, and it goes on when there is room again.
func TestReadinessOfTheDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=160m"); errors.Is(err, syscall.EPERM) && os.Getenv(asRoot) == "" {
		rootOfItsOwn(t)
		return
	} else if err != nil {
		t.Fatalf("mounting a small disk, as root or in a user namespace: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	port := harness.Port(t, 3)
	n := (&nation{base: fmt.Sprintf("http://localhost:%d", port), state: filepath.Join(disk, "state")}).begin(t, port, onPostgres)
	p := n.app
	token := p.tokens(t, browser(t), n.someone(t), taxDetail).text("access_token")
	becomes(t, n.base, map[string]string{})
	filler := filepath.Join(disk, "filler")
	fill := func(size int64) error {
		f, err := os.OpenFile(filler, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.CopyN(f, zeros{}, size)
		return err
	}
	if err := fill(110 << 20); err != nil {
		t.Fatal(err)
	}
	becomes(t, n.base, map[string]string{"disk": "unavailable"}, "broker")
	if a := p.release(t, token, taxRead); a.status != http.StatusOK {
		t.Errorf("there is room, and a release is answered %d %s", a.status, a.raw)
	}
	if err := fill(200 << 20); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	if a := p.release(t, token, taxRead); a.status != http.StatusServiceUnavailable {
		t.Errorf("the disk is full, and a release is answered %d %s", a.status, a.raw)
	}
	becomes(t, n.base, map[string]string{"disk": "unavailable", "log": "unavailable: append"}, "broker")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	// The leaf that was refused is asked for again, without a release that fails first.
	becomes(t, n.base, map[string]string{})
	if a := p.release(t, token, taxRead); a.status != http.StatusOK {
		t.Errorf("there is room again, and a release is answered %d %s", a.status, a.raw)
	}
}

// asRoot is set in the environment of a test that was started by rootOfItsOwn.
const asRoot = "HOPNHAT_TEST_AS_ROOT"

// rootOfItsOwn runs the test once more where it may mount: whoever is not root of the
// machine is root of a user namespace (user_namespaces(7)).
func rootOfItsOwn(t *testing.T) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, "-test.run", "^"+t.Name()+"$", "-test.v", "-test.count", "1")
	command.Env = append(os.Environ(), asRoot+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	output, err := command.CombinedOutput()
	switch {
	case command.Process == nil:
		t.Fatalf("%s mounts a small disk, and this user may not: run it as root, or where users may make namespaces (sysctl user.max_user_namespaces and kernel.unprivileged_userns_clone, and the rules of the container): %v", t.Name(), err)
	case err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()+" "):
		t.Fatalf("%v\n%s", err, output)
	}
}

// zeros is as many as are asked for.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestANodeWhoseSiteWasTakenStops: it hung for longer than its lease, and another one
// writes the log of the site now.
func TestANodeWhoseSiteWasTakenStops(t *testing.T) {
	n := begin(t, onPostgres)
	pgtest.Exec(t, n.tool[slices.Index(n.tool, "--database")+1], "UPDATE sites SET node = 'other:/state#a#b'")
	if err := n.process.Ends(); err == nil || !strings.Contains(n.process.Output(), "another node has taken the site dc1") {
		t.Errorf("it ended with %v: %s", err, n.process.Output())
	}
	again := append([]string{"serve", "--issuer", n.base, "--listen", fmt.Sprintf("127.0.0.1:%d", harness.Port(t, 1))}, n.tool...)
	if output, status := harness.Try(t, nil, again...); status == 0 || !strings.Contains(output, "dc1 is served by other:/state,") {
		t.Errorf("the other node lost the site to it: status %d: %s", status, output)
	}
}

// TestTwoNodesOfOneSite: the second is told what is wrong, and touches nothing.
func TestTwoNodesOfOneSite(t *testing.T) {
	n := begin(t, onPostgres)
	output, status := harness.Try(t, nil, append([]string{
		"serve", "--issuer", n.base, "--listen", fmt.Sprintf("127.0.0.1:%d", harness.Port(t, 1)), "--keys", filepath.Join(n.state, "keys"),
	}, append(n.tool, "--state", filepath.Join(t.TempDir(), "state"))...)...)
	if status == 0 || !strings.Contains(output, "dc1 is served by") || !strings.Contains(output, "set `site`") {
		t.Errorf("status %d: %s", status, output)
	}
	becomes(t, n.base, map[string]string{})
}
