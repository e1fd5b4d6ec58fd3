package bench

import (
	"slices"
	"strings"
	"testing"
)

// TestStores: without a cluster only SQLite is measured, with one both, and what was asked
// for is done or refused.
func TestStores(t *testing.T) {
	const cluster = "postgres://localhost"
	for _, row := range []struct {
		name, wanted, cluster string
		want                  string
		why                   string
	}{
		{"nothing said, no cluster", "", "", "sqlite", ""},
		{"nothing said, a cluster", "", cluster, "sqlite,postgres", ""},
		{"SQLite only", "sqlite", cluster, "sqlite", ""},
		{"PostgreSQL only", "postgres", cluster, "postgres", ""},
		{"both", "both", cluster, "sqlite,postgres", ""},
		{"PostgreSQL without a cluster", "postgres", "", "", "needs HOPNHAT_BENCH_POSTGRES"},
		{"both without a cluster", "both", "", "", "needs HOPNHAT_BENCH_POSTGRES"},
		{"no store", "oracle", cluster, "", `there is no "oracle"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := benchStores(row.wanted, row.cluster)
			if strings.Join(got, ",") != row.want || (err == nil) != (row.why == "") ||
				err != nil && !strings.Contains(err.Error(), row.why) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// TestNumbersOfCallers: a list of numbers within the bound.
func TestNumbersOfCallers(t *testing.T) {
	if got, err := numbers("1,16 64", 64); err != nil || !slices.Equal(got, []int{1, 16, 64}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, list := range []string{"0", "65", "-1", "many", "1,,x"} {
		if got, err := numbers(list, 64); err == nil || !strings.Contains(err.Error(), "from 1 to 64") {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
}
