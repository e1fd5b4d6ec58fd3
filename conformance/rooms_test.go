package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a room may hold. A package that is larger is more than one idea, and so is a type
// with more methods.
const maxMethods = 30

// maxRoom are the most lines that are no tests of one package, by top-level folder.
var maxRoom = map[string]int{"authz": 2000, "cmd": 2000, "federation": 2000, "keys": 2000, "web": 2000, "store": 3000, "conformance": 4000}

// room is one package, without its tests.
type room struct {
	lines   int
	methods map[string]int  // by type
	arrows  map[string]bool // packages of ours that it imports
}

// TestRooms holds every package to its size, and prints the largest.
func TestRooms(t *testing.T) {
	root := repositoryRoot(t)
	rooms := map[string]*room{}
	for _, file := range readSources(t, root) {
		if file.test() || strings.HasSuffix(file.Path, "_test.go") || file.Generated {
			continue
		}
		r := rooms[file.dir()]
		if r == nil {
			r = &room{methods: map[string]int{}, arrows: map[string]bool{}}
			rooms[file.dir()] = r
		}
		r.lines += file.Lines
		for _, imported := range file.Imports {
			if ours, ok := cutModule(imported); ok {
				r.arrows[ours] = true
			}
		}
		for typ, n := range methodsIn(t, filepath.Join(root, filepath.FromSlash(file.Path))) {
			r.methods[typ] += n
		}
	}
	complaints := crowded(rooms)
	for _, complaint := range complaints {
		t.Error(complaint)
	}
	arrows := 0
	for _, r := range rooms {
		arrows += len(r.arrows)
	}
	t.Logf("%d packages, %d arrows between them", len(rooms), arrows)
	bySize := slices.SortedFunc(maps.Keys(rooms), func(a, b string) int { return rooms[b].lines - rooms[a].lines })
	for _, name := range bySize[:min(12, len(bySize))] {
		r := rooms[name]
		most, typ := 0, ""
		for candidate, n := range r.methods {
			if n > most || n == most && candidate < typ {
				most, typ = n, candidate
			}
		}
		t.Logf("%5d lines, %2d arrows: %s (most methods: %s, %d)", r.lines, len(r.arrows), name, typ, most)
	}
	// A circle of imports needs no rule here: it does not compile.
}

// fence is a drawing or a listing of docs/architecture.md, inBackticks what stands in backticks.
var fence, inBackticks = regexp.MustCompile("(?s)```.*?```"), regexp.MustCompile("`([^`\n]+)`")

// TestEachRoomIsInTheTables: docs/architecture.md names every package of the product, by its path,
// or, in the row of the folder above, by its last segment.
func TestEachRoomIsInTheTables(t *testing.T) {
	root := repositoryRoot(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, found := range inBackticks.FindAllStringSubmatch(fence.ReplaceAllString(string(page), ""), -1) {
		named[found[1]] = true
	}
	rooms := map[string]bool{}
	for _, file := range readSources(t, root) {
		top, _, below := strings.Cut(file.dir(), "/")
		if _, bounded := maxRoom[top]; bounded && below && top != "conformance" && !strings.HasSuffix(file.Path, "_test.go") {
			rooms[file.dir()] = true
		}
	}
	for _, room := range slices.Sorted(maps.Keys(rooms)) {
		if !named[room] && !named[path.Base(room)] {
			t.Errorf("%s stands in no table of docs/architecture.md", room)
		}
	}
	if len(rooms) < 100 {
		t.Errorf("only %d packages were found", len(rooms))
	}
}

// crowded names the packages and types that hold too much.
func crowded(rooms map[string]*room) []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(rooms)) {
		top, _, _ := strings.Cut(name, "/")
		if most, ok := maxRoom[top]; ok && rooms[name].lines > most {
			found = append(found, fmt.Sprintf("%s: %d lines, more than %d: it holds more than one idea", name, rooms[name].lines, most))
		}
		for _, typ := range slices.Sorted(maps.Keys(rooms[name].methods)) {
			if n := rooms[name].methods[typ]; n > maxMethods {
				found = append(found, fmt.Sprintf("%s.%s: %d methods, more than %d", name, typ, n, maxMethods))
			}
		}
	}
	return found
}

// methodsIn counts the methods of each type in a file.
func methodsIn(t *testing.T, name string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, declaration := range parsed.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Recv == nil || len(function.Recv.List) != 1 {
			continue
		}
		count[receiver(function.Recv.List[0].Type)]++
	}
	return count
}

// receiver is the name of a receiver's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// TestRoomRulesBite shows the bounds a package and a type that break them.
func TestRoomRulesBite(t *testing.T) {
	for _, row := range []struct {
		name string
		room string
		is   room
		want string
	}{
		{"a large package", "authz/provider", room{lines: 2001}, "2001 lines"},
		{"one that just fits", "authz/provider", room{lines: 2000}, ""},
		{"storage may be larger", "store", room{lines: 2500}, ""},
		{"but not without end", "store", room{lines: 3001}, "3001 lines"},
		{"a type with many methods", "store", room{methods: map[string]int{"DB": 31}}, "store.DB: 31 methods"},
		{"one that just fits too", "store", room{methods: map[string]int{"DB": 30}}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := crowded(map[string]*room{row.room: &row.is})
			if row.want == "" && len(got) > 0 || row.want != "" && (len(got) != 1 || !strings.Contains(got[0], row.want)) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
