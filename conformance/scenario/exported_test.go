package scenario_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/conformance/harness"
)

// TestAnExportByTheTool: an auditor's export is made beside a running server, of both logs; it
// verifies, and she of whom it holds something sees it in her history.
func TestAnExportByTheTool(t *testing.T) { onBoth(t, anExportByTheTool) }

func anExportByTheTool(t *testing.T, n *nation) {
	who, auditor, b := n.someone(t), n.someone(t), browser(t)
	n.run(t, "account", "role", "grant", auditor.Number, "auditor")
	tokens := n.app.tokens(t, b, who, civilDetail)
	if a := n.app.release(t, tokens.text("access_token"), civilRead); a.status != http.StatusOK {
		t.Fatal(a.raw)
	}
	proofAt(t, b, n.base+first(t, `(/portal/releases/[0-9a-f-]{36})`, fetch(t, b, n.base+"/portal"))+"/proof") // it has its place
	file := filepath.Join(t.TempDir(), "export.proof")
	key := filepath.Join(n.state, "log.vkey")
	raw, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	log := first(t, `(?m)^(\S+/release/[^/]+)/`, string(raw))
	// The consent's place follows within seconds; until then the export says that it has none.
	tries := 0
	waits(t, "an export in which release and consent have their places", func() bool {
		file, tries = file+".1", tries+1
		said := n.run(t, "audit", "export", "--log-origin", log, "--for", auditor.Number, "--why", "inspection 12", "--out", file)
		if !strings.Contains(said, "not genuine 0") {
			t.Errorf("it says %s", said)
		}
		out, status := harness.Try(t, nil, "audit", "verify", "--lang", "en", "--log-key", key, file)
		if status != 0 || !strings.Contains(out, "release.permitted") {
			t.Fatalf("export %d: status %d\n%s", tries, status, out)
		}
		return strings.Contains(out, "consent.approved")
	})
	if page := fetch(t, b, n.base+"/portal"); !strings.Contains(page, "Kiểm toán") {
		t.Error("she does not see that an auditor exported what is about her")
	}
	words := append(append([]string{"audit", "export"}, n.tool...), "--log-origin", log, "--for", who.Number, "--why", "x", "--out", file+".2")
	if out, status := harness.Try(t, nil, words...); status == 0 || !strings.Contains(out, "no auditor") {
		t.Errorf("for a person who is none: status %d, %s", status, out)
	}
}
