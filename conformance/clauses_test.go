package conformance

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A standard is a text that code and tests cite by clause: "RFC 9449 §4.3".
type standard struct {
	Name string
	// Others are spellings that are not used, since a search for one name would miss them.
	Others []string
}

// standards that are not RFCs, whose name is their number; sorted by name.
var standards = []standard{
	{"Back-Channel Logout", []string{"OpenID Connect Back-Channel Logout"}},
	{"C2SP tlog-tiles", nil},
	{"CIBA Core", []string{"CIBA Core 1.0"}},
	{"FAPI 1.0 Advanced", nil},
	{"FAPI 1.0 Baseline", nil},
	{"FAPI 2.0 MS", []string{"FAPI 2.0 Message Signing", "FAPI 2.0 message signing"}},
	{"FAPI 2.0 SP", []string{"FAPI 2.0 Security Profile", "FAPI2 SP"}},
	{"FAPI-CIBA", nil},
	{"Form Post Response Mode", []string{"OAuth 2.0 Form Post Response Mode"}},
	{"Front-Channel Logout", []string{"OpenID Connect Front-Channel Logout", "Front-Channel Logout 1.0"}},
	{"Grant Management", []string{"OAuth 2.0 Grant Management"}},
	{"JARM", []string{"JWT Secured Authorization Response Mode"}},
	{"Multiple Response Types", []string{"OAuth 2.0 Multiple Response Types", "Multiple Response Type Encoding Practices"}},
	{"NIST SP 800-63B", nil},
	{"OpenID Connect Core", []string{"OpenID Core", "OIDC Core", "OpenID Connect Core 1.0"}},
	{"OpenID Connect Discovery", []string{"OpenID Connect Discovery 1.0", "OIDC Discovery"}},
	{"OpenID Connect Dynamic Registration", []string{"Dynamic Registration", "OpenID Connect DCR", "OpenID Connect Dynamic Client Registration"}},
	{"OpenID Connect for Identity Assurance", []string{"OpenID Connect for Identity Assurance 1.0"}},
	{"OpenID Federation 1.0", []string{"OpenID Federation"}},
	{"RP-Initiated Logout", []string{"OpenID Connect RP-Initiated Logout"}},
	{"Session Management", []string{"OpenID Connect Session Management"}},
}

// clause is one section of a standard, "" where the standard is cited as a whole.
type clause struct{ standard, section string }

// place is where a clause is cited: a file, and the declaration in it.
type place struct{ file, declaration string }

// String is the place as docs/clauses.md prints it. It names a declaration and no line,
// which every edit above would move.
func (p place) String() string {
	if p.declaration == "" {
		return p.file
	}
	return p.file + " `" + p.declaration + "`"
}

// citation finds the names of standards, each followed by its clauses.
var citation = func() *regexp.Regexp {
	names := []string{`RFC \d{3,5}`}
	for _, s := range standards {
		names = append(names, regexp.QuoteMeta(s.Name))
	}
	const one = ` §{1,2} ?[0-9A-Z][0-9A-Za-z.]*`
	return regexp.MustCompile(`(` + strings.Join(names, "|") + `),?(` + one + `(?:(?:,| and| or|;)?` + one + `)*)`)
}()

var section = regexp.MustCompile(`[0-9A-Z][0-9A-Za-z]*(?:\.[0-9A-Za-z]+)*`)

// clausesIn lists what a text cites.
func clausesIn(text string) []clause {
	var found []clause
	text = strings.Join(strings.Fields(text), " ")
	for _, m := range citation.FindAllStringSubmatch(text, -1) {
		for part := range strings.SplitSeq(m[2], "§") {
			if s := section.FindString(part); s != "" {
				found = append(found, clause{m[1], s})
			}
		}
	}
	return found
}

var update = flag.Bool("update", false, "write docs/clauses.md anew")

// TestClauses holds docs/clauses.md to the code: which declaration obeys a clause, which
// test or module proves it, and which clauses have no test.
func TestClauses(t *testing.T) {
	root := repositoryRoot(t)
	obeyed, proven := map[clause][]place{}, map[clause][]place{}
	for _, file := range readSources(t, root) {
		if file.Generated || file.Path == "conformance/clauses_test.go" || file.Path == "conformance/words_test.go" {
			continue
		}
		into := obeyed
		if file.test() || strings.HasSuffix(file.Path, "_test.go") || under(file.dir(), "conformance/...") {
			into = proven
		}
		for where, cited := range citedIn(t, root, file.Path) {
			for _, c := range cited {
				if !slices.Contains(into[c], where) {
					into[c] = append(into[c], where)
				}
			}
		}
	}
	want := clausePage(obeyed, proven)
	name := filepath.Join(root, "docs", "clauses.md")
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/clauses.md is not what the code cites: go test ./conformance -run TestClauses -update")
	}
}

// citedIn lists the citations of a file by declaration: in comments, and in texts, which
// are the rows of tests and what apps are told.
func citedIn(t *testing.T, root, path string) map[place][]clause {
	t.Helper()
	set := token.NewFileSet()
	file := filepath.Join(root, filepath.FromSlash(path))
	parsed, err := parser.ParseFile(set, file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := map[place][]clause{}
	add := func(at token.Pos, text string) {
		if cited := clausesIn(text); len(cited) > 0 {
			where := place{path, declarationAt(parsed, at)}
			found[where] = append(found[where], cited...)
		}
	}
	for _, group := range parsed.Comments {
		add(group.Pos(), group.Text())
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				add(literal.Pos(), text)
			}
		}
		return true
	})
	return found
}

// declarationAt names the declaration that a position is in, its comment included.
func declarationAt(file *ast.File, at token.Pos) string {
	for _, declaration := range file.Decls {
		from := declaration.Pos()
		var name string
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			name = d.Name.Name
			if d.Recv != nil && len(d.Recv.List) == 1 {
				name = receiver(d.Recv.List[0].Type) + "." + name
			}
			if d.Doc != nil {
				from = d.Doc.Pos()
			}
		case *ast.GenDecl:
			if d.Doc != nil {
				from = d.Doc.Pos()
			}
			name = specAt(d, at)
		}
		if from <= at && at <= declaration.End() {
			return name
		}
	}
	return ""
}

// specAt names the part of a declaration of several that a position is in.
func specAt(d *ast.GenDecl, at token.Pos) string {
	first := ""
	for _, spec := range d.Specs {
		name := ""
		switch s := spec.(type) {
		case *ast.TypeSpec:
			name = s.Name.Name
		case *ast.ValueSpec:
			name = s.Names[0].Name
		}
		if name == "_" {
			name = ""
		}
		if first == "" {
			first = name
		}
		if at <= spec.End() {
			return cmp.Or(name, first)
		}
	}
	return first
}

// clausePage is docs/clauses.md.
func clausePage(obeyed, proven map[clause][]place) string {
	all := map[clause]bool{}
	for c := range obeyed {
		all[c] = true
	}
	sorted := slices.SortedFunc(maps.Keys(all), func(a, b clause) int {
		return cmp.Or(byNumber(a.standard, b.standard), byNumber(a.section, b.section))
	})
	var untested []clause
	for _, c := range sorted {
		if len(provenBy(proven, c)) == 0 {
			untested = append(untested, c)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Clauses

Which declaration obeys a clause, and which test or module of the suite names it. Made from the comments and the rows of tests by
`+"`go test ./conformance -run TestClauses -update`"+`; a test holds it current. %d clauses, %d of them named by no test: they come first.
A test of a part of a clause counts for the clause. That no test names a clause does not say that none would fail.

## Named by no test

| clause | obeyed in |
|---|---|
`, len(sorted), len(untested))
	for _, c := range untested {
		fmt.Fprintf(&b, "| %s §%s | %s |\n", c.standard, c.section, list(obeyed[c]))
	}
	last := ""
	for _, c := range sorted {
		tests := provenBy(proven, c)
		if len(tests) == 0 {
			continue
		}
		if c.standard != last {
			fmt.Fprintf(&b, "\n## %s\n\n| clause | obeyed in | named by |\n|---|---|---|\n", c.standard)
			last = c.standard
		}
		fmt.Fprintf(&b, "| §%s | %s | %s |\n", c.section, list(obeyed[c]), list(tests))
	}
	return b.String()
}

// provenBy are the tests of a clause and of its parts.
func provenBy(proven map[clause][]place, of clause) []place {
	var found []place
	for c, places := range proven {
		if c == of || c.standard == of.standard && strings.HasPrefix(c.section, of.section+".") {
			for _, p := range places {
				if !slices.Contains(found, p) {
					found = append(found, p)
				}
			}
		}
	}
	return found
}

// list prints places, sorted, and no more than a reader wants.
func list(places []place) string {
	const most = 6
	var texts []string
	for _, p := range places {
		texts = append(texts, p.String())
	}
	slices.Sort(texts)
	if len(texts) > most {
		texts = append(texts[:most], fmt.Sprintf("and %d more", len(texts)-most))
	}
	return strings.Join(texts, "<br>")
}

var digits = regexp.MustCompile(`[0-9]+|[^0-9]+`)

// byNumber compares texts with the numbers in them taken as numbers.
func byNumber(a, b string) int {
	as, bs := digits.FindAllString(a, -1), digits.FindAllString(b, -1)
	for i := range min(len(as), len(bs)) {
		x, errX := strconv.Atoi(as[i])
		y, errY := strconv.Atoi(bs[i])
		order := cmp.Compare(as[i], bs[i])
		if errX == nil && errY == nil {
			order = cmp.Compare(x, y)
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(len(as), len(bs))
}

// TestACitationIsRead in each of its forms.
func TestACitationIsRead(t *testing.T) {
	for _, row := range []struct {
		text string
		want []clause
	}{
		{"RFC 9126 §2.1: the client authenticates", []clause{{"RFC 9126", "2.1"}}},
		{"(RFC 9449 §7.1, RFC 8705 §3)", []clause{{"RFC 9449", "7.1"}, {"RFC 8705", "3"}}},
		{"OpenID Connect Core §3.1.2.6 and\nRFC 6749 §4.1.2.1.", []clause{{"OpenID Connect Core", "3.1.2.6"}, {"RFC 6749", "4.1.2.1"}}},
		{"RFC 8628 §3.4, §3.5 and §5.1", []clause{{"RFC 8628", "3.4"}, {"RFC 8628", "3.5"}, {"RFC 8628", "5.1"}}},
		{"RFC 6749 §§4.1, §4.2", []clause{{"RFC 6749", "4.1"}, {"RFC 6749", "4.2"}}},
		{"OpenID Connect Core §A.1", []clause{{"OpenID Connect Core", "A.1"}}},
		{"RFC 6749 has many sections", nil},
	} {
		if got := clausesIn(row.text); !slices.Equal(got, row.want) {
			t.Errorf("%q: got %v, want %v", row.text, got, row.want)
		}
	}
}
