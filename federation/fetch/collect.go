package fetch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hopnhat/federation"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
)

// Bounds on the way up from one entity.
const (
	maxDepth    = trust.MaxChain - 2 // superiors above one another
	maxHints    = 10                 // of one entity, in their order
	maxRequests = 50
	atOnce      = 4
	maxTime     = 10 * time.Second
)

// Request is one that was made, or that a bound kept from being made.
type Request struct {
	// What is asked for: a statement of Issuer about Subject.
	Issuer, Subject federation.EntityID
	// Err is nil if it was got; otherwise it wraps ErrFetch.
	Err error
}

// Collection is what was found on the way up from an entity.
type Collection struct {
	Subject    federation.EntityID
	Statements []statement.Statement
	// Requests in the order of the way up, whatever came first.
	Requests []Request
}

// Pool holds the statements, for [trust.Resolve].
func (c Collection) Pool() trust.Pool { return trust.Collect(c.Statements...) }

// Round is one collection, or several that share what is fetched: each statement is asked
// for once in it. It is safe for concurrent use.
type Round struct {
	fetcher *Fetcher
	mu      sync.Mutex
	got     map[[2]federation.EntityID]answer
}

type answer struct {
	statement statement.Statement
	err       error
}

// Round begins one. now and then another should begin: a round does not see what changed.
func (f *Fetcher) Round() *Round {
	return &Round{fetcher: f, got: map[[2]federation.EntityID]answer{}}
}

// Collect goes up from an entity to the anchors (§10.1). Configurations come first, and
// statements only about those from whom a way to an anchor was found: hints that lead nowhere
// cost no more. Equal answers give equal collections, whatever their order in time.
func (r *Round) Collect(ctx context.Context, subject federation.EntityID, anchors []federation.EntityID) Collection {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	w := way{round: r, left: maxRequests, out: Collection{Subject: subject}, known: map[federation.EntityID]statement.Statement{}}
	w.up(ctx, subject)
	w.state(ctx, w.leading(anchors))
	return w.out
}

// way is one way up.
type way struct {
	round *Round
	left  int // requests
	out   Collection
	known map[federation.EntityID]statement.Statement
	// order is that in which configurations were found.
	order []federation.EntityID
}

// up gets the configurations above an entity, a level at a time.
func (w *way) up(ctx context.Context, subject federation.EntityID) {
	level, seen := []federation.EntityID{subject}, map[federation.EntityID]bool{subject: true}
	for depth := 0; len(level) > 0 && depth <= maxDepth; depth++ {
		asks := make([]ask, len(level))
		for i, id := range level {
			asks[i] = ask{id, id, statement.Statement{}}
		}
		var next []federation.EntityID
		for _, s := range w.all(ctx, asks) {
			w.known[s.Subject] = s
			w.order = append(w.order, s.Subject)
			for _, superior := range hintsOf(s) {
				if !seen[superior] {
					seen[superior] = true
					next = append(next, superior)
				}
			}
		}
		level = next
	}
}

func hintsOf(s statement.Statement) []federation.EntityID {
	return s.AuthorityHints[:min(len(s.AuthorityHints), maxHints)]
}

// leading are those from whom hints lead to an anchor whose configuration is there.
func (w *way) leading(anchors []federation.EntityID) map[federation.EntityID]bool {
	leads := map[federation.EntityID]bool{}
	for _, id := range anchors {
		if _, ok := w.known[id]; ok {
			leads[id] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for id, s := range w.known {
			if !leads[id] && slices.ContainsFunc(hintsOf(s), func(superior federation.EntityID) bool { return leads[superior] }) {
				leads[id], grown = true, true
			}
		}
	}
	return leads
}

// state gets the statements of superiors about those on a way to an anchor.
func (w *way) state(ctx context.Context, leads map[federation.EntityID]bool) {
	var asks []ask
	for _, id := range w.order {
		for _, superior := range hintsOf(w.known[id]) {
			if above, ok := w.known[superior]; ok && leads[superior] {
				asks = append(asks, ask{superior, id, above})
			}
		}
	}
	w.all(ctx, asks)
}

// ask is a statement that is wanted; superior is the configuration of the issuer, where it is
// not a configuration that is asked for.
type ask struct {
	issuer, subject federation.EntityID
	superior        statement.Statement
}

// all gets statements, a few at once, as far as the bound lets. It returns those it got in
// the order in which they were asked for.
func (w *way) all(ctx context.Context, asks []ask) []statement.Statement {
	answers := make([]answer, len(asks))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, a := range asks {
		if w.left--; w.left < 0 {
			answers[i].err = fmt.Errorf("%w: more than %d requests for %s", ErrFetch, maxRequests, w.out.Subject)
			continue
		}
		group.Go(func() error {
			answers[i] = w.round.one(ctx, a)
			return nil
		})
	}
	_ = group.Wait() // failures stand in the answers
	var got []statement.Statement
	for i, a := range asks {
		w.out.Requests = append(w.out.Requests, Request{a.issuer, a.subject, answers[i].err})
		if answers[i].err == nil {
			got = append(got, answers[i].statement)
		}
	}
	w.out.Statements = append(w.out.Statements, got...)
	return got
}

// one gets a statement, from the round if it is there.
func (r *Round) one(ctx context.Context, a ask) answer {
	key := [2]federation.EntityID{a.issuer, a.subject}
	r.mu.Lock()
	known, ok := r.got[key]
	r.mu.Unlock()
	if ok {
		return known
	}
	var got answer
	if a.issuer == a.subject {
		got.statement, got.err = r.fetcher.Configuration(ctx, a.subject)
	} else {
		got.statement, got.err = r.fetcher.Subordinate(ctx, a.superior, a.subject)
	}
	if ctx.Err() == nil { // who was late may find it when asked again
		r.mu.Lock()
		r.got[key] = got
		r.mu.Unlock()
	}
	return got
}
