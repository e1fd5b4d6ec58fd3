package suite

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Run is one module at work.
type Run struct {
	Plan    string
	Variant Variant
	Module  Module

	suite *Suite
	ctx   context.Context
	began time.Time
	id    string // names its addresses at the suite's listener

	mu      sync.Mutex
	entries []Entry
	cleanup []func()

	metadata Claims
	keys     *KeySet
	clients  []*Client
	person   *Person
}

// stopped is thrown by Must.
type stopped struct{}

// do runs the module to its end and says what came of it.
func (r *Run) do() Outcome {
	r.began = time.Now()
	func() {
		defer func() {
			switch thrown := recover(); thrown.(type) {
			case nil, stopped:
			default:
				r.condition(Fail, "", "the module runs to its end", fmt.Sprintf("panic: %v\n%s", thrown, debug.Stack()))
			}
		}()
		r.Module.Test(r)
	}()
	func() {
		defer func() { _ = recover() }() // what is cleaned up has no say in the result
		for _, f := range slices.Backward(r.cleanup) {
			f()
		}
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	o := Outcome{Plan: r.Plan, Variant: r.Variant, Module: r.Module, Log: r.entries, Began: r.began, Took: time.Since(r.began)}
	for _, e := range o.Log {
		if c := e.Condition; c != nil && c.Result != Pass {
			o.Reasons = append(o.Reasons, *c)
			o.Result = max(o.Result, c.Result)
		}
	}
	slices.SortStableFunc(o.Reasons, func(a, b Condition) int { return int(b.Result) - int(a.Result) })
	if o.Result == Pass && o.Conditions() == 0 {
		o.Result, o.Reasons = Fail, []Condition{{Fail, "", "the module looks at something", "no condition was stated"}}
	}
	return o
}

// condition writes a condition down.
func (r *Run) condition(result Result, clause, want string, got any) {
	r.add(Entry{Condition: &Condition{Result: result, Clause: clause, Want: want, Got: shown(got)}})
}

func (r *Run) add(e Entry) {
	e.At = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, e)
}

func verdict(ok bool, otherwise Result) Result {
	if ok {
		return Pass
	}
	return otherwise
}

// Must states what the provider must do; the module ends if it does not hold.
func (r *Run) Must(ok bool, clause, want string, got any) {
	r.condition(verdict(ok, Fail), clause, want, got)
	if !ok {
		panic(stopped{})
	}
}

// Expect states what the provider must do, and goes on in any case.
func (r *Run) Expect(ok bool, clause, want string, got any) bool {
	r.condition(verdict(ok, Fail), clause, want, got)
	return ok
}

// Should states what the provider is advised to do.
func (r *Run) Should(ok bool, clause, want string, got any) bool {
	r.condition(verdict(ok, Warning), clause, want, got)
	return ok
}

// Review asks a person to look: something that a program cannot judge, or an
// option that the provider does not offer, so that nothing was tried.
func (r *Run) Review(clause, question string, got any) {
	r.condition(Review, clause, question, got)
}

// NotOffered ends the module with a review: the provider does not offer an option
// that the module is about.
func (r *Run) NotOffered(clause, option string, got any) {
	r.Review(clause, "not offered, so nothing was tried: "+option, got)
	panic(stopped{})
}

// Note writes a line into the log.
func (r *Run) Note(format string, args ...any) { r.add(Entry{Note: fmt.Sprintf(format, args...)}) }

// works ends the module when something that is no rule of a specification went
// wrong: the network, the configuration, the checker.
func (r *Run) works(err error, doing string) {
	if err != nil {
		r.condition(Fail, "", doing+" works", err)
		panic(stopped{})
	}
}

// Works ends the module as failed when err is not nil.
func (r *Run) Works(err error, doing string) { r.works(err, doing) }

// Context ends with the run.
func (r *Run) Context() context.Context { return r.ctx }

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

// Finally runs when the module has ended, the last first. Conditions stated there
// count.
func (r *Run) Finally(f func()) { r.cleanup = append(r.cleanup, f) }
