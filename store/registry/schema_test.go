package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

// TestTheSchemaHasAVersion: other tables have another SchemaVersion, else a server takes a
// database of before for one of its own. After a change raise the version, then put the digest
// here that the test prints.
func TestTheSchemaHasAVersion(t *testing.T) {
	var all []string
	for _, table := range tables() {
		for _, postgres := range []bool{false, true} {
			all = append(all, table.create(postgres))
			all = append(all, table.complete(postgres)...)
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(all, "\n")))
	const version, want = 3, "d2e9cd8b6d86a62d"
	if got := hex.EncodeToString(sum[:8]); SchemaVersion != version || got != want {
		t.Errorf("the tables of schema %d are %s; this test knows %d and %s", SchemaVersion, got, version, want)
	}
}
