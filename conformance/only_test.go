package conformance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// only says which rooms of the product may use names of the standard library: what they
// do is done in one way, and everybody else calls the room.
type only struct {
	Import string
	Names  []string
	In     []string
}

var onlyIn = []only{
	// The addresses of the key store and of the site's log are set by operators; every
	// other one was named by an app. A test asks its own node.
	{"net/http", []string{"Client", "Transport", "DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm"}, []string{"authz/outbound", "keys/vault", "store/tlog/remote", "cmd/node/nodetest"}},
	// Pseudonyms, salts and one-time codes are derived, and prove nothing of ours.
	{"crypto/hmac", []string{"New", "Equal"}, []string{"keys/seal", "keys/file", "authz/identity", "authz/authn", "authz/audit/commitment"}},
	{"crypto/cipher", []string{"NewGCM"}, []string{"keys/seal", "keys/file", "keys/envelope"}},
}

// productOf are the folders whose programs serve.
var productOf = []string{"authz/...", "cmd/node/...", "federation/...", "keys/...", "store/...", "web/..."}

// strays names what a file uses that only other rooms may.
func strays(folder string, file *ast.File) []string {
	names := map[string]only{}
	for _, imported := range file.Imports {
		name, _ := strconv.Unquote(imported.Path.Value)
		for _, rule := range onlyIn {
			if rule.Import != name || underAny(folder, rule.In) {
				continue
			}
			local := path.Base(name)
			if imported.Name != nil {
				local = imported.Name.Name
			}
			names[local] = rule
		}
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if from, ok := selector.X.(*ast.Ident); ok && slices.Contains(names[from.Name].Names, selector.Sel.Name) {
			found = append(
				found, folder+" uses "+from.Name+"."+selector.Sel.Name+", which only "+strings.Join(names[from.Name].In, ", ")+" may",
			)
		}
		return true
	})
	return found
}

// TestOneWay: what has a room of its own is done nowhere else.
func TestOneWay(t *testing.T) {
	root, looked := repositoryRoot(t), 0
	for _, file := range readSources(t, root) {
		if file.test() || !underAny(file.dir(), productOf) {
			continue
		}
		parsed, err := parser.ParseFile(
			token.NewFileSet(), filepath.Join(root, filepath.FromSlash(file.Path)), nil, parser.SkipObjectResolution,
		)
		if err != nil {
			t.Fatal(err)
		}
		looked++
		for _, stray := range strays(file.dir(), parsed) {
			t.Errorf("%s: %s", file.Path, stray)
		}
	}
	if looked < 100 {
		t.Errorf("looked at %d files: the walk missed the product", looked)
	}
}

// TestOneWayBites shows the rule files that break it and files that do not.
func TestOneWayBites(t *testing.T) {
	for _, row := range []struct {
		name, folder, source string
		want                 int
	}{
		{"a client of its own", "authz/consent", `package p; import "net/http"; var c = &http.Client{}`, 1},
		{"under another name", "web/logo", `package p; import h "net/http"; func f() { h.Get("x") }`, 1},
		{"the room itself", "authz/outbound", `package p; import "net/http"; var c = &http.Client{}`, 0},
		{"a handler", "authz/consent", `package p; import "net/http"; func f(w http.ResponseWriter, r *http.Request) {}`, 0},
		{"a MAC of its own", "authz/session", `package p; import ("crypto/hmac"; "crypto/sha256"); var m = hmac.New(sha256.New, nil)`, 1},
		{"another package of this name", "authz/session", `package p; import "example.org/hmac"; var m = hmac.New()`, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			file, err := parser.ParseFile(token.NewFileSet(), "", row.source, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := strays(row.folder, file); len(got) != row.want {
				t.Errorf("got %q, want %d", got, row.want)
			}
		})
	}
}
