package resolver

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"hopnhat/federation"
	"hopnhat/federation/mark"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/federation/weather"
	"hopnhat/keys/jose"
)

// Bounds on what is gathered: each subordinate of an anchor has its own, so that one who
// lists very many, or is slow, takes nothing from the others.
const (
	maxTop         = 20_000   // subordinates of an anchor
	maxBranch      = 2_000    // entities in the branch of one of them, itself included
	maxBranchBytes = 16 << 20 // of their statements
	branchTime     = time.Minute
	branchesAtOnce = 16
	inBranchAtOnce = 4
	// keptFor is how long a statement is not asked for again, if half its life is longer: a
	// revocation is seen sooner, since the entity is no longer in the list.
	keptFor = time.Hour
	// saidFor is how long stands what an issuer of marks said last, while it is out of reach,
	// and how long after the last statement about it an entity is known to be dropped.
	saidFor = 24 * time.Hour
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

// said is who has a mark, and when the issuer said so.
type said struct {
	subjects []federation.EntityID
	at       time.Time
}

// gathered is what one walk found. It never changes after that.
type gathered struct {
	statements map[pair]held
	// holders are those whose marks are active, by what their issuer said last.
	holders map[markKind]said
	// dropped are those who were trusted and are stated by nobody any more, until their
	// chains would have ended.
	dropped map[federation.EntityID]time.Time
	// failures are what the walk wanted and did not get.
	failures []weather.Failure
	// heard is when a superior gave its list last: who was not in it then was stated no more.
	heard map[federation.EntityID]time.Time
}

func nothing() *gathered {
	return &gathered{statements: map[pair]held{}, holders: map[markKind]said{}, heard: map[federation.EntityID]time.Time{}}
}

// walk goes from the anchors down.
type walk struct {
	fetcher Fetcher
	now     time.Time
	before  *gathered
	// lasting is until when something that an entity stated before is in force.
	lasting map[federation.EntityID]time.Time

	mu    sync.Mutex
	found *gathered
	// unlisted are those whom a superior stated before and has no longer in its list.
	unlisted map[pair]time.Time
	// failed are statements that were wanted and not got, for the log.
	failed map[pair]error
}

// gather makes what follows what was gathered before.
func gather(ctx context.Context, f Fetcher, anchors []trust.Anchor, before *gathered, now time.Time) *walk {
	w := &walk{
		fetcher: f, now: now, before: before, lasting: map[federation.EntityID]time.Time{}, found: nothing(),
		unlisted: map[pair]time.Time{}, failed: map[pair]error{},
	}
	maps.Copy(w.found.heard, before.heard)
	for p, s := range before.statements {
		if p.issuer != p.subject && w.lasting[p.issuer].Before(s.Expiry) {
			w.lasting[p.issuer] = s.Expiry
		}
	}
	for _, a := range anchors {
		c, ok := w.configuration(ctx, a.ID)
		if ok && c.SignedBy(a.Keys) != nil {
			c, ok = w.anew(ctx, pair{a.ID, a.ID}, w.askConfiguration(a.ID))
		}
		if !ok || c.SignedBy(a.Keys) != nil {
			continue
		}
		list := w.list(ctx, c)
		var group errgroup.Group
		group.SetLimit(branchesAtOnce)
		for _, id := range list[:min(len(list), maxTop)] {
			group.Go(func() error {
				w.branch(ctx, step{c, a.Keys, id, trust.MaxChain - 1})
				return nil
			})
		}
		_ = group.Wait() // what failed is noted
	}
	w.marked(ctx)
	return w
}

// step is one down from a superior whose keys a statement above, or the operator, vouches for.
type step struct {
	superior statement.Statement
	keys     *jose.Set
	id       federation.EntityID
	// left is how many intermediates may stand below the superior (§6.2.1).
	left int
}

// branch goes through what is below one subordinate of an anchor, a level at a time.
func (w *walk) branch(ctx context.Context, first step) {
	ctx, cancel := context.WithTimeout(ctx, branchTime)
	defer cancel()
	entities, bytes := maxBranch, new(atomic.Int64)
	for level := []step{first}; len(level) > 0; {
		level = level[:min(len(level), entities)]
		entities -= len(level)
		below := make([][]step, len(level))
		var group errgroup.Group
		group.SetLimit(inBranchAtOnce)
		for i, s := range level {
			group.Go(func() error {
				if bytes.Load() < maxBranchBytes {
					below[i] = w.visit(ctx, s, bytes)
				}
				return nil
			})
		}
		_ = group.Wait()
		level = slices.Concat(below...)
	}
}

// visit gets the statement about an entity and its configuration, and says where to go from
// there: down to those that it lists, if what stands above lets it be an intermediate, and
// its statements would count.
func (w *walk) visit(ctx context.Context, s step, bytes *atomic.Int64) []step {
	ask := func(ctx context.Context) (statement.Statement, error) {
		return w.fetcher.Subordinate(ctx, s.superior, s.id)
	}
	about, ok := w.one(ctx, pair{s.superior.Subject, s.id}, ask)
	if ok && about.SignedBy(s.keys) != nil {
		about, ok = w.anew(ctx, pair{s.superior.Subject, s.id}, ask)
	}
	if !ok || about.SignedBy(s.keys) != nil {
		return nil
	}
	c, ok := w.configuration(ctx, s.id)
	if !ok {
		return nil
	}
	if c.SignedBy(about.Keys) != nil { // one of both may be from before a change of keys
		if newer, ok := w.anew(ctx, pair{s.id, s.id}, w.askConfiguration(s.id)); ok {
			c = newer
		}
		if newer, ok := w.anew(ctx, pair{s.superior.Subject, s.id}, ask); ok && newer.SignedBy(s.keys) == nil {
			about = newer
		}
	}
	bytes.Add(int64(len(about.Token()) + len(c.Token())))
	left := s.left - 1
	if n := about.Constraints.MaxPathLength; n != nil {
		left = min(left, *n)
	}
	if left < 1 || c.SignedBy(about.Keys) != nil {
		return nil
	}
	list := w.list(ctx, c)
	below := make([]step, len(list))
	for i, id := range list {
		below[i] = step{c, about.Keys, id, left}
	}
	return below
}

func (w *walk) configuration(ctx context.Context, id federation.EntityID) (statement.Statement, bool) {
	return w.one(ctx, pair{id, id}, w.askConfiguration(id))
}

func (w *walk) askConfiguration(id federation.EntityID) func(ctx context.Context) (statement.Statement, error) {
	return func(ctx context.Context) (statement.Statement, error) { return w.fetcher.Configuration(ctx, id) }
}

// anew gets a statement that was taken from before, since the keys of others no longer go with
// it; ok is false where it was fetched in this walk, or cannot be had.
func (w *walk) anew(
	ctx context.Context, p pair, fetch func(ctx context.Context) (statement.Statement, error),
) (got statement.Statement, ok bool) {
	w.mu.Lock()
	before := w.found.statements[p]
	w.mu.Unlock()
	if before.at.Equal(w.now) {
		return got, false
	}
	got, err := fetch(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failed[p] = err
	}
	if err != nil || !w.now.Before(got.Expiry) {
		return got, false
	}
	w.found.statements[p] = held{got, w.now}
	return got, true
}

// one gets a statement, or takes the one from before while it is in force: where it is young,
// and where it cannot be fetched. A configuration that has ended says who the superiors of an
// entity are, as long as something that the entity stated is in force.
func (w *walk) one(
	ctx context.Context, p pair, fetch func(ctx context.Context) (statement.Statement, error),
) (statement.Statement, bool) {
	w.mu.Lock()
	again, ok := w.found.statements[p]
	w.mu.Unlock()
	if ok {
		return again.Statement, true
	}
	old, known := w.before.statements[p]
	inForce := known && w.now.Before(old.Expiry)
	young := min(keptFor, old.Expiry.Sub(old.IssuedAt)/2)
	var failed error
	if !inForce || !w.now.Before(old.at.Add(young)) {
		got, err := fetch(ctx)
		if failed = err; err == nil && w.now.Before(got.Expiry) {
			if got.Token() == old.Token() { // which has been verified
				got = old.Statement
			}
			old, inForce = held{got, w.now}, true
		}
	}
	carried := known && p.issuer == p.subject && w.now.Before(w.lasting[p.subject])
	w.mu.Lock()
	defer w.mu.Unlock()
	if failed != nil {
		w.failed[p] = failed
	}
	if inForce || carried {
		w.found.statements[p] = old
	}
	return old.Statement, inForce || carried
}

// list asks an entity that has one for the list of its subordinates. Where it cannot be had,
// those that it stated before are asked for.
func (w *walk) list(ctx context.Context, c statement.Statement) []federation.EntityID {
	if _, has := c.Metadata[federation.FederationEntity]["federation_list_endpoint"]; !has {
		return nil
	}
	list, err := w.fetcher.List(ctx, c)
	before := w.stated(c.Subject)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failed[pair{c.Subject, ""}] = err
		return before
	}
	w.found.heard[c.Subject] = w.now
	listed := make(map[federation.EntityID]bool, len(list))
	for _, id := range list {
		listed[id] = true
	}
	for _, id := range before {
		if p := (pair{c.Subject, id}); !listed[id] {
			w.unlisted[p] = w.before.statements[p].Expiry.Add(saidFor)
		}
	}
	return list
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
	group.SetLimit(branchesAtOnce)
	for kind := range maps.Keys(kinds) {
		issuer, known := w.found.statements[pair{kind.issuer, kind.issuer}]
		if !known {
			continue
		}
		group.Go(func() error {
			holders, err := w.fetcher.Marked(ctx, issuer.Statement, kind.kind)
			w.mu.Lock()
			defer w.mu.Unlock()
			now := said{slices.Sorted(slices.Values(holders)), w.now}
			if err != nil {
				w.failed[pair{kind.issuer, ""}] = err
				if now = w.before.holders[kind]; !w.now.Before(now.at.Add(saidFor)) {
					return nil
				}
			}
			w.found.holders[kind] = now
			return nil
		})
	}
	_ = group.Wait()
}
