package main

import (
	"net/http"
	"runtime"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
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
	counter("hopnhat_keys_calls_total", "Calls to the keystore that made them.", func() float64 { return float64(p.ring.Stats().Calls) })
	counter("hopnhat_keys_failures_total", "Calls to the keystore that failed.", func() float64 { return float64(p.ring.Stats().Failures) })
	counter("hopnhat_process_cpu_seconds_total", "CPU time of this process, user and system.", cpuSeconds)
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
