// Package pgtest gives a test a fresh, empty PostgreSQL database of its own and
// drops it when the test ends. The cluster is started by the project's own
// scripts (`make test`), which set HOPNHAT_TEST_POSTGRES; without it a test
// fails, because a missing part is an error and not a skip.
package pgtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	program "os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Env names the variable that holds the URL of the test cluster, with the
// right to create databases.
const Env = "HOPNHAT_TEST_POSTGRES"

// Database creates an empty database and returns its URL. It is dropped, with
// every connection still open to it, when the test and its subtests end.
func Database(t testing.TB) string {
	t.Helper()
	base := os.Getenv(Env)
	if base == "" {
		t.Fatalf("%s is not set: run the tests with `make test`, which starts a PostgreSQL cluster for them", Env)
	}
	address, err := url.Parse(base)
	if err != nil {
		t.Fatalf("reading %s: %v", Env, err)
	}
	name := "hn_" + randomName()
	Exec(t, base, fmt.Sprintf("CREATE DATABASE %s", name))
	t.Cleanup(func() { Exec(t, base, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)) })
	address.Path = "/" + name
	return address.String()
}

// Exec runs one statement on a database.
func Exec(t testing.TB, dsn, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("connecting to the test cluster: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func randomName() string {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err)
	}
	return hex.EncodeToString(b[:])
}

// Script runs a script in psql as the cluster's superuser, as an operator does.
func Script(t testing.TB, script string) {
	t.Helper()
	path, err := program.LookPath("psql")
	if err != nil {
		t.Fatalf("no psql: %v", err)
	}
	command := program.CommandContext(t.Context(), path, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", os.Getenv(Env))
	command.Stdin = strings.NewReader(script)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s", err, output)
	}
}

// Names are those of a main database and one of the registers that nobody has made
// yet; both are dropped, if they are there, when the test ends.
func Names(t testing.TB) (database, registry string) {
	t.Helper()
	name := "hn_" + randomName()
	t.Cleanup(func() {
		for _, one := range []string{name, name + "_registry"} {
			Exec(t, os.Getenv(Env), "DROP DATABASE IF EXISTS "+one+" WITH (FORCE)")
		}
	})
	return name, name + "_registry"
}

// As is the URL of a database for a role, which is given a password of this cluster.
// The roles are all the tests', so one changes them at a time.
func As(t testing.TB, role, database string) string {
	t.Helper()
	address, err := url.Parse(os.Getenv(Env))
	if err != nil {
		t.Fatalf("reading %s: %v", Env, err)
	}
	secret, _ := address.User.Password()
	sum := sha256.Sum256([]byte(role + secret))
	password := hex.EncodeToString(sum[:16])
	Exec(t, os.Getenv(Env), fmt.Sprintf("BEGIN; SELECT pg_advisory_xact_lock(4711); ALTER ROLE %s PASSWORD '%s'; COMMIT", role, password))
	address.User, address.Path = url.UserPassword(role, password), "/"+database
	return address.String()
}
