package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// link is a doc link to a thing of the same package or of another of ours: in brackets a
// name, Type.Member, or either after a package. What an address follows is none.
var link = regexp.MustCompile(`(?:^|[^\w\])])\[\*?((?:[a-z]\w*\.)?[A-Z]\w*(?:\.[A-Z]\w*)?)\](?:[^(\[:\w]|$)`)

// TestLinks: what a comment links to is there, so that nobody looks for a thing that has
// another name by now.
func TestLinks(t *testing.T) {
	root := repositoryRoot(t)
	set, files := token.NewFileSet(), map[string]*ast.File{}
	names := map[string]map[string]bool{} // by folder
	for _, file := range readSources(t, root) {
		name := filepath.Join(root, filepath.FromSlash(file.Path))
		parsed, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files[file.Path] = parsed
		if names[file.dir()] == nil {
			names[file.dir()] = map[string]bool{}
		}
		declare(parsed, names[file.dir()])
	}
	for name, parsed := range files {
		for _, group := range parsed.Comments {
			for _, complaint := range brokenLinks(names, path.Dir(name), group.Text()) {
				t.Errorf("%s:%d: %s", name, set.Position(group.Pos()).Line, complaint)
			}
		}
	}
}

// brokenLinks are the links of a comment in a folder that lead to nothing of ours.
func brokenLinks(names map[string]map[string]bool, folder, text string) []string {
	var found []string
	for _, m := range link.FindAllStringSubmatch(strings.Join(strings.Fields(text), " "), -1) {
		to, where := m[1], []string{folder}
		if owner, member, _ := strings.Cut(to, "."); !ast.IsExported(owner) {
			to, where = member, nil
			for candidate := range names {
				if path.Base(candidate) == owner {
					where = append(where, candidate)
				}
			}
		}
		there := func(in string) bool { return names[in][to] }
		if len(where) > 0 && !slices.ContainsFunc(where, there) { // without a folder it is a package of others
			found = append(found, fmt.Sprintf("[%s] is not there", m[1]))
		}
	}
	return found
}

// declare adds what a file declares: its names, and Type.Member for methods and fields.
func declare(file *ast.File, into map[string]bool) {
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil && len(d.Recv.List) == 1 {
				name = receiver(d.Recv.List[0].Type) + "." + name
			}
			into[name] = true
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range s.Names {
						into[name.Name] = true
					}
				case *ast.TypeSpec:
					into[s.Name.Name] = true
					for _, member := range members(s.Type) {
						into[s.Name.Name+"."+member] = true
					}
				}
			}
		}
	}
}

// members are the fields of a struct or the methods of an interface, by name.
func members(of ast.Expr) []string {
	var fields *ast.FieldList
	switch of := of.(type) {
	case *ast.StructType:
		fields = of.Fields
	case *ast.InterfaceType:
		fields = of.Methods
	default:
		return nil
	}
	var found []string
	for _, field := range fields.List {
		for _, name := range field.Names {
			found = append(found, name.Name)
		}
	}
	return found
}

// TestLinkRulesBite shows links that lead somewhere, and links that do not.
func TestLinkRulesBite(t *testing.T) {
	names := map[string]map[string]bool{"authz/audit": {"Event": true, "Event.ID": true}, "store": {"Open": true}}
	for _, row := range []struct{ text, want string }{
		{"see [Event] and\n[Event.ID].", ""},
		{"see [audit.Event]", ""},
		{"see [*Event]", ""},
		{"see [Gone]", "[Gone]"},
		{"see [Event.Gone], too", "[Event.Gone]"},
		{"see [audit.Gone].", "[audit.Gone]"},
		{"of another library: [tls.Config]", ""},
		{"no doc link: [Gone](https://example.com), [Gone]: there", ""},
		{"an index, list[N], is none", ""},
	} {
		got := strings.Join(brokenLinks(names, "authz/audit", row.text), "; ")
		if row.want == "" && got != "" || row.want != "" && got != row.want+" is not there" {
			t.Errorf("%q: got %q, want %q", row.text, got, row.want)
		}
	}
}
