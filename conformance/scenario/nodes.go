package scenario

import (
	"os"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/harness/pgtest"
)

// TwoNodes reports whether this run is the one at two nodes behind a balancer.
func TwoNodes() bool { return os.Getenv("HOPNHAT_TEST_NODES") == "2" }

// Provision makes databases with the roles and rights that the program prints,
// migrates and fills them as those who may, and returns them as a server reaches them.
func Provision(t testing.TB) (database, registry string) {
	t.Helper()
	main, nation := pgtest.Names(t)
	pgtest.Script(
		t, harness.Run(
			t, nil, "migrate", "--print-roles", "--database", "postgres://localhost/"+main, "--registry", "postgres://localhost/"+nation,
		),
	)
	harness.Run(t, nil, "migrate", "--database", pgtest.As(t, "hopnhat_migrate", main))
	harness.Run(
		t, nil, "registry", "generate", "--persons", "300", "--seed", "2026", "--registry", pgtest.As(t, "hopnhat_registry_load", nation),
	)
	return pgtest.As(t, "hopnhat_server", main), pgtest.As(t, "hopnhat_registry_read", nation)
}
