package store_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// allColumns is a statement that asks for whatever columns there are.
var allColumns = regexp.MustCompile(`(?i)(SELECT|RETURNING) \*|[, ][a-z]+\.\*`)

// TestStatementsNameTheirColumns: PostgreSQL refuses a prepared statement whose result has
// changed its type, once on each connection. So one that asks for all columns fails at the
// nodes that are running when a migration adds one.
func TestStatementsNameTheirColumns(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, below := range []string{"keybook/*.go", "signins/*.go", "handle/*.go", "registry/*.go", "tlog/*.go"} {
		more, err := filepath.Glob(below)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	for _, file := range files {
		if ok, _ := filepath.Match("*_test.go", filepath.Base(file)); ok {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if at := allColumns.Find(text); at != nil {
			t.Errorf("%s asks for all columns: %q", file, at)
		}
	}
	if !allColumns.MatchString("SELECT d.id, g.* FROM") || !allColumns.MatchString("RETURNING *") ||
		allColumns.MatchString("SELECT count(*) FROM") {
		t.Error("the rule does not bite")
	}
}
