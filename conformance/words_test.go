package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The widest lines, a tab counted as four columns. A row of a table may be wider: it is
// read down as well as across. So may a line that is wide by one text, which is searched
// for as it stands.
const (
	maxComment = 100
	maxCode    = 140
	tab        = 4
)

// TestWords holds every Go file to the rules of how it is written: what a doc comment
// says, how wide a line is, how a standard is spelled, and what is not referred to.
func TestWords(t *testing.T) {
	root := repositoryRoot(t)
	for _, file := range readSources(t, root) {
		if file.Generated {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file.Path)))
		if err != nil {
			t.Fatal(err)
		}
		for _, complaint := range wordsOf(t, root, file.Path, string(text)) {
			t.Error(complaint)
		}
	}
}

// wordsOf checks one file of a repository.
func wordsOf(t *testing.T, root, name, text string) []string {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	complain := func(line int, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s:%d: %s", name, line, fmt.Sprintf(format, args...)))
	}
	exempt := tableLines(set, parsed)
	for i, line := range strings.Split(text, "\n") {
		width := utf8.RuneCountInString(line) + strings.Count(line, "\t")*(tab-1)
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "//"):
			if width > maxComment && !strings.Contains(line, "://") && !strings.Contains(line, "//go:") {
				complain(i+1, "a comment of %d columns, more than %d", width, maxComment)
			}
		case width > maxCode && !exempt[i+1] && !mostlyText(line):
			complain(i+1, "a line of %d columns, more than %d", width, maxCode)
		}
	}
	for _, declaration := range parsed.Decls {
		begins(set, declaration, complain)
	}
	names := strings.HasSuffix(name, "/clauses_test.go") || strings.HasSuffix(name, "/words_test.go")
	ast.Inspect(parsed, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if ok && literal.Kind == token.STRING && !names {
			for _, written := range misspelled(literal.Value) {
				complain(set.Position(literal.Pos()).Line, "%s", written)
			}
		}
		return true
	})
	for _, group := range parsed.Comments {
		for _, written := range append(misspelled(group.Text()), missingPages(root, group.Text())...) {
			complain(set.Position(group.Pos()).Line, "%s", written)
		}
	}
	return found
}

// tableLines are those of the rows of a table, which are the elements of a literal of a
// slice, an array or a map, and those of texts of several lines.
func tableLines(set *token.FileSet, file *ast.File) map[int]bool {
	lines := map[int]bool{}
	mark := func(n ast.Node) {
		for line := set.Position(n.Pos()).Line; line <= set.Position(n.End()).Line; line++ {
			lines[line] = true
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if text, ok := n.(*ast.BasicLit); ok && strings.HasPrefix(text.Value, "`") {
			if strings.Contains(text.Value, "\n") { // SQL, for instance
				mark(text)
			}
		}
		literal, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		switch literal.Type.(type) {
		case *ast.ArrayType, *ast.MapType:
		default:
			return true
		}
		for _, row := range literal.Elts {
			mark(row)
		}
		return true
	})
	return lines
}

// quoted are the texts of a line of code.
var quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`?")

// mostlyText reports whether a line without its longest text is not wide.
func mostlyText(line string) bool {
	longest := 0
	for _, text := range quoted.FindAllString(line, -1) {
		longest = max(longest, utf8.RuneCountInString(text))
	}
	return utf8.RuneCountInString(line)-longest <= maxCode-40
}

// begins checks that a doc comment of an exported thing begins with its name, so that
// every page that shows it alone is understood.
func begins(set *token.FileSet, declaration ast.Decl, complain func(int, string, ...any)) {
	check := func(name string, text *ast.CommentGroup) {
		if text == nil || !ast.IsExported(name) {
			return
		}
		first := strings.TrimSpace(text.Text())
		for _, article := range []string{"A ", "An ", "The "} {
			first = strings.TrimPrefix(first, article)
		}
		word, _, _ := strings.Cut(strings.ReplaceAll(first, "\n", " "), " ")
		if strings.TrimRight(word, ",.:;'s") != strings.TrimRight(name, "s") {
			complain(set.Position(text.Pos()).Line, "the comment of %s does not begin with its name", name)
		}
	}
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if !testName.MatchString(d.Name.Name) {
			check(d.Name.Name, d.Doc)
		}
	case *ast.GenDecl:
		if d.Tok != token.TYPE || d.Lparen.IsValid() {
			return
		}
		for _, spec := range d.Specs {
			if typ, ok := spec.(*ast.TypeSpec); ok {
				check(typ.Name.Name, d.Doc)
			}
		}
	}
}

// testName is that of a test, which is a sentence itself.
var testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark)`)

// page is a reference to a page of the repository.
var page = regexp.MustCompile(`\b[A-Za-z0-9_/.-]+\.md\b`)

// missingPages are the pages that a text refers to and that are not there.
func missingPages(root, text string) []string {
	var found []string
	for _, name := range page.FindAllString(text, -1) {
		for _, at := range []string{name, "docs/" + name, "conformance/clients/" + name, "conformance/vaultd/" + name} {
			if _, err := os.Stat(filepath.Join(root, at)); err == nil {
				name = ""
				break
			}
		}
		if name != "" {
			found = append(found, fmt.Sprintf("%q is no page of the repository", name))
		}
	}
	return found
}

// misspelled finds spellings of a standard that a search for the usual one does not find.
func misspelled(text string) []string {
	var found []string
	text = strings.Join(strings.Fields(text), " ")
	for _, s := range standards {
		for _, other := range s.Others {
			if i := strings.Index(text, other+" §"); i >= 0 && !strings.HasSuffix(text[:i], strings.TrimSuffix(s.Name, other)) {
				found = append(found, fmt.Sprintf("%q is spelled %q", other, s.Name))
			}
		}
	}
	return found
}

// TestWordRulesBite shows each rule a file that breaks it, and one that does not.
func TestWordRulesBite(t *testing.T) {
	root, wide := repositoryRoot(t), strings.Repeat("x, ", 60)
	for _, row := range []struct {
		name, text, want string
	}{
		{"a wide comment", "// " + strings.Repeat("word ", 25) + "\npackage a\n", "a comment of"},
		{"a wide address in a comment", "// https://example.com/" + strings.Repeat("a", 120) + "\npackage a\n", ""},
		{"a wide line", "package a\n\nfunc f() { g(" + wide + "x) }\n", "a line of"},
		{"a wide row", "package a\n\nvar t = []row{\n\t{" + wide + "x},\n}\n", ""},
		{"a wide text", "package a\n\nvar s = \"" + wide + "\"\n", ""},
		{"a comment of another name", "package a\n\n// Reads it.\nfunc Get() {}\n", "does not begin with its name"},
		{"a comment of its name", "package a\n\n// Get reads it.\nfunc Get() {}\n", ""},
		{"a type with an article", "package a\n\n// A Thing is one.\ntype Thing int\n", ""},
		{"a standard by another name", "package a\n\n// f obeys OIDC Core §3.1.\nfunc f() {}\n", "is spelled"},
		{"a standard by its name", "package a\n\n// f obeys OpenID Connect Core §3.1.\nfunc f() {}\n", ""},
		{"a paper that is not here", "package a\n\n// f is explained in elsewhere.md.\nfunc f() {}\n", "no page of the repository"},
		{"a page that is here", "package a\n\n// f is explained in docs/decisions.md.\nfunc f() {}\n", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := wordsOf(t, root, "a.go", row.text)
			if row.want == "" && len(got) > 0 || row.want != "" && (len(got) != 1 || !strings.Contains(got[0], row.want)) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	if !slices.IsSortedFunc(standards, func(a, b standard) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the standards are not sorted by name")
	}
}
