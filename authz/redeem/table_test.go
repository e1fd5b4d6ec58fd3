package redeem

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hopnhat/authz"
)

// public are parameters that a grant needs and that are no secrets: a log line may have them.
var public = []string{"redirect_uri", "subject_token_type"}

// late are the grants without a row in late_test.go or proofs_test.go, and what shows there or
// elsewhere that what came with a request is spent.
var late = map[string]string{
	authz.GrantDevice:        "it is redeemed by the statement that redeems a code",
	authz.GrantCIBA:          "it is redeemed by the statement that redeems a code",
	authz.GrantTokenExchange: "its row in late_test.go has its form from authztest.ExchangeForm",
}

// TestANewGrantIsKnownEverywhere: whoever adds a row to the table is asked for the names of its
// parameters where answers and logs need them, and for its tests.
func TestANewGrantIsKnownEverywhere(t *testing.T) {
	named, secret := listed(t, "../request/form.go", "known"), listed(t, "../../cmd/logging/redact.go", "secretNames")
	spent, fuzzed := text(t, "late_test.go")+text(t, "proofs_test.go"), text(t, "../provider/fuzz_test.go")
	words := constants(t)
	for _, g := range table(&Options{}) {
		for _, p := range g.Needs {
			if !slices.Contains(named, p) {
				t.Errorf("%s: known in authz/request/form.go lacks %q, so a refusal cannot name it", g.Type, p)
			}
			if slices.Contains(secret, p) == slices.Contains(public, p) {
				t.Errorf("%s: %q is in secretNames of cmd/logging/redact.go, or it is public: one of the two", g.Type, p)
			}
		}
		in := func(tests string) bool {
			return strings.Contains(tests, `"`+g.Type+`"`) || words[g.Type] != "" && strings.Contains(tests, "authz."+words[g.Type])
		}
		if in(spent) == (late[g.Type] != "") {
			t.Errorf("%s: it has a row in late_test.go or proofs_test.go, or late says why not: one of the two", g.Type)
		}
		if !strings.Contains(fuzzed, "grant_type="+url.QueryEscape(g.Type)+"&") {
			t.Errorf("%s: authz/provider/fuzz_test.go begins with no request of it", g.Type)
		}
		if !slices.Contains(authz.Union(func(p authz.Profile) []string { return p.GrantTypes }), g.Type) {
			t.Errorf("%s: no profile offers it", g.Type)
		}
	}
}

func text(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// listed are the strings of a list in a file.
func listed(t *testing.T, file, name string) (list []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != name {
			return true
		}
		for _, element := range spec.Values[0].(*ast.CompositeLit).Elts {
			one, err := strconv.Unquote(element.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, one)
		}
		return false
	})
	if len(list) == 0 {
		t.Fatalf("%s has no list %s", file, name)
	}
	return list
}

// constants are the names that authz/granttype.go gives to grants.
func constants(t *testing.T) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "../granttype.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			names[value] = spec.Names[0].Name
		}
		return true
	})
	return names
}
