package view_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"hopnhat/web/view"
)

// TestEveryFieldOfAPageIsFilled: what the page book shows is what a person can come to
// see: each field of a page is set by a handler, and each page shown by one.
func TestEveryFieldOfAPageIsFilled(t *testing.T) {
	shown, set := filled(t)
	seen := map[reflect.Type]bool{}
	var look func(typ reflect.Type)
	look = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] || !strings.Contains(typ.PkgPath(), "web/view") {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			field := typ.Field(i)
			if field.IsExported() && !set[field.Name] {
				t.Errorf("%s.%s is set by no handler", typ.Name(), field.Name)
			}
			look(field.Type)
		}
	}
	for _, sample := range view.Book() {
		typ := reflect.TypeOf(sample.Page)
		if !shown[typ.Name()] {
			shown[typ.Name()] = true // once
			t.Errorf("page %s is shown by no handler", typ.Name())
		}
		look(typ)
	}
}

// filled reads the handlers: which types of package view they make, and the names of
// the fields they set.
func filled(t *testing.T) (made, set map[string]bool) {
	t.Helper()
	made, set = map[string]bool{}, map[string]bool{}
	paths, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	rooms, err := filepath.Glob("../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	below, err := filepath.Glob("../*/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(rooms, below...) {
		if room := filepath.Base(filepath.Dir(path)); room != "view" && room != "static" {
			paths = append(paths, path)
		}
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.SelectorExpr:
				if from, ok := node.X.(*ast.Ident); ok && from.Name == "view" {
					made[node.Sel.Name] = true
				}
			case *ast.KeyValueExpr:
				if key, ok := node.Key.(*ast.Ident); ok {
					set[key.Name] = true
				}
			case *ast.AssignStmt:
				for _, left := range node.Lhs {
					if field, ok := left.(*ast.SelectorExpr); ok {
						set[field.Sel.Name] = true
					}
				}
			case *ast.UnaryExpr: // &out.Permitted
				if field, ok := node.X.(*ast.SelectorExpr); ok {
					set[field.Sel.Name] = true
				}
			}
			return true
		})
	}
	return made, set
}
