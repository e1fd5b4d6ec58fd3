package resolver

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hopnhat/federation"
	"hopnhat/federation/mark"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
)

// Bounds on what is gathered.
const (
	maxEntities = 20_000
	maxDepth    = trust.MaxChain - 1
	atOnce      = 16
	// keptFor is how long a statement is not asked for again, if half its life is longer: a
	// revocation is seen sooner, since the entity is no longer in the list.
	keptFor = time.Hour
)

// Fetcher gets statements: [hopnhat/federation/fetch.Fetcher] does.
type Fetcher interface {
	Configuration(ctx context.Context, id federation.EntityID) (statement.Statement, error)
	Subordinate(ctx context.Context, superior statement.Statement, subject federation.EntityID) (statement.Statement, error)
	List(ctx context.Context, superior statement.Statement, types ...federation.EntityType) ([]federation.EntityID, error)
	// Marked lists who has a trust mark of a type, by its issuer (§8.5).
	Marked(ctx context.Context, issuer statement.Statement, kind string) ([]federation.EntityID, error)
}

// pair names a statement: of whom, about whom.
type pair struct{ issuer, subject federation.EntityID }

// held is a statement, and when it was fetched; zero if it came from a file.
type held struct {
	statement.Statement
	at time.Time
}

// markKind is a type of trust marks of one issuer.
type markKind struct {
	issuer federation.EntityID
	kind   string
}

// gathered is what one walk found. It never changes after that.
type gathered struct {
	statements map[pair]held
	// holders are those whose marks are active, by what their issuer said last.
	holders map[markKind][]federation.EntityID
	// dropped are those who were trusted and are stated by nobody any more, until their
	// chains would have ended.
	dropped map[federation.EntityID]time.Time
}

func nothing() *gathered {
	return &gathered{statements: map[pair]held{}, holders: map[markKind][]federation.EntityID{}}
}

// walk goes from the anchors down.
type walk struct {
	fetcher Fetcher
	now     time.Time
	before  *gathered

	mu    sync.Mutex
	found *gathered
	// failed are statements that were wanted and not got, for metrics and the log.
	failed map[pair]error
}

// gather makes what follows what was gathered before.
func gather(ctx context.Context, f Fetcher, anchors []federation.EntityID, before *gathered, now time.Time) (*gathered, map[pair]error) {
	w := &walk{fetcher: f, now: now, before: before, found: nothing(), failed: map[pair]error{}}
	level, seen := anchors, map[federation.EntityID]bool{}
	for _, id := range anchors {
		seen[id] = true
	}
	for depth := 0; depth < maxDepth && len(level) > 0; depth++ {
		configurations := w.all(ctx, level, func(id federation.EntityID) (pair, get) {
			return pair{id, id}, func(ctx context.Context) (statement.Statement, error) { return f.Configuration(ctx, id) }
		})
		var next []federation.EntityID
		for i, below := range w.lists(ctx, configurations) {
			superior := configurations[i]
			w.all(ctx, below, func(id federation.EntityID) (pair, get) {
				return pair{superior.Subject, id}, func(ctx context.Context) (statement.Statement,
					error,
				) {
					return f.Subordinate(ctx, superior, id)
				}
			})
			for _, id := range below {
				if !seen[id] && len(seen) < maxEntities {
					seen[id] = true
					next = append(next, id)
				}
			}
		}
		level = next
	}
	w.marked(ctx)
	return w.found, w.failed
}

type get func(ctx context.Context) (statement.Statement, error)

// all gets a statement for each of some entities, several at once, and returns those that are
// in force in the order of the entities.
func (w *walk) all(ctx context.Context, ids []federation.EntityID, ask func(federation.EntityID) (pair, get)) []statement.Statement {
	got := make([]*statement.Statement, len(ids))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, id := range ids {
		group.Go(func() error {
			if s, ok := w.one(ctx, ask, id); ok {
				got[i] = &s
			}
			return nil
		})
	}
	_ = group.Wait() // what failed is noted
	var list []statement.Statement
	for _, s := range got {
		if s != nil {
			list = append(list, *s)
		}
	}
	return list
}

// one gets a statement, or takes the one from before while it is in force: where it is young,
// and where it cannot be fetched.
func (w *walk) one(ctx context.Context, ask func(federation.EntityID) (pair, get), id federation.EntityID) (statement.Statement, bool) {
	p, fetch := ask(id)
	old, known := w.before.statements[p]
	known = known && w.now.Before(old.Expiry)
	young := min(keptFor, old.Expiry.Sub(old.IssuedAt)/2)
	if !known || !w.now.Before(old.at.Add(young)) {
		s, err := fetch(ctx)
		if err == nil && w.now.Before(s.Expiry) {
			old, known = held{s, w.now}, true
		} else if err != nil {
			w.mu.Lock()
			w.failed[p] = err
			w.mu.Unlock()
		}
	}
	if !known {
		return statement.Statement{}, false
	}
	w.mu.Lock()
	w.found.statements[p] = old
	w.mu.Unlock()
	return old.Statement, true
}

// lists asks each entity that has one for the list of its subordinates. Where it cannot be
// had, those that it stated before are asked for.
func (w *walk) lists(ctx context.Context, configurations []statement.Statement) [][]federation.EntityID {
	all := make([][]federation.EntityID, len(configurations))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, c := range configurations {
		if _, has := c.Metadata[federation.FederationEntity]["federation_list_endpoint"]; !has {
			continue
		}
		group.Go(func() error {
			list, err := w.fetcher.List(ctx, c)
			if err != nil {
				list = w.stated(c.Subject)
				w.mu.Lock()
				w.failed[pair{c.Subject, ""}] = err
				w.mu.Unlock()
			}
			all[i] = list
			return nil
		})
	}
	_ = group.Wait()
	return all
}

// stated are those that an entity stated before, in the order of their names.
func (w *walk) stated(issuer federation.EntityID) []federation.EntityID {
	var ids []federation.EntityID
	for p := range w.before.statements {
		if p.issuer == issuer && p.subject != issuer {
			ids = append(ids, p.subject)
		}
	}
	slices.Sort(ids)
	return ids
}

// marked asks the issuers of the marks that were found who has one: one request for each type
// and issuer, however many have it. What an issuer that is out of reach said before stands.
func (w *walk) marked(ctx context.Context) {
	kinds := map[markKind]bool{}
	for p, s := range w.found.statements {
		if p.issuer != p.subject {
			continue
		}
		for _, m := range s.Marks {
			if parsed, err := mark.Parse(m.JWT); err == nil && parsed.Type == m.Type {
				kinds[markKind{parsed.Issuer, m.Type}] = true
			}
		}
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for kind := range maps.Keys(kinds) {
		issuer, known := w.found.statements[pair{kind.issuer, kind.issuer}]
		if !known {
			continue
		}
		group.Go(func() error {
			holders, err := w.fetcher.Marked(ctx, issuer.Statement, kind.kind)
			w.mu.Lock()
			defer w.mu.Unlock()
			if err != nil {
				w.failed[pair{kind.issuer, ""}] = err
				holders = w.before.holders[kind]
			}
			w.found.holders[kind] = slices.Sorted(slices.Values(holders))
			return nil
		})
	}
	_ = group.Wait()
}
