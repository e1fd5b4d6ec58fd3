package main

import (
	"net/http"
	"runtime"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"hopnhat/authz/session"
	"hopnhat/keys"
)

// metrics are the counters of this process for Prometheus. The benchmark reads
// them before and after a route.
func metrics(p *parts) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector())
	counter := func(name, help string, read func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
	}
	counter("hopnhat_store_queries_total", "Statements sent to the main database.", func() float64 { return float64(p.db.Stats().Queries) })
	counter("hopnhat_store_commits_total", "Commits on the main database.", func() float64 { return float64(p.db.Stats().Commits) })
	counter("hopnhat_keys_signatures_total", "Signatures made.", func() float64 { return float64(p.ring.Stats().Signatures) })
	counter("hopnhat_keys_calls_total", "Calls to the key store.", func() float64 { return float64(p.ring.Stats().Calls) })
	for _, cause := range keys.Causes {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "hopnhat_keys_failures_total", Help: "Uses of keys that failed, by cause.", ConstLabels: prometheus.Labels{"cause": string(cause)},
		}, func() float64 { return float64(p.ring.Stats().Failures[cause]) }))
	}
	counter("hopnhat_process_cpu_seconds_total", "CPU time of this process, user and system.", cpuSeconds)
	for outcome, read := range map[string]func(session.Stats) uint64{
		"delivered": func(s session.Stats) uint64 { return s.Delivered },
		"failed":    func(s session.Stats) uint64 { return s.Failed },
		"given_up":  func(s session.Stats) uint64 { return s.GivenUp },
	} {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "hopnhat_logout_tokens_total", Help: "Logout tokens that apps took, attempts that failed, and tokens given up.", ConstLabels: prometheus.Labels{"outcome": outcome},
		}, func() float64 { return float64(read(p.deliverer.Stats())) }))
	}
	gauge := func(name, help string, read func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
	}
	gauge("hopnhat_keys_waiting", "Signatures that wait to leave for the key store.", func() float64 { return float64(p.ring.Waiting()) })
	gauge("hopnhat_keys_book_age_seconds", "How long ago the states of the keys were read; at the lease, one minute, this node stops.", func() float64 { return p.ring.Age().Seconds() })
	gauge("hopnhat_keys_missing", "Versions that should be in the key store and are not.", func() float64 { return float64(p.ring.Missing()) })
	gauge("hopnhat_keys_overdue", "Active versions that should have had a successor by now.", func() float64 { return float64(p.ring.Overdue()) })
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hopnhat_goroutines", Help: "Goroutines."}, func() float64 { return float64(runtime.NumGoroutine()) }))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// cpuSeconds asks the operating system.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Sec) + float64(u.Utime.Usec)/1e6 + float64(u.Stime.Sec) + float64(u.Stime.Usec)/1e6
}
