package bench

import (
	"math"
	"slices"
	"time"
)

// Result is one route at one number of callers, as --json writes it. Commits,
// signatures and queries are per operation.
type Result struct {
	Route       string  `json:"route"`
	Store       string  `json:"store"`
	Keys        string  `json:"keys"`
	Concurrency int     `json:"concurrency"`
	OpsPerS     float64 `json:"ops_per_s"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	Commits     float64 `json:"commits"`
	Signatures  float64 `json:"signatures"`
	Queries     float64 `json:"queries"`
	Errors      int     `json:"errors"`
	// CPU is of server and database, seconds per 1000 operations: the same
	// number as milliseconds per operation.
	CPU float64 `json:"cpu_s_per_1000"`
}

// percentile is the nearest-rank percentile of sorted times: the least of them
// that at least p of all do not exceed.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// tally makes a result of what was seen. Work that failed was paid for too, so the
// costs are divided by the operations that succeeded alone.
func tally(times []time.Duration, failed int, elapsed time.Duration, cost counters, databaseCPU float64) Result {
	slices.Sort(times)
	r := Result{Errors: failed, P50: milliseconds(percentile(times, 0.50)), P99: milliseconds(percentile(times, 0.99))}
	n := float64(len(times))
	if n == 0 || elapsed <= 0 {
		return r
	}
	r.OpsPerS = round(n/elapsed.Seconds(), 1)
	r.Commits, r.Signatures, r.Queries = round(cost.commits/n, 3), round(cost.signatures/n, 3), round(cost.queries/n, 3)
	r.CPU = round((cost.cpu+databaseCPU)/n*1000, 4)
	return r
}

func milliseconds(d time.Duration) float64 { return round(d.Seconds()*1000, 3) }

func round(x float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(x*scale) / scale
}
