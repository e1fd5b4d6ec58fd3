package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// Store is a database to measure on. SQLite needs no more than a name.
type Store struct {
	Name               string
	Database, Registry string // URLs of empty databases; empty: files in the state folder
	// CPU reads the CPU seconds of the database's processes; nil when it runs in
	// the server.
	CPU func() (float64, error)
}

// Options of a run.
type Options struct {
	Program  string // the product's executable
	Duration time.Duration
	Callers  []int
	Routes   []string // empty: all
	Accounts int      // enrolled persons; sign-ins use them up
	Out      io.Writer
	JSON     io.Writer // one result a line; may be nil
	// Ready is called with the server's process id, so that it can be looked at.
	Ready func(pid int, base string)
}

// Names are those of all routes.
func Names() []string {
	var names []string
	for _, r := range routes() {
		names = append(names, r.name)
	}
	return names
}

// open prepares a server and starts it. close ends it and deletes its folder.
func open(ctx context.Context, o Options, store Store) (s *subject, closed func() error, err error) {
	folder, err := os.MkdirTemp("", "hopnhat-bench-")
	if err != nil {
		return nil, nil, err
	}
	s = &subject{folder: folder, program: o.Program, store: store, duration: o.Duration, transport: newTransport()}
	closed = func() error {
		s.transport.CloseIdleConnections()
		return errors.Join(s.stop(), os.RemoveAll(folder))
	}
	fmt.Fprintf(o.Out, "\n%s: preparing a nation, apps and %d accounts …\n", store.Name, o.Accounts)
	if err = s.prepare(ctx, max(2*o.Accounts, 500), o.Accounts); err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, closed())
	}
	return s, closed, nil
}

// Run measures the routes on one store.
func Run(ctx context.Context, o Options, store Store) (results []Result, err error) {
	s, closed, err := open(ctx, o, store)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closed()) }()
	if o.Ready != nil {
		o.Ready(s.command.Process.Pid, s.base)
	}
	fmt.Fprintf(
		o.Out, "%-26s %7s %9s %8s %8s  %-24s %9s %6s\n", "route", "callers", "ops/s", "p50 ms", "p99 ms", "commits·signs·queries",
		"CPU ms/op", "errors",
	)
	for _, r := range routes() {
		if len(o.Routes) > 0 && !slices.Contains(o.Routes, r.name) {
			continue
		}
		for _, callers := range o.Callers {
			result, why, err := s.route(ctx, r, callers)
			if err != nil {
				return results, fmt.Errorf("%s with %d callers on %s: %w", r.name, callers, store.Name, err)
			}
			results = append(results, result)
			fmt.Fprintln(o.Out, line(result, r.floor))
			if why != nil {
				fmt.Fprintf(o.Out, "    first error: %v\n", why)
			}
			if o.JSON != nil {
				if err := json.NewEncoder(o.JSON).Encode(result); err != nil {
					return results, err
				}
			}
		}
	}
	return results, nil
}

// line is a result beside its floor.
func line(r Result, f floor) string {
	beside := fmt.Sprintf("%.2f·%.2f·%.2f (%d·%d·%d)", r.Commits, r.Signatures, r.Queries, f.commits, f.signatures, f.queries)
	return fmt.Sprintf("%-26s %7d %9.1f %8.2f %8.2f  %-24s %9.3f %6d", r.Route, r.Concurrency, r.OpsPerS, r.P50, r.P99, beside, r.CPU, r.Errors)
}

// route measures one route at one number of callers. why is the first failure.
func (s *subject) route(ctx context.Context, r route, callers int) (result Result, why, err error) {
	operations, err := r.prepare(ctx, s, callers)
	if err != nil {
		return Result{}, nil, fmt.Errorf("preparing: %w", err)
	}
	var warm sync.WaitGroup
	for _, op := range operations { // connections, nonces, prepared statements
		warm.Go(func() { _ = op(ctx) })
	}
	warm.Wait()
	before, databaseBefore, err := s.measure(ctx)
	if err != nil {
		return Result{}, nil, err
	}
	times := make([][]time.Duration, callers)
	failures := make([]int, callers)
	first := make(chan error, callers)
	began := time.Now()
	until := began.Add(s.duration)
	var all sync.WaitGroup
	for i, op := range operations {
		all.Go(func() {
			for time.Now().Before(until) && ctx.Err() == nil {
				start := time.Now()
				err := op(ctx)
				switch {
				case errors.Is(err, errRanOut):
					return
				case err != nil:
					if failures[i] == 0 {
						first <- err
					}
					failures[i]++
				default:
					times[i] = append(times[i], time.Since(start))
				}
			}
		})
	}
	all.Wait()
	elapsed := time.Since(began)
	after, databaseAfter, err := s.measure(ctx)
	if err != nil {
		return Result{}, nil, err
	}
	failed := 0
	for _, n := range failures {
		failed += n
	}
	result = tally(slices.Concat(times...), failed, elapsed, after.minus(before), databaseAfter-databaseBefore)
	result.Route, result.Store, result.Keys, result.Concurrency = r.name, s.store.Name, "file", callers
	if len(first) > 0 {
		why = <-first
	}
	if len(slices.Concat(times...)) == 0 && why == nil {
		why = errRanOut
	}
	return result, why, ctx.Err()
}
