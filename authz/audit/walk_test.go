package audit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestEachActionIsWrittenSomewhere: the constants of action.go are the table, and the
// product hands each of them on outside of it. What only asks whether an event is of an action, in
// a case, a comparison or a list, writes none.
func TestEachActionIsWrittenSomewhere(t *testing.T) {
	own, err := parser.ParseFile(token.NewFileSet(), "action.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]Action{}
	ast.Inspect(own, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Action" {
			for i, name := range spec.Names {
				text, err := strconv.Unquote(spec.Values[i].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				constants[name.Name] = Action(text)
			}
		}
		return true
	})
	if len(constants) != len(Actions()) {
		t.Errorf("%d constants, %d rows", len(constants), len(Actions()))
	}
	named := map[string]bool{}
	root := filepath.Join("..", "..")
	for _, folder := range []string{"authz", "cmd", "federation", "keys", "store", "web"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				strings.HasSuffix(path, "audit/action.go") {
				return err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			inside, asking := parsed.Name.Name == "audit", map[ast.Node]bool{}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if asking[n] {
					return false
				}
				switch n := n.(type) {
				case *ast.CaseClause:
					for _, value := range n.List {
						asking[value] = true
					}
				case *ast.BinaryExpr:
					asking[n.X], asking[n.Y] = isName(n.X), isName(n.Y)
				case *ast.CompositeLit:
					for _, element := range n.Elts {
						pair, of := element.(*ast.KeyValueExpr)
						asking[element] = isName(element) || of && isPair(pair)
					}
				case *ast.SelectorExpr:
					if from, ok := n.X.(*ast.Ident); ok && from.Name == "audit" {
						named[n.Sel.Name] = true
					}
				case *ast.Ident:
					if inside {
						named[n.Name] = true
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, action := range constants {
		if !named[name] && !(named["KeyMoved"] && strings.HasPrefix(string(action), "key.")) {
			t.Errorf("nobody writes %s (%q)", name, action)
		}
		if _, err := ruleOf(action); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// isName reports whether an expression is a name and nothing else.
func isName(e ast.Expr) bool {
	switch e.(type) {
	case *ast.Ident, *ast.SelectorExpr:
		return true
	}
	return false
}

// isPair reports whether a key and its value stand in a map of names and are no field of a struct.
func isPair(pair *ast.KeyValueExpr) bool {
	_, key := pair.Key.(*ast.SelectorExpr)
	return key && isName(pair.Value)
}
