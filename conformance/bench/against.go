package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// MainRoutes are those on which two programs are compared, unless others are named.
var MainRoutes = []string{
	"par", "login", "tokens_oidc", "refresh_oidc", "userinfo_oidc", "release", "complete_login_oidc", "complete_login_fapi2",
}

// Contest is a comparison of two programs. The second may be of the release before: of it
// no more is needed than what a server of that release has.
type Contest struct {
	Options          // of both; Callers has one number
	Against   string // the other program's executable
	Pairs     int    // how often each measures each route
	Databases Store  // of the other program; CPU is that of Options' store
}

// Comparison is what a contest found on one route, as --json writes it. A ratio is this
// program's CPU time for an operation by the other's, in one pair.
type Comparison struct {
	Route    string    `json:"route"`
	Store    string    `json:"store"`
	Pairs    int       `json:"pairs"`
	CPU      float64   `json:"cpu_s_per_1000"`         // the median of this program
	Against  float64   `json:"against_cpu_s_per_1000"` // the median of the other
	Ratio    float64   `json:"ratio"`                  // the median of the pairs' ratios
	Quartile []float64 `json:"ratio_quartiles"`        // the lower and the upper
	Ratios   []float64 `json:"ratios"`                 // in the order of the pairs
}

// pair is what the two programs used for an operation, one right after the other.
type pair struct{ ours, theirs float64 }

// Compare measures the routes at two servers in turn, as many times as there are pairs,
// and prints a table at the end. Which of the two comes first changes from pair to pair,
// so that neither gains by what the machine does meanwhile. An operation that fails ends
// it, with a table of what was measured until then.
func Compare(ctx context.Context, c Contest, store Store) (found []Comparison, err error) {
	if len(c.Callers) != 1 || c.Pairs < 1 {
		return nil, errors.New("a comparison needs one number of callers and at least one pair")
	}
	ours, closed, err := open(ctx, c.Options, store)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closed()) }()
	other := c.Options
	other.Program = c.Against
	databases := c.Databases
	databases.Name, databases.CPU = store.Name, store.CPU
	theirs, closedOther, err := open(ctx, other, databases)
	if err != nil {
		return nil, fmt.Errorf("the other program: %w", err)
	}
	defer func() { err = errors.Join(err, closedOther()) }()

	measured := map[string][]pair{}
	err = c.measure(ctx, ours, theirs, measured)
	for _, r := range routes() {
		if pairs := measured[r.name]; len(pairs) > 0 {
			found = append(found, compared(r.name, store.Name, pairs))
		}
	}
	return found, errors.Join(err, c.report(found))
}

// measure measures all pairs of all routes.
func (c Contest) measure(ctx context.Context, ours, theirs *subject, into map[string][]pair) error {
	for n := range c.Pairs {
		for _, r := range routes() {
			if !slices.Contains(c.Routes, r.name) {
				continue
			}
			p, err := c.pair(ctx, r, ours, theirs, n%2 == 1)
			if errors.Is(err, errRanOut) {
				err = fmt.Errorf("%w: it takes more --accounts, or a shorter --duration", err)
			}
			if err != nil {
				return fmt.Errorf("%s on %s: %w", r.name, ours.store.Name, err)
			}
			into[r.name] = append(into[r.name], p)
			fmt.Fprintf(c.Out, "pair %2d of %d  %-26s %8.3f %8.3f ms CPU, ratio %.3f\n", n+1, c.Pairs, r.name, p.ours, p.theirs, p.ours/p.theirs)
		}
	}
	return nil
}

// pair measures a route at both servers.
func (c Contest) pair(ctx context.Context, r route, ours, theirs *subject, swapped bool) (p pair, err error) {
	order := []struct {
		at   *subject
		into *float64
	}{{ours, &p.ours}, {theirs, &p.theirs}}
	if swapped {
		slices.Reverse(order)
	}
	for _, one := range order {
		result, why, err := one.at.route(ctx, r, c.Callers[0])
		switch {
		case err != nil:
			return p, err
		case why != nil:
			return p, why
		case result.CPU <= 0:
			return p, errors.New("no CPU time was measured: it takes a longer --duration")
		}
		*one.into = result.CPU
	}
	return p, nil
}

// compared is what pairs say of a route.
func compared(route, store string, pairs []pair) Comparison {
	out := Comparison{Route: route, Store: store, Pairs: len(pairs)}
	var ours, theirs []float64
	for _, p := range pairs {
		ours, theirs = append(ours, p.ours), append(theirs, p.theirs)
		out.Ratios = append(out.Ratios, round(p.ours/p.theirs, 4))
	}
	out.CPU, out.Against, out.Ratio = quantile(ours, 0.5), quantile(theirs, 0.5), quantile(out.Ratios, 0.5)
	out.Quartile = []float64{quantile(out.Ratios, 0.25), quantile(out.Ratios, 0.75)}
	return out
}

// quantile is the p-quantile of values in any order, between two of them in proportion;
// 0 of none.
func quantile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := p * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return round(sorted[low]+(at-float64(low))*(sorted[high]-sorted[low]), 4)
}

// report prints the table, and writes it as JSON if that is wanted.
func (c Contest) report(found []Comparison) error {
	table(c.Out, found)
	if c.JSON == nil {
		return nil
	}
	out := json.NewEncoder(c.JSON)
	for _, one := range found {
		if err := out.Encode(one); err != nil {
			return err
		}
	}
	return nil
}

func table(out io.Writer, found []Comparison) {
	fmt.Fprintf(out, "\n%-10s %-26s %6s %12s %12s %8s  %s\n", "store", "route", "pairs", "CPU ms/op", "other's", "ratio", "quartiles")
	for _, f := range found {
		fmt.Fprintf(
			out, "%-10s %-26s %6d %12.3f %12.3f %8.3f  %.3f to %.3f\n", f.Store, f.Route, f.Pairs, f.CPU, f.Against, f.Ratio, f.Quartile[0], f.Quartile[1],
		)
	}
}
