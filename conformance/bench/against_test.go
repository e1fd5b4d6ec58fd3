package bench

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/conformance/harness"
)

func TestQuantileLiesBetweenNeighbours(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		values []float64
		p      float64
		want   float64
	}{
		{"none", nil, 0.5, 0},
		{"one is every quantile", []float64{3}, 0.75, 3},
		{"the median of an odd number is the middle", []float64{9, 1, 2}, 0.5, 2},
		{"the median of an even number is between two", []float64{4, 1, 2, 3}, 0.5, 2.5},
		{"the lower quartile of five is the second", []float64{5, 4, 3, 2, 1}, 0.25, 2},
		{"the upper quartile of five is the fourth", []float64{5, 4, 3, 2, 1}, 0.75, 4},
		{"the upper quartile of four, in proportion", []float64{1, 2, 3, 4}, 0.75, 3.25},
	} {
		if got := quantile(row.values, row.p); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}

// TestQuartilesEncloseTheMedian: whatever was measured, and a program against itself
// is at 1.
func TestQuartilesEncloseTheMedian(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cpu := rapid.Float64Range(0.01, 100)
		var pairs, same []pair
		for range rapid.IntRange(1, 30).Draw(t, "pairs") {
			p := pair{cpu.Draw(t, "ours"), cpu.Draw(t, "theirs")}
			pairs, same = append(pairs, p), append(same, pair{p.ours, p.ours})
		}
		got := compared("par", "sqlite", pairs)
		if got.Pairs != len(pairs) || len(got.Ratios) != len(pairs) {
			t.Fatalf("of %d pairs: %+v", len(pairs), got)
		}
		low, high := slices.Min(got.Ratios), slices.Max(got.Ratios)
		if !slices.IsSorted([]float64{low, got.Quartile[0], got.Ratio, got.Quartile[1], high}) {
			t.Fatalf("out of order: %+v", got)
		}
		if even := compared("par", "sqlite", same); even.Ratio != 1 || !slices.Equal(even.Quartile, []float64{1, 1}) || even.CPU != even.Against {
			t.Fatalf("a program is not as dear as itself: %+v", even)
		}
	})
}

func TestComparisonIsOfTheMedianRatioNotOfTheMedians(t *testing.T) {
	t.Parallel()
	got := compared("par", "sqlite", []pair{{1, 2}, {4, 2}, {9, 6}})
	if got.Ratio != 1.5 || got.CPU != 4 || got.Against != 2 || !slices.Equal(got.Ratios, []float64{0.5, 2, 1.5}) || !slices.Equal(got.Quartile, []float64{1, 1.75}) {
		t.Errorf("%+v", got)
	}
}

// TestAProgramAgainstItself: two servers run side by side, each pair is measured on both,
// and the table and the JSON tell of every route.
func TestAProgramAgainstItself(t *testing.T) {
	t.Parallel()
	var out, lines bytes.Buffer
	program := harness.Binary(t)
	c := Contest{
		// Long enough for a server to use a measurable time, whatever else runs.
		Options: Options{
			Program: program, Duration: 300 * time.Millisecond, Callers: []int{2}, Accounts: 100, Routes: []string{"jwks", "par"}, Out: &out, JSON: &lines,
		},
		Against: program, Pairs: 2,
	}
	found, err := Compare(t.Context(), c, Store{Name: "sqlite"})
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	decoder := json.NewDecoder(&lines)
	for i, route := range c.Routes {
		var told Comparison
		if err := decoder.Decode(&told); err != nil {
			t.Fatal(err)
		}
		if i >= len(found) || told.Route != route || told.Pairs != 2 || len(told.Ratios) != 2 || told.CPU <= 0 || told.Against <= 0 ||
			found[i].Ratio != told.Ratio {
			t.Errorf("%s: %+v", route, told)
		}
		if !strings.Contains(out.String(), "sqlite     "+route) {
			t.Errorf("the table does not tell of %s:\n%s", route, &out)
		}
	}
	if _, err := Compare(t.Context(), Contest{Options: Options{Callers: []int{1, 2}}, Pairs: 1}, Store{}); err == nil {
		t.Error("two numbers of callers were compared")
	}
}
