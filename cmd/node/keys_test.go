package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/authz/audit"
	"hopnhat/keys"
	"hopnhat/keys/file"
	"hopnhat/store/storetest"
)

// TestWhoMakesKeys: a server makes the keys of a house that has none, with each transition in
// the evidence; a tool makes none, and nobody makes others for a database that has had keys.
func TestWhoMakesKeys(t *testing.T) {
	db := storetest.SQLite(t, nil)
	c := Defaults()
	c.State = t.TempDir()
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.OpenKeys(t.Context(), db, "", false); !errors.Is(err, file.ErrNoKeys) || !strings.Contains(err.Error(), "hopnhat init") {
		t.Errorf("a tool without keys: %v", err)
	}
	if _, err := os.Stat(c.Keys); err == nil {
		t.Error("a tool made the folder of keys")
	}
	ring, err := c.OpenKeys(t.Context(), db, "n", true)
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range []keys.Algorithm{keys.ES256, keys.RS256} {
		if _, err := ring.Active(keys.TokenSigning, alg); err != nil {
			t.Error(err)
		}
	}
	if err := ring.Close(); err != nil {
		t.Fatal(err)
	}
	counts, err := db.CountEvents(t.Context(), audit.Query{})
	if err != nil || counts.Total == 0 {
		t.Errorf("%d events, %v", counts.Total, err)
	}
	if err := os.Rename(c.Keys, c.Keys+".lost"); err != nil {
		t.Fatal(err)
	}
	for who, begin := range map[string]bool{"a tool": false, "a server": true} {
		if _, err := c.OpenKeys(t.Context(), db, "", begin); !errors.Is(err, file.ErrNoKeys) ||
			!strings.Contains(err.Error(), "has had keys") {
			t.Errorf("%s whose keys were lost: %v", who, err)
		}
	}
}

// TestPassphrase: a file that is named must hold one: keys sealed under an empty passphrase
// are sealed under nothing.
func TestPassphrase(t *testing.T) {
	at := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, row := range []struct{ name, file, want, why string }{
		{"none is named", "", "", ""},
		{"a line", at("line", "a b \r\n"), "a b ", ""},
		{"an empty file", at("empty", "\n"), "", "is empty"},
		{"no file", filepath.Join(t.TempDir(), "none"), "", "passphrase_file"},
	} {
		got, err := (&Config{PassphraseFile: row.file}).passphrase()
		if got != row.want || (err == nil) != (row.why == "") || err != nil && !strings.Contains(err.Error(), row.why) {
			t.Errorf("%s: %q, %v; want %q, %q", row.name, got, err, row.want, row.why)
		}
	}
}

// TestInitialise changes nothing that is there.
func TestInitialise(t *testing.T) {
	c := configured(t)
	before := identityOf(t, c)
	if err := c.Initialise(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := identityOf(t, c); after != before || after == "" {
		t.Errorf("the keyring was %q and is %q", before, after)
	}
}

func identityOf(t *testing.T, c *Config) string {
	t.Helper()
	db, err := c.OpenDatabase(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	id, err := db.Keyring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(id)
}
