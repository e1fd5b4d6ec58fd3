package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestNoNetworkCodeIsLinked: the verifier runs on a machine without network, and
// who reads its source need not ask what it might send.
func TestNoNetworkCodeIsLinked(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("listing what is linked: %v\n%s", err, out)
	}
	linked := strings.Fields(string(out))
	if !slices.Contains(linked, "hopnhat/authz/audit/proof") {
		t.Fatalf("the list is not of this program:\n%s", out)
	}
	for _, pkg := range linked {
		root, _, _ := strings.Cut(pkg, "/")
		if strings.Contains(root, ".") && !strings.HasPrefix(pkg, "golang.org/x/mod/") && !strings.HasPrefix(pkg, "golang.org/x/text/") {
			t.Errorf("%s is linked, of a module that a reader would have to read, too", pkg)
		}
		for _, network := range []string{"net", "net/http", "net/url", "crypto/tls", "database/sql", "plugin", "os/exec"} {
			if pkg == network || strings.HasPrefix(pkg, "golang.org/x/net") {
				t.Errorf("%s is linked", pkg)
			}
		}
	}
}
