package upstreams

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/cmd/node"
)

// TestCheck: the addresses are those that the server has; a wrong file is said with its provider.
func TestCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "upstreams.json")
	write := func(level string) {
		t.Helper()
		text := `{"providers": [{"alias": "vneid", "name": {"vi": "VNeID", "en": "VNeID"}, "issuer": "https://vneid.example",
			"client_id": "us", "levels": {"2": ` + level + `}}]}`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := node.Defaults()
	c.Issuer = "https://id.example"
	write("2")
	list, err := Check(t.Context(), &c, file, false)
	if err != nil || len(list) != 1 || list[0].RedirectURI != "https://id.example/signin/upstream/vneid/callback" ||
		list[0].LogoutURI != "https://id.example/signin/upstream/vneid/logout" || list[0].JWKSURI != "https://id.example/jwks" || list[0].Asked {
		t.Errorf("got %+v, %v", list, err)
	}
	write("7")
	_, err = Check(t.Context(), &c, file, false)
	if err == nil || !strings.Contains(err.Error(), `"vneid"`) || !strings.Contains(err.Error(), "levels") {
		t.Errorf("a level that does not exist: got %v", err)
	}
}
