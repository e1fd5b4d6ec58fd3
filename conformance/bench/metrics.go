package bench

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// counters are the totals that the server tells of itself at /metrics.
type counters struct {
	commits, signatures, queries, cpu float64
}

// names of the totals, none of which has labels.
const (
	commitsTotal    = "hopnhat_store_commits_total"
	queriesTotal    = "hopnhat_store_queries_total"
	signaturesTotal = "hopnhat_keys_signatures_total"
	cpuTotal        = "hopnhat_process_cpu_seconds_total"
)

// parseMetrics reads the totals out of the Prometheus text format 0.0.4. One that
// is missing is an error: a zero that was not measured must not look like one
// that was.
func parseMetrics(text string) (counters, error) {
	var c counters
	wanted := map[string]*float64{commitsTotal: &c.commits, queriesTotal: &c.queries, signaturesTotal: &c.signatures, cpuTotal: &c.cpu}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		into, ok := wanted[fields[0]]
		if !ok {
			continue
		}
		value, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return counters{}, fmt.Errorf("reading %s of /metrics: %w", fields[0], err)
		}
		*into = value
		delete(wanted, fields[0])
	}
	if err := lines.Err(); err != nil {
		return counters{}, fmt.Errorf("reading /metrics: %w", err)
	}
	for name := range wanted {
		return counters{}, fmt.Errorf("/metrics does not tell %s", name)
	}
	return c, nil
}

func (c counters) minus(before counters) counters {
	return counters{c.commits - before.commits, c.signatures - before.signatures, c.queries - before.queries, c.cpu - before.cpu}
}
