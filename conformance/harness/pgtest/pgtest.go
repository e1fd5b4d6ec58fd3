// Package pgtest gives a test a fresh, empty PostgreSQL database of its own and
// drops it when the test ends. The cluster is started by the project's own
// scripts (`make test`), which set HOPNHAT_TEST_POSTGRES; without it a test
// fails, because a missing part is an error and not a skip.
package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
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
	exec(t, base, fmt.Sprintf("CREATE DATABASE %s", name))
	t.Cleanup(func() { exec(t, base, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)) })
	address.Path = "/" + name
	return address.String()
}

func exec(t testing.TB, dsn, statement string) {
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
