package suite

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Journal is what a module writes down: every condition and every exchange. Its
// methods may be called from several goroutines.
type Journal struct {
	mu      sync.Mutex
	entries []Entry
}

// stopped is thrown by Must.
type stopped struct{}

// Attempt runs a module to its end: a condition that must hold ends it, a panic
// fails it.
func (j *Journal) Attempt(module func()) {
	defer func() {
		switch thrown := recover(); thrown.(type) {
		case nil, stopped:
		default:
			j.condition(Fail, "", "the module runs to its end", fmt.Sprintf("panic: %v\n%s", thrown, debug.Stack()))
		}
	}()
	module()
}

// Judge puts what was written down into an outcome: the result is the worst of the
// conditions, and a module that looked at nothing has failed.
func (j *Journal) Judge(o *Outcome) {
	j.mu.Lock()
	defer j.mu.Unlock()
	o.Log = slices.Clone(j.entries)
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
}

// condition writes a condition down.
func (j *Journal) condition(result Result, clause, want string, got any) {
	j.add(Entry{Condition: &Condition{Result: result, Clause: clause, Want: want, Got: shown(got)}})
}

// Record writes an exchange down, with the JWTs on the way decoded.
func (j *Journal) Record(e Exchange) {
	e.decode()
	j.add(Entry{Exchange: &e})
}

func (j *Journal) add(e Entry) {
	e.At = time.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
}

func verdict(ok bool, otherwise Result) Result {
	if ok {
		return Pass
	}
	return otherwise
}

// Must states what is required; the module ends if it does not hold.
func (j *Journal) Must(ok bool, clause, want string, got any) {
	j.condition(verdict(ok, Fail), clause, want, got)
	if !ok {
		panic(stopped{})
	}
}

// Expect states what is required, and goes on in any case.
func (j *Journal) Expect(ok bool, clause, want string, got any) bool {
	j.condition(verdict(ok, Fail), clause, want, got)
	return ok
}

// Should states what is advised.
func (j *Journal) Should(ok bool, clause, want string, got any) bool {
	j.condition(verdict(ok, Warning), clause, want, got)
	return ok
}

// Review asks a person to look: something that a program cannot judge, or an
// option that is not offered, so that nothing was tried.
func (j *Journal) Review(clause, question string, got any) {
	j.condition(Review, clause, question, got)
}

// Stop ends the module as it stands.
func (j *Journal) Stop() { panic(stopped{}) }

// NotOffered ends the module with a review: an option that the module is about is
// not offered.
func (j *Journal) NotOffered(clause, option string, got any) {
	j.Review(clause, "not offered, so nothing was tried: "+option, got)
	j.Stop()
}

// Note writes a line into the log.
func (j *Journal) Note(format string, args ...any) { j.add(Entry{Note: fmt.Sprintf(format, args...)}) }

// works ends the module when something that is no rule of a specification went
// wrong: the network, the configuration, the checker.
func (j *Journal) works(err error, doing string) {
	if err != nil {
		j.condition(Fail, "", doing+" works", err)
		panic(stopped{})
	}
}

// Works ends the module as failed when err is not nil.
func (j *Journal) Works(err error, doing string) { j.works(err, doing) }
