package pgtest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	program "os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Pooled starts a PgBouncer in transaction mode, as Debian ships it and with nothing
// set to please us, and returns the URL of a database as reached through it. It is
// ended with the test.
func Pooled(t testing.TB, database string) string {
	t.Helper()
	address, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "hopnhat-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	password, _ := address.User.Password()
	users := filepath.Join(folder, "users")
	ini := filepath.Join(folder, "pgbouncer.ini")
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(users, quote(address.User.Username())+" "+quote(password)+"\n")
	// A pool of two, so that a client meets another's connection at once.
	write(ini, fmt.Sprintf("[databases]\n* = host=%s port=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = %s\npool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 200\n",
		address.Hostname(), address.Port(), port, users))
	command := program.Command("pgbouncer", ini)
	if path, err := program.LookPath("pgbouncer"); err != nil {
		command.Path, command.Err = "/usr/sbin/pgbouncer", nil
	} else {
		command.Path = path
	}
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 { // which it refuses to run as
		owner, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(owner.Uid)
		gid, _ := strconv.Atoi(owner.Gid)
		for _, path := range []string{folder, users, ini} {
			if err := os.Chown(path, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
		command.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	command.Dir = folder
	output, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout, command.Stderr = output, output
	if err := command.Start(); err != nil {
		t.Fatalf("starting PgBouncer: %v; is it installed (conformance/harness/install.sh)?", err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if text, _ := os.ReadFile(output.Name()); t.Failed() {
			t.Logf("PgBouncer said:\n%s", text)
		}
		output.Close()
	})
	address.Host = fmt.Sprintf("127.0.0.1:%d", port)
	again, over := time.NewTicker(20*time.Millisecond), time.NewTimer(30*time.Second)
	defer again.Stop()
	defer over.Stop()
	for {
		conn, err := net.Dial("tcp", address.Host)
		if err == nil {
			conn.Close()
			return address.String()
		}
		select {
		case <-again.C:
		case <-over.C:
			t.Fatalf("PgBouncer does not answer: %v", err)
		}
	}
}
