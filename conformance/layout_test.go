package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the import path of the repository's root.
const module = "hopnhat"

// maxLines is where a file has become more than one idea. Tests and generated
// files are not counted.
const maxLines = 600

// source is what the layout rules see of one Go file.
type source struct {
	Path      string   // relative to the root, with slashes
	Imports   []string // import paths
	Marks     []string // comments that postpone work or silence a check
	Lines     int
	Generated bool
}

func (s source) dir() string { return path.Dir(s.Path) }
func (s source) test() bool {
	return strings.HasSuffix(s.Path, "_test.go") || underAny(s.dir(), onlyTests)
}
func (s source) name() string { return strings.TrimSuffix(path.Base(s.Path), ".go") }

// under reports whether the slash-separated name lies in the tree. A tree "a/..."
// holds a and all below it, a tree "a" only a itself.
func under(name, tree string) bool {
	root, deep := strings.CutSuffix(tree, "/...")
	return name == root || deep && strings.HasPrefix(name, root+"/")
}

func underAny(name string, trees []string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool { return under(name, tree) })
}

// An arrow says what the packages of a tree may import of ours. The first that
// fits a folder counts; a folder that none fits may import nothing of ours.
type arrow struct {
	From string
	To   []string
}

var arrows = []arrow{
	// Vocabulary first: the roots hold words, and words have no mechanism.
	{"keys", nil},
	{"authz", []string{"keys"}},
	{"federation", []string{"authz", "keys"}},

	{"keys/...", []string{"keys/..."}},
	{"authz/...", []string{"authz/...", "keys/..."}},
	{"federation/...", []string{"federation/...", "authz/...", "keys/..."}},
	{"store/...", []string{"store/...", "authz/...", "federation/...", "keys/..."}},
	{"web/...", []string{"web/...", "authz/...", "federation/..."}},

	// The program wires everything; of conformance it runs the parts that speak
	// HTTP to a running server, and the sample apps of the demonstration, which
	// are relying parties as any other.
	{"cmd/...", []string{
		"cmd/...", "web/...", "store/...", "federation/...", "authz/...", "keys/...",
		"conformance/suite/...", "conformance/rp/...", "conformance/bench/...", "conformance/sampleapp/...",
	}},

	// An outside client: none of the product.
	{"conformance/...", []string{"conformance/..."}},
}

// inTests is what a test file may import besides what its package may: real
// storage and keys, and what starts the real servers they are tested on. The
// arrows between the product's parts hold in tests too.
var inTests = []string{
	"store/...", "keys/...", "authz/...", "federation/...",
	"conformance/harness/...", "conformance/bench/vaultserver",
}

// onlyTests are packages that exist to test others.
var onlyTests = []string{"store/storetest", "keys/keytest", "keys/costtest", "federation/federationtest", "authz/decoupled/decoupledtest", "authz/grant/granttest", "authz/authztest", "authz/authn/passkey/passkeytest", "web/page/pagetest", "web/evidence/evidencetest", "conformance/harness/..."}

// A cage says where a framework may be named, tests included.
type cage struct {
	Framework string // import path prefix, ending at a slash or at the end
	In        []string
}

var cages = []cage{
	{"github.com/ory/fosite", []string{"authz/redeem/engine"}},
	{"github.com/ory/x", nil},
	{"github.com/go-jose/go-jose/v3", []string{"authz/redeem/engine"}},
	{"github.com/go-jose/go-jose/v4", []string{"keys/jose", "conformance/..."}},
	{"github.com/gofiber", []string{"web/..."}},
	{"github.com/valyala/fasthttp", []string{"web/..."}},
	{"gorm.io", []string{"store/..."}},
	{"modernc.org/sqlite", []string{"store/sqldb"}},
	{"github.com/pressly/goose", []string{"store/..."}},
	{"github.com/jackc/pgx", []string{"store/...", "conformance/harness/pgtest"}},
	{"github.com/transparency-dev/tessera", []string{"store/tlog", "store/tlog/inspect"}},
	{"github.com/hashicorp/vault", []string{"keys/vault"}},
	{"github.com/cedar-policy", []string{"authz/policy/..."}},
	{"github.com/go-webauthn", []string{"authz/authn/passkey/..."}},
	{"github.com/fxamacker/cbor", nil},
	{"github.com/spf13/cobra", []string{"cmd/..."}},
	{"github.com/spf13/pflag", []string{"cmd/..."}},
	{"code.dny.dev/ssrf", []string{"authz/outbound"}},
}

// topLevel are the folders of the root. Those that git ignores are not listed.
var topLevel = []string{".ci", "authz", "cmd", "conformance", "docs", "federation", "keys", "store", "web"}

// ignored are folders that are made by running the product or its tests.
var ignored = []string{".git", ".build", "artifacts", "node_modules", "state"}

// emptyNames say nothing of what is inside.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "models", "shared", "types"}

// nestedModules are modules with a life of their own.
var nestedModules = []string{"conformance/vaultd", "conformance/clients/oauth2proxy", "conformance/clients/integrate/go"}

// violations checks one file against every rule of the layout.
func violations(file source) []string {
	var found []string
	complain := func(format string, args ...any) {
		found = append(found, file.Path+": "+fmt.Sprintf(format, args...))
	}
	allowed := allowedFrom(file)
	for _, imported := range file.Imports {
		if ours, ok := cutModule(imported); ok {
			if !underAny(ours, allowed) {
				complain("%s may not import %s", file.dir(), ours)
			} else if !file.test() && underAny(ours, onlyTests) && !under(file.dir(), "conformance/...") {
				complain("%s exists for tests, %s is not one", ours, path.Base(file.Path))
			}
			continue
		}
		for _, cage := range cages {
			if under(imported, cage.Framework+"/...") && !underAny(file.dir(), cage.In) {
				complain("%s is caged in %v", imported, cage.In)
			}
		}
	}
	for _, part := range append(strings.Split(file.dir(), "/"), strings.TrimSuffix(file.name(), "_test")) {
		if slices.Contains(emptyNames, part) {
			complain("%q says nothing of what is in it", part)
		}
	}
	if file.Lines > maxLines && !file.test() && !file.Generated {
		complain("%d lines, more than %d: it holds more than one idea", file.Lines, maxLines)
	}
	for _, mark := range file.Marks {
		complain("%s", mark)
	}
	return found
}

func allowedFrom(file source) []string {
	for _, arrow := range arrows {
		if under(file.dir(), arrow.From) {
			allowed := append([]string{file.dir()}, arrow.To...)
			if file.test() && !under(file.dir(), "conformance/...") {
				allowed = append(allowed, inTests...)
			}
			return allowed
		}
	}
	return nil
}

func cutModule(imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// strangers names the folders of the root that have no place in the layout.
func strangers(folders []string) []string {
	var found []string
	for _, folder := range folders {
		if !slices.Contains(topLevel, folder) && !slices.Contains(ignored, folder) {
			found = append(found, folder+": no such folder in the layout")
		}
	}
	return found
}

// TestLayout holds the whole tree against the rules.
func TestLayout(t *testing.T) {
	root := repositoryRoot(t)
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, entry := range entries {
		if entry.IsDir() {
			folders = append(folders, entry.Name())
		}
	}
	for _, stranger := range strangers(folders) {
		t.Error(stranger)
	}
	files := readSources(t, root)
	if len(files) < 50 {
		t.Fatalf("found %d Go files below %s: the walk missed the product", len(files), root)
	}
	for _, file := range files {
		for _, violation := range violations(file) {
			t.Error(violation)
		}
	}
}

// TestLayoutRulesBite shows each rule a file that breaks it and one that does
// not: a rule that reports nothing guards nothing.
func TestLayoutRulesBite(t *testing.T) {
	imports := func(file string, imported ...string) source {
		return source{Path: file, Imports: imported, Lines: 10}
	}
	for _, row := range []struct {
		name string
		file source
		want string // part of the only complaint; empty: none
	}{
		{"keys is at the bottom", imports("keys/keys.go", "hopnhat/authz"), "keys may not import authz"},
		{"keys words have no mechanism", imports("keys/keys.go", "hopnhat/keys/jose"), "keys may not import keys/jose"},
		{"a key store knows the words", imports("keys/vault/ring.go", "hopnhat/keys"), ""},
		{"authz words know keys", imports("authz/client.go", "hopnhat/keys"), ""},
		{"authz words have no mechanism", imports("authz/client.go", "hopnhat/authz/consent"), "authz may not import authz/consent"},
		{"the provider does not store", imports("authz/provider/token.go", "hopnhat/store"), "authz/provider may not import store"},
		{"the provider does not render", imports("authz/provider/token.go", "hopnhat/web/view"), "may not import web/view"},
		{"the broker does not know cmd", imports("authz/broker/broker.go", "hopnhat/cmd/hopnhat"), "may not import cmd/hopnhat"},
		{"authz does not know federation", imports("authz/provider/par.go", "hopnhat/federation"), "may not import federation"},
		{"a test may use real storage", imports("authz/broker/broker_test.go", "hopnhat/store", "hopnhat/store/storetest"), ""},
		{"a suite of promises may too", imports("store/storetest/storetest.go", "hopnhat/conformance/harness/pgtest"), ""},
		{"a test may use a real cluster", imports("store/grants_test.go", "hopnhat/conformance/harness/pgtest"), ""},
		{"a test does not reach up to pages", imports("authz/broker/broker_test.go", "hopnhat/web"), "may not import web"},
		{"federation uses authz and keys", imports("federation/trust/chain.go", "hopnhat/authz", "hopnhat/keys/jose", "hopnhat/federation"), ""},
		{"federation does not store", imports("federation/trust/chain.go", "hopnhat/store"), "may not import store"},
		{"storage knows the words it keeps", imports("store/grants.go", "hopnhat/authz", "hopnhat/federation", "hopnhat/keys"), ""},
		{"storage does not render", imports("store/grants.go", "hopnhat/web"), "may not import web"},
		{"pages do not store", imports("web/portal/timeline.go", "hopnhat/store"), "may not import store"},
		{"pages hand out proofs", imports("web/portal.go", "hopnhat/authz/audit/proof"), ""},
		{"pages do not sign", imports("web/portal/timeline.go", "hopnhat/keys"), "may not import keys"},
		{"pages know authz", imports("web/portal/timeline.go", "hopnhat/authz/audit", "hopnhat/federation/mark"), ""},
		{"the program wires everything", imports("cmd/hopnhat/serve.go", "hopnhat/store", "hopnhat/web", "hopnhat/keys/file"), ""},
		{"the program carries no test parts", imports("cmd/hopnhat/serve.go", "hopnhat/conformance/harness"), "may not import conformance/harness"},
		{"the program carries no promises", imports("cmd/hopnhat/serve.go", "hopnhat/store/storetest"), "exists for tests"},
		{"conformance is outside", imports("conformance/scenario/login_test.go", "hopnhat/authz"), "may not import authz"},
		{"conformance uses its harness", imports("conformance/scenario/login_test.go", "hopnhat/conformance/harness"), ""},
		{"a new top folder may import nothing", imports("tools/x.go", "hopnhat/keys"), "tools may not import keys"},

		{"fosite escapes", imports("authz/request/form.go", "github.com/ory/fosite"), "is caged in [authz/redeem/engine]"},
		{"fosite beside its cage", imports("authz/redeem/code.go", "github.com/ory/fosite"), "is caged in [authz/redeem/engine]"},
		{"fosite at home", imports("authz/redeem/engine/engine.go", "github.com/ory/fosite/handler/oauth2"), ""},
		{"fiber escapes", imports("authz/provider/par.go", "github.com/gofiber/fiber/v2"), "is caged in"},
		{"gorm escapes", imports("cmd/hopnhat/migrate.go", "gorm.io/gorm"), "is caged in"},
		{"tessera escapes", imports("store/events.go", "github.com/transparency-dev/tessera"), "is caged in"},
		{"vault escapes", imports("cmd/hopnhat/serve.go", "github.com/hashicorp/vault/api"), "is caged in"},
		{"go-jose v4 escapes", imports("authz/clientauth/dpop.go", "github.com/go-jose/go-jose/v4/jwt"), "is caged in"},
		{"go-jose v4 as an outside client", imports("conformance/suite/par.go", "github.com/go-jose/go-jose/v4"), ""},
		{"go-jose v3 escapes", imports("keys/jose/sign.go", "github.com/go-jose/go-jose/v3"), "is caged in"},
		{"cobra escapes", imports("web/server.go", "github.com/spf13/cobra"), "is caged in [cmd/...]"},
		{"cobra at home", imports("cmd/command/command.go", "github.com/spf13/cobra", "github.com/spf13/pflag"), ""},
		{"cedar escapes", imports("authz/broker/broker.go", "github.com/cedar-policy/cedar-go"), "is caged in"},
		{"a cage holds tests too", imports("authz/request/form_test.go", "github.com/ory/fosite"), "is caged in"},
		{"a name that only begins alike", imports("authz/request/form.go", "github.com/ory/fosited"), ""},

		{"a package of leftovers", imports("authz/util/clock.go"), `"util" says nothing`},
		{"a file of leftovers", imports("store/helpers.go"), `"helpers" says nothing`},
		{"a test file of leftovers", imports("store/common_test.go"), `"common" says nothing`},
		{"a long file", source{Path: "store/grants.go", Lines: 601}, "601 lines"},
		{"a long test", source{Path: "store/grants_test.go", Lines: 601}, ""},
		{"a long generated file", source{Path: "store/grants.go", Lines: 601, Generated: true}, ""},
		{"a postponed thought", source{Path: "store/grants.go", Marks: marksIn("// TODO: later")}, "TODO"},
		{"a silenced check", source{Path: "store/grants.go", Marks: marksIn("//nolint:errcheck")}, "nolint"},
		{"a word in passing", source{Path: "store/grants.go", Marks: marksIn("// a todo list, and lintel")}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := violations(row.file)
			switch {
			case row.want == "" && len(got) > 0:
				t.Errorf("complained of a good file: %q", got)
			case row.want != "" && (len(got) != 1 || !strings.Contains(got[0], row.want)):
				t.Errorf("got %q, want one complaint with %q", got, row.want)
			}
		})
	}
	if got := strangers([]string{"authz", ".build", "lib"}); len(got) != 1 || !strings.HasPrefix(got[0], "lib:") {
		t.Errorf("strangers: got %q, want one about lib", got)
	}
}

// TestReadingASource checks the reader on a file that has everything it reports.
func TestReadingASource(t *testing.T) {
	root := t.TempDir()
	text := "// Code generated by hand. DO NOT EDIT.\n\npackage a\n\nimport _ \"hopnhat/store\"\n\n// FIXME: soon\n"
	for name, content := range map[string]string{
		"a/a.go":                     text,
		"a/testdata/b.go":            text,
		"node_modules/c/c.go":        text,
		"conformance/vaultd/main.go": text,
		"a/notes.txt":                text,
	} {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := readSources(t, root)
	if len(got) != 1 || got[0].Path != "a/a.go" {
		t.Fatalf("read %+v, want a/a.go alone", got)
	}
	if a := got[0]; !a.Generated || a.Lines != 7 || len(a.Marks) != 1 || !slices.Equal(a.Imports, []string{"hopnhat/store"}) {
		t.Errorf("read %+v", a)
	}
}

// readSources reads every Go file of the module below root, without nested
// modules and test data.
func readSources(t *testing.T, root string) []source {
	t.Helper()
	var files []source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		if entry.IsDir() {
			if slices.Contains(ignored, entry.Name()) || slices.Contains(nestedModules, relative) || entry.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(relative) != ".go" {
			return nil
		}
		file, err := readSource(name, relative)
		if err != nil {
			return err
		}
		files = append(files, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readSource(name, relative string) (source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return source{}, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	file := source{Path: relative, Lines: strings.Count(string(text), "\n"), Generated: ast.IsGenerated(parsed)}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, fmt.Errorf("%s: import %s: %w", relative, spec.Path.Value, err)
		}
		file.Imports = append(file.Imports, imported)
	}
	for _, group := range parsed.Comments {
		for _, comment := range group.List {
			file.Marks = append(file.Marks, marksIn(comment.Text)...)
		}
	}
	return file, nil
}

// marksIn finds what a comment may not say: work put off without an issue, a
// check silenced for one line.
func marksIn(comment string) []string {
	var found []string
	for _, word := range strings.FieldsFunc(comment, func(r rune) bool { return !strings.ContainsRune(letters, r) }) {
		switch word {
		case "TODO", "FIXME", "XXX":
			found = append(found, word+" in a comment: do it, or file it")
		case "nolint":
			found = append(found, "nolint: change the code, or the rule for all")
		}
	}
	return found
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// repositoryRoot is the nearest folder upwards with the module's go.mod.
func repositoryRoot(t *testing.T) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			t.Fatal("no go.mod above the test")
		}
		folder = parent
	}
}
