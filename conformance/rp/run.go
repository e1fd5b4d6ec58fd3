package rp

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"hopnhat/conformance/suite"
)

// Options say how modules are run.
type Options struct {
	// Only names modules to run besides the first sign-in, which always is; empty is
	// all that the app makes use of.
	Only []string
	// Done is told each outcome as it comes.
	Done func(suite.Outcome)
	// Out is where a person is told what to do.
	Out io.Writer
	// Ready is told the issuer when the provider can be reached.
	Ready func(issuer string)
}

// Left is a module that was not run, and why.
type Left struct{ Name, Why string }

// Run starts the provider, runs the modules one after the other, and gives what came
// of each, and what was left out because the app makes no use of it.
func Run(ctx context.Context, c Config, o Options) ([]suite.Outcome, []Left, error) {
	if err := c.complete(); err != nil {
		return nil, nil, err
	}
	modules := Modules(c.Client.IDTokenAlg)
	for _, name := range o.Only {
		if !slices.ContainsFunc(modules, func(m Module) bool { return m.is(name) }) {
			return nil, nil, fmt.Errorf("there is no module %q", name)
		}
	}
	p, err := open(c)
	if err != nil {
		return nil, nil, err
	}
	defer p.close()
	roots, err := suite.Roots(c.CA)
	if err != nil {
		return nil, nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	p.out = &http.Client{
		Transport: transport, Timeout: c.Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r := &runner{p: p, o: o, knows: traits{logout: c.Client.BackchannelLogout != "", infoSigned: c.Client.UserInfoAlg != ""}}
	if c.Drive.Start != "" {
		r.knows.driven = true
		r.actor = &driver{c: c, transport: transport}
	} else {
		r.actor = p.desk
		p.desk.begin(c.Patience, cmp.Or[io.Writer](o.Out, io.Discard), p.issuer)
	}
	if o.Ready != nil {
		o.Ready(p.issuer)
	}
	r.run(ctx, modules)
	return grouped(r.outcomes), r.left, ctx.Err()
}

// grouped puts the outcomes of a plan together, for the report; within a plan they stay
// in the order in which they were run.
func grouped(outcomes []suite.Outcome) []suite.Outcome {
	var plans []string
	for _, o := range outcomes {
		if !slices.Contains(plans, o.Plan) {
			plans = append(plans, o.Plan)
		}
	}
	slices.SortStableFunc(outcomes, func(a, b suite.Outcome) int { return slices.Index(plans, a.Plan) - slices.Index(plans, b.Plan) })
	return outcomes
}

// runner goes through the modules.
type runner struct {
	p        *provider
	o        Options
	actor    actor
	knows    traits
	signsIn  bool // the first sign-in went well
	absent   int  // modules in a row in which the app did nothing
	outcomes []suite.Outcome
	left     []Left
}

// maxAbsent is after how many modules in a row without a sign of the app it is given
// up.
const maxAbsent = 2

func (r *runner) run(ctx context.Context, modules []Module) {
	for _, m := range modules {
		chosen := len(r.o.Only) == 0 || slices.ContainsFunc(r.o.Only, m.is)
		basic := m.Name == firstSignIn.Name
		switch {
		case ctx.Err() != nil:
			return
		case !chosen && !basic:
		case r.absent >= maxAbsent:
			r.untried(m, "the app was not seen in the modules before")
		case !m.first && !basic && !r.signsIn:
			r.untried(m, "the app signs nobody in at a provider that does all right")
		case m.Needs != nil && !m.Needs(r.knows):
			r.left = append(r.left, Left{m.named(r.knows), "the app does not use " + m.Needed})
		default:
			r.try(ctx, m, basic)
		}
	}
}

func (r *runner) tell(o suite.Outcome) {
	r.outcomes = append(r.outcomes, o)
	if r.o.Done != nil {
		r.o.Done(o)
	}
}

func (r *runner) untried(m Module, why string) {
	t := &Trial{module: m}
	t.Review(m.Clause, "nothing was tried: "+why, nil)
	o := m.outcome(r.knows)
	o.Began = time.Now()
	t.Judge(&o)
	r.tell(o)
}

func (r *runner) try(ctx context.Context, m Module, basic bool) {
	t := &Trial{provider: r.p, module: m, actor: r.actor, knows: r.knows, ctx: ctx}
	began := time.Now()
	t.Attempt(func() { m.Test(t) })
	if basic {
		r.knows = t.knows
	}
	o := m.outcome(r.knows)
	o.Began, o.Took = began, time.Since(began)
	t.Judge(&o)
	if basic {
		r.signsIn = o.Result != suite.Fail
	}
	r.p.mu.Lock()
	r.absent++
	if t.came {
		r.absent = 0
	}
	r.p.mu.Unlock()
	r.tell(o)
}
