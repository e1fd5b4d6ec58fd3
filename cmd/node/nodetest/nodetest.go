// Package nodetest starts whole servers for the tests of the rooms of a node.
package nodetest

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"hopnhat/cmd/node"
	"hopnhat/store/registry"
	"hopnhat/store/registry/nation"
)

// Write writes a file of a name, in a folder of its own, and returns its path.
func Write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Registers are the registers of the smallest nation, in a file whose path is returned.
func Registers(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "registers.db")
	db, err := registry.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := nation.Generate(t.Context(), db, nation.Options{Persons: nation.MinPersons, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	return path
}

// Start completes a configuration, makes keys and tables, and serves until the test ends.
func Start(t testing.TB, c *node.Config) *node.Node {
	t.Helper()
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	if err := c.Initialise(t.Context()); err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(t.Context(), c, node.Options{Pushes: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// Get asks a node for a page in a language, empty for none.
func Get(t testing.TB, n *node.Node, path, language string) (status int, header http.Header, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Language", language)
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(raw)
}
