package house

import "testing"

// TestDatabaseName: the roles are printed for the databases that the addresses name, and for
// those of the documents where they name none.
func TestDatabaseName(t *testing.T) {
	for address, want := range map[string]string{
		"postgres://u@db/nation?sslmode=verify-full": "nation",
		"postgresql://db/nation":                     "nation",
		"postgres://db":                              "otherwise",
		"state/hopnhat.db":                           "otherwise",
		"":                                           "otherwise",
	} {
		if got := databaseName(address, "otherwise"); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
	}
}
