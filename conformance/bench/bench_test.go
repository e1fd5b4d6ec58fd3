package bench

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPercentileIsTheNearestRank(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, row := range []struct {
		name   string
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{"nothing measured", nil, 0.5, 0},
		{"one is every percentile", hundred[:1], 0.99, 1},
		{"median of two is the lower", hundred[:2], 0.5, 1},
		{"p99 of two is the higher", hundred[:2], 0.99, 2},
		{"median of a hundred", hundred, 0.5, 50},
		{"p99 of a hundred", hundred, 0.99, 99},
		{"all", hundred, 1, 100},
	} {
		if got := percentile(row.sorted, row.p); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
}

func TestPercentileCoversItsShare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var times []time.Duration
		for _, n := range rapid.SliceOfN(rapid.Int64Range(0, 1e9), 1, 200).Draw(t, "times") {
			times = append(times, time.Duration(n))
		}
		slices.Sort(times)
		p := rapid.Float64Range(0.01, 1).Draw(t, "p")
		got := percentile(times, p)
		within := 0
		for _, d := range times {
			if d <= got {
				within++
			}
		}
		if !slices.Contains(times, got) || float64(within) < p*float64(len(times)) {
			t.Fatalf("percentile %v of %v is %d, which covers %d", p, times, got, within)
		}
	})
}

func TestTallyDividesByWhatSucceeded(t *testing.T) {
	t.Parallel()
	times := []time.Duration{4 * time.Millisecond, 2 * time.Millisecond}
	got := tally(times, 1, time.Second, counters{commits: 4, signatures: 2, queries: 5, cpu: 0.006}, 0.002)
	want := Result{OpsPerS: 2, P50: 2, P99: 4, Commits: 2, Signatures: 1, Queries: 2.5, Errors: 1, CPU: 4}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if empty := tally(nil, 3, time.Second, counters{commits: 1}, 0); empty != (Result{Errors: 3}) {
		t.Errorf("nothing succeeded: %+v", empty)
	}
}

func TestResultHasExactlyTheKeysPromised(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(Result{})
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"commits", "concurrency", "cpu_s_per_1000", "errors", "keys", "ops_per_s", "p50_ms", "p99_ms", "queries", "route", "signatures", "store"}
	if !slices.Equal(names, want) {
		t.Errorf("keys %v, want %v", names, want)
	}
}

const page = `# HELP hopnhat_store_queries_total Statements sent to the main database.
# TYPE hopnhat_store_queries_total counter
hopnhat_store_queries_total 1.234567e+06
hopnhat_store_commits_total 12
hopnhat_keys_signatures_total 7
hopnhat_keys_signatures_total_of_others 99
hopnhat_process_cpu_seconds_total 3.25
`

func TestMetricsAreReadByName(t *testing.T) {
	t.Parallel()
	got, err := parseMetrics(page)
	if err != nil {
		t.Fatal(err)
	}
	if want := (counters{commits: 12, signatures: 7, queries: 1234567, cpu: 3.25}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, bad := range []string{"", "hopnhat_store_commits_total 1\n", "hopnhat_store_commits_total many\n"} {
		if _, err := parseMetrics(bad); err == nil {
			t.Errorf("%q was taken for a whole page", bad)
		}
	}
}

func FuzzMetrics(f *testing.F) {
	f.Add(page)
	f.Add("a b\nhopnhat_store_commits_total NaN")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = parseMetrics(text) })
}

func TestStatCountsFromTheLastParenthesis(t *testing.T) {
	t.Parallel()
	got, err := parseStat("4242 (post) gres 1 2 3) S 77 1 1 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 1 0 5 6 7\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := (process{parent: 77, ticks: 200, reaped: 50}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, bad := range []string{"", "1 (x) S 1", "1 x S 77 1 1 0 -1 4194560 1 2 3 4 150 50 30 20", "1 (x) S y 1 1 0 -1 4194560 1 2 3 4 150 50 30 20"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzStat(f *testing.F) {
	f.Add("1 (x) S 77 1 1 0 -1 4194560 1 2 3 4 150 50 30 20 20 0")
	f.Fuzz(func(_ *testing.T, line string) { _, _ = parseStat(line) })
}

func TestFormIsReadAsABrowserWould(t *testing.T) {
	t.Parallel()
	action, fields, ok := readForm([]byte(`<header><form action="/out"><input type="hidden" name="csrf" value="other"></form></header>
<main><form class="stack" method="post" action="/signin?x=1&amp;y=2"><input type="hidden" name="csrf" value="a&#43;b"><input type="hidden" name="a" value="1">
<input type="checkbox" name="item" value="i1"><input type="checkbox" name="item" value="i2" checked></form></main>`))
	if !ok || action != "/signin?x=1&y=2" || fields.Get("csrf") != "a+b" || fields.Get("a") != "1" || !slices.Equal(fields["item"], []string{"i1", "i2"}) {
		t.Errorf("action %q, fields %v, %v", action, fields, ok)
	}
	if _, _, ok := readForm([]byte("<main>nothing</main>")); ok {
		t.Error("a form was found where none is")
	}
}

func FuzzForm(f *testing.F) {
	f.Add([]byte(`<main><form action="/x"><input type="hidden" name="a" value="b"></form>`))
	f.Fuzz(func(_ *testing.T, page []byte) { readForm(page) })
}

func TestPeopleGiveEachCodeOnce(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000*30+5, 0)
	p := newPeople([]*person{{seed: []byte("12345678901234567890")}, {seed: []byte("09876543210987654321")}})
	p.now = func() time.Time { return now }
	seen := map[string]bool{}
	for range 6 {
		login, ok := p.next()
		if !ok {
			t.Fatal("people ran out early")
		}
		key := string(login.person.seed) + login.code
		if seen[key] {
			t.Error("a code was given twice")
		}
		seen[key] = true
	}
	if _, ok := p.next(); ok {
		t.Error("a code beyond the next step was given")
	}
	now = now.Add(30 * time.Second)
	if _, ok := p.next(); !ok {
		t.Error("a new step brought no new code")
	}
}

func TestOneTimeCodeOfRFC6238AppendixB(t *testing.T) {
	t.Parallel()
	if got := oneTimeCode([]byte("12345678901234567890"), 59/30); got != "287082" {
		t.Errorf("got %s", got)
	}
}
