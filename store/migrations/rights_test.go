package migrations

import (
	"flag"
	"os"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write docs/rights.md")

// TestRightsPage: docs/rights.md is what the table of rights says.
func TestRightsPage(t *testing.T) {
	const page = "../../docs/rights.md"
	if *update {
		if err := os.WriteFile(page, []byte(RightsPage()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(raw) != RightsPage() {
		t.Error("docs/rights.md is not what the table says: go test ./store/migrations -run TestRightsPage -update")
	}
}

// TestCellsAreSpelled: what a cell of the table says is what PostgreSQL is told.
func TestCellsAreSpelled(t *testing.T) {
	for _, row := range []struct{ cell, want string }{
		{"rawd", "SELECT, INSERT, UPDATE, DELETE"},
		{"r", "SELECT"},
		{"ra w(log_index,log_origin)", "SELECT, INSERT, UPDATE (log_index, log_origin)"},
		{"r w(held)", "SELECT, UPDATE (held)"},
	} {
		if got := spelled(row.cell); got != row.want {
			t.Errorf("%s: %q, want %q", row.cell, got, row.want)
		}
	}
}

// TestEachColumnIsGranted: by itself, beside what is of the whole table.
func TestEachColumnIsGranted(t *testing.T) {
	for _, row := range []struct {
		cell string
		want []string
	}{
		{"", nil},
		{"rawd", []string{"SELECT, INSERT, UPDATE, DELETE"}},
		{"ra w(log_index,log_origin)", []string{"SELECT, INSERT", "UPDATE (log_index)", "UPDATE (log_origin)"}},
		{"w(held)", []string{"UPDATE (held)"}},
	} {
		if got := grants(row.cell); !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", row.cell, got, row.want)
		}
	}
}

// TestRightsAreSorted: a table stands once, where one looks for it.
func TestRightsAreSorted(t *testing.T) {
	names := Tables()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not sorted, or twice: %q", names)
	}
}
