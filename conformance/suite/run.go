package suite

import (
	"context"
	"slices"
	"time"
)

// Run is one module at work.
type Run struct {
	Provider
	Places

	Plan    string
	Variant Variant
	Module  Module

	suite   *Suite
	began   time.Time
	cleanup []func()

	clients []*Client
	person  *Person
}

// begin connects the run to the provider and the suite's listener.
func (r *Run) begin(ctx context.Context) {
	r.ctx, r.transport, r.issuer = ctx, r.suite.transport, r.suite.Config.Issuer
	r.Places = Places{id: "t/" + Random()[:10], listener: r.suite.listener, redirects: r.suite.redirects, journal: &r.Journal}
}

// do runs the module to its end and says what came of it.
func (r *Run) do() Outcome {
	r.began = time.Now()
	r.Attempt(func() { r.Module.Test(r) })
	func() {
		defer func() { _ = recover() }() // what is cleaned up has no say in the result
		for _, f := range slices.Backward(r.cleanup) {
			f()
		}
	}()
	o := Outcome{Plan: r.Plan, Variant: r.Variant, Module: r.Module, Began: r.began, Took: time.Since(r.began)}
	r.Judge(&o)
	return o
}

// Config is what the run was configured with.
func (r *Run) Config() *Config { return &r.suite.Config }

// Wait waits for real time to pass, as some rules demand; others run meanwhile.
func (r *Run) Wait(d time.Duration, why string) {
	r.Note("waiting %s: %s", d, why)
	if r.suite.wait != nil {
		r.suite.wait(d)
		return
	}
	r.suite.leave()
	defer r.suite.enter()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.ctx.Done():
	}
}

// Await waits for something to come, at most so long; others run meanwhile. It reports
// whether it came.
func (r *Run) Await(came <-chan struct{}, most time.Duration, what string) bool {
	r.Note("waiting at most %s: %s", most, what)
	if r.suite.wait != nil {
		most = min(most, 2*time.Second) // the caller sets the clock; only what is on its way is waited for
	}
	r.suite.leave()
	defer r.suite.enter()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-came:
		return true
	case <-timer.C:
	case <-r.ctx.Done():
	}
	return false
}

// Finally runs when the module has ended, the last first. Conditions stated there
// count.
func (r *Run) Finally(f func()) { r.cleanup = append(r.cleanup, f) }
