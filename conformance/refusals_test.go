package conformance

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// refusalTables are the tests whose rows that name a section of OpenID Federation 1.0 are what
// is refused under it.
var refusalTables = map[string][]string{
	"federation/authority/authority_test.go":       {"TestRefusals"},
	"federation/authority/resolve_test.go":         {"TestResolve"},
	"federation/enrol/enrol_test.go":               {"TestFromConfiguration", "TestTerms"},
	"federation/fetch/fetch_test.go":               {"TestConfiguration", "TestSubordinate"},
	"federation/mark/mark_test.go":                 {"TestParse"},
	"federation/metadata/metadata_test.go":         {"TestCheckRefuses", "TestMerge", "TestApply"},
	"federation/registrar/explicit_test.go":        {"TestExplicitRefused"},
	"federation/registrar/registrar_test.go":       {"TestRefused"},
	"federation/registration/registration_test.go": {"TestRefusals"},
	"federation/statement/statement_test.go":       {"TestParseRefuses", "TestParseRequest"},
	"federation/trust/trust_test.go":               {"TestVerifyRefuses"},
}

// accepted are rows of these tables that are taken, and name a section all the same.
var accepted = []string{"§5.1.1: at another host, with a query", "§8.3.1: several anchors, one of them used here"}

// leastRefusals is how many there have to be.
const leastRefusals = 200

// refusal is a row.
type refusal struct{ section, name, test string }

var (
	sectionOnly  = regexp.MustCompile(`^\d{1,2}(\.\d+)*$`)
	sectionFirst = regexp.MustCompile(`^§?(\d{1,2}(?:\.\d+)*)(?:, §[\d.]+)*: (.+)$`)
)

func text(e ast.Expr) (string, bool) {
	b, ok := e.(*ast.BasicLit)
	if !ok || b.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(b.Value)
	return s, err == nil
}

// refusalOf reads a row: its name comes first, and the section stands before it or beside it.
func refusalOf(row *ast.CompositeLit, test string) (refusal, bool) {
	if row.Type != nil || len(row.Elts) < 2 {
		return refusal{}, false
	}
	name, ok := text(row.Elts[0])
	if !ok || slices.Contains(accepted, name) {
		return refusal{}, false
	}
	found := refusal{name: name, test: test}
	if m := sectionFirst.FindStringSubmatch(name); m != nil {
		found.section, found.name = m[1], m[2]
	}
	for _, e := range row.Elts[1:] {
		if s, ok := text(e); ok && sectionOnly.MatchString(s) {
			found.section = s
		}
	}
	return found, found.section != ""
}

// bySection orders 3.1.2 before 3.1.10.
func bySection(a, b refusal) int {
	x, y := strings.Split(a.section, "."), strings.Split(b.section, ".")
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if c := cmp.Compare(m, n); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a.test, b.test))
}

// refusals are all rows, by their sections.
func refusals(t *testing.T) (list []refusal) {
	t.Helper()
	for file, tests := range refusalTables {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range tests {
			before := len(list)
			for _, d := range parsed.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == name {
					ast.Inspect(f, func(n ast.Node) bool {
						if row, ok := n.(*ast.CompositeLit); ok {
							if r, ok := refusalOf(row, filepath.Dir(file)+" "+name); ok {
								list = append(list, r)
							}
						}
						return true
					})
				}
			}
			if len(list) == before {
				t.Errorf("%s has no row of %s that names a section", file, name)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b refusal) int { return cmp.Or(bySection(a, b), strings.Compare(a.name, b.name)) })
	return list
}

// TestRefusalsOfTheFederation holds docs/refusals.md against the tests: what is refused under
// which section of OpenID Federation 1.0, and where that is shown.
func TestRefusalsOfTheFederation(t *testing.T) {
	list := refusals(t)
	if len(list) < leastRefusals {
		t.Errorf("%d refusals name their section, want %d", len(list), leastRefusals)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# What is refused in a federation\n\n%d cases that are refused, each with the section of OpenID Federation 1.0 that it breaks, and the test that\n"+
		"shows it. The page is made from the tests: `go test ./conformance -run TestRefusals -update`.\n\n| § | case | test |\n|---|---|---|\n", len(list))
	for _, r := range list {
		fmt.Fprintf(&b, "| %s | %s | `%s` |\n", r.section, strings.ReplaceAll(r.name, "|", `\|`), r.test)
	}
	const page = "../docs/refusals.md"
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if was, err := os.ReadFile(page); err != nil || string(was) != b.String() {
		t.Errorf("docs/refusals.md is not what the tests say (%v): run go test ./conformance -run TestRefusals -update", err)
	}
}
