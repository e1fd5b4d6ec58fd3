package resolver

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime"
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

// Every is how long lies between two walks.
const Every = 10 * time.Minute

// ErrUnknown means that no walk found the entity. It wraps nothing of trust: nothing was
// judged.
var ErrUnknown = errors.New("the entity is in no federation of the trust anchors here")

// Mark is a trust mark that counts, and that its issuer holds for active.
type Mark struct {
	statement.Mark
	// Expiry is zero for a mark without an end.
	Expiry time.Time

	parsed mark.Mark
}

// Entry is what is known of an entity under one anchor. It never changes.
type Entry struct {
	Subject, Anchor federation.EntityID
	// Chain are the statements, the subject's first, the anchor's configuration last.
	Chain    []string
	Metadata federation.Metadata
	Marks    []Mark
	// Expiry is that of the chain (§10.4).
	Expiry time.Time
	// Digest is of chain and marks: two entries with one say the same.
	Digest string
	// Err says why the entity is not trusted; nil if it is. It wraps an error of package trust.
	Err error

	verdict trust.Verdict
}

// Keys are the federation keys of the entity, as its superior states them; those of an anchor, as
// it states them itself.
func (e *Entry) Keys() (*jose.Set, error) {
	if len(e.Chain) == 0 {
		return nil, ErrUnknown
	}
	s, err := statement.Parse(e.Chain[min(1, len(e.Chain)-1)])
	return s.Keys, err
}

// snapshot is what is known at one time. It never changes.
type snapshot struct {
	at       time.Time
	gathered *gathered
	// entries of a subject are in the order in which its chains are preferred (§10.3).
	entries map[federation.EntityID][]*Entry
	// forecast is made when it is asked for first.
	forecast func() weather.Forecast
}

// Resolver answers from its newest snapshot. It is safe for concurrent use.
type Resolver struct {
	anchors []trust.Anchor
	fetcher Fetcher
	file    string
	now     func() time.Time

	current    atomic.Pointer[snapshot]
	refreshing sync.Mutex
	// swapping is held to change what is known; gone are statements that were taken out since a
	// walk began, which may have found them before.
	swapping sync.Mutex
	gone     map[pair]time.Time
	told     func(federation.EntityID) // nil: nobody
	news     chan<- struct{}           // nil: nobody
}

// Options say what a Resolver is made of.
type Options struct {
	// Anchors with their pinned keys, the preferred first.
	Anchors []trust.Anchor
	Fetcher Fetcher
	// File keeps the snapshot; empty for none.
	File string
	Now  func() time.Time
}

// New makes a Resolver that knows what its file holds, and nobody without one. A file that is
// damaged is passed over: the next walk writes it anew.
func New(o Options) *Resolver {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Resolver{anchors: o.Anchors, fetcher: o.Fetcher, file: o.File, now: o.Now, gone: map[pair]time.Time{}}
	known, err := load(o.File)
	if err != nil {
		slog.Warn("what was known of the federation could not be read, and is gathered anew", "file", o.File, "error", err)
		known = nothing()
	}
	r.current.Store(r.build(known, &snapshot{}))
	return r
}

// Resolve says what is known of an entity under one of some anchors, under any if none is
// named: the chain that is preferred of those that are valid now. It asks nobody. The error
// is ErrUnknown, or says why the entity is not trusted, by an error of package trust.
func (r *Resolver) Resolve(subject federation.EntityID, anchors ...federation.EntityID) (*Entry, error) {
	now, why := r.now(), error(nil)
	for _, e := range r.current.Load().entries[subject] {
		switch {
		case len(anchors) > 0 && !slices.Contains(anchors, e.Anchor):
		case e.Err != nil:
			why = cmp.Or(why, e.Err)
		case !now.Before(e.Expiry):
			why = cmp.Or(why, fmt.Errorf("%w: the chain of %s ended at %s", trust.ErrChain, subject, e.Expiry.UTC().Format(time.RFC3339)))
		default:
			return e, nil
		}
	}
	return nil, cmp.Or(why, ErrUnknown)
}

// Resolved is the newest verdict on an entity under one of some anchors, under any if none is
// named: the valid one that is preferred, or the first that is not. ok
// is false for an entity that no walk found under them. One that its superior, or one above, has no
// longer in its list is trusted no more, until a day after the last statement about it ended.
func (r *Resolver) Resolved(id federation.EntityID, anchors ...federation.EntityID) (v trust.Verdict, ok bool) {
	s, now := r.current.Load(), r.now()
	if e, err := r.Resolve(id, anchors...); err == nil {
		return e.verdict, true
	}
	for _, e := range s.entries[id] {
		if len(anchors) == 0 || slices.Contains(anchors, e.Anchor) {
			return e.verdict, true
		}
	}
	if until, dropped := s.gathered.dropped[id]; dropped && now.Before(until) {
		return trust.Verdict{Subject: id, Err: fmt.Errorf("%w: no superior of %s states it any more", trust.ErrChain, id)}, true
	}
	return trust.Verdict{}, false
}

// Verify judges a chain that somebody sent, by the same anchors, without a request to anybody.
func (r *Resolver) Verify(chain []string) trust.Verdict {
	return trust.Verify(chain, r.anchors, r.now())
}

// Anchors are the names of the anchors, the preferred first.
func (r *Resolver) Anchors() []federation.EntityID {
	ids := make([]federation.EntityID, len(r.anchors))
	for i, a := range r.anchors {
		ids[i] = a.ID
	}
	return ids
}

// Known counts the entities that are trusted now, and says when they were gathered and when
// the first of their chains ends.
func (r *Resolver) Known() (trusted int, at, firstEnd time.Time) {
	s, now := r.current.Load(), r.now()
	for _, entries := range s.entries {
		for _, e := range entries {
			if e.Err != nil || !now.Before(e.Expiry) {
				continue
			}
			if trusted++; firstEnd.IsZero() || e.Expiry.Before(firstEnd) {
				firstEnd = e.Expiry
			}
			break
		}
	}
	return trusted, s.at, firstEnd
}

// Run walks at once and then every [Every], with a tenth of jitter, and looks meanwhile who has
// left the lists, until ctx ends.
func (r *Resolver) Run(ctx context.Context) {
	var watching sync.WaitGroup
	watching.Go(func() { r.watch(ctx) })
	defer watching.Wait()
	for {
		r.Refresh(ctx)
		pause := time.NewTimer(Every - Every/20 + rand.N(Every/10))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// Refresh walks once, and puts what it found in the place of what was known. A walk that was
// cut short changes nothing.
func (r *Resolver) Refresh(ctx context.Context) {
	r.refreshing.Lock()
	defer r.refreshing.Unlock()
	r.swapping.Lock()
	r.gone = map[pair]time.Time{}
	r.swapping.Unlock()
	w := gather(ctx, r.fetcher, r.anchors, r.current.Load().gathered, r.now())
	found, failed := w.found, w.failed
	if ctx.Err() != nil {
		return
	}
	if len(failed) > 0 {
		first := slices.SortedFunc(maps.Keys(failed), func(a, b pair) int {
			return cmp.Or(cmp.Compare(a.issuer, b.issuer), cmp.Compare(a.subject, b.subject))
		})[0]
		slog.Warn("statements of the federation could not be fetched; those from before stand while they are in force",
			"failed", len(failed), "issuer", string(first.issuer), "subject", string(first.subject), "error", failed[first])
	}
	for p, err := range failed {
		found.failures = append(found.failures, weather.Failure{Issuer: p.issuer, Subject: p.subject, Error: err.Error()})
	}
	r.swapping.Lock()
	defer r.swapping.Unlock()
	found.without(r.gone)
	maps.Copy(w.unlisted, r.gone)
	r.put(r.current.Load(), found, w.unlisted, nil)
}

// dropped are those that were trusted before by a chain with a link that its issuer no longer
// has in its list. Who is out of reach, or beyond a bound, is unknown and not dropped.
func dropped(before, next *snapshot, unlisted map[pair]time.Time) map[federation.EntityID]time.Time {
	all := map[federation.EntityID]time.Time{}
	for id, until := range before.gathered.dropped {
		if len(next.entries[id]) == 0 && next.at.Before(until) {
			all[id] = until
		}
	}
	for id, entries := range before.entries {
		for _, e := range entries {
			if len(next.entries[id]) > 0 || e.Err != nil {
				continue
			}
			for _, s := range e.verdict.Chain {
				if until, gone := unlisted[pair{s.Issuer, s.Subject}]; gone && all[id].Before(until) {
					all[id] = until
				}
			}
		}
	}
	return all
}

// build judges every entity that was gathered. A chain that stood before and a signature that was
// verified before are not verified again.
func (r *Resolver) build(g *gathered, before *snapshot) *snapshot {
	now := r.now()
	all := make([]statement.Statement, 0, len(g.statements))
	var subjects []federation.EntityID
	for p, s := range g.statements {
		all = append(all, s.Statement)
		if p.issuer == p.subject {
			subjects = append(subjects, p.subject)
		}
	}
	pool := trust.Collect(all...)
	verdicts := make([][]trust.Verdict, len(subjects))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, id := range subjects {
		group.Go(func() error {
			var known []trust.Verdict
			for _, e := range before.entries[id] {
				known = append(known, e.verdict)
			}
			verdicts[i] = trust.Preferred(id, pool, r.anchors, now, known...)
			return nil
		})
	}
	_ = group.Wait() // none fails
	chains := make(map[federation.EntityID][]trust.Verdict, len(subjects))
	for i, id := range subjects {
		chains[id] = verdicts[i]
	}
	s := &snapshot{at: now, gathered: g, entries: make(map[federation.EntityID][]*Entry, len(subjects))}
	for _, id := range subjects {
		for _, v := range chains[id] { // one for each anchor
			s.entries[id] = append(s.entries[id], entry(v, g, chains, before.entries[id], now))
		}
	}
	s.forecast = sync.OnceValue(s.weather)
	return s
}

// entry is what a verdict says, with the marks of the subject that count under its anchor.
func entry(
	v trust.Verdict, g *gathered, chains map[federation.EntityID][]trust.Verdict, before []*Entry, now time.Time,
) *Entry {
	e := &Entry{Subject: v.Subject, Anchor: v.Anchor, Metadata: v.Metadata, Expiry: v.Expiry, Err: v.Err, verdict: v}
	if v.Err != nil {
		return e
	}
	e.verdict.Trail, e.verdict.Steps = nil, nil // nobody asks why of one that is trusted, and they are long
	sum := sha256.New()
	for _, s := range v.Chain {
		e.Chain = append(e.Chain, s.Token())
		sum.Write([]byte(s.Token() + "\n"))
	}
	for _, m := range v.Chain[0].Marks {
		parsed, err := parsedMark(m.JWT, before)
		if err != nil {
			continue
		}
		under := slices.IndexFunc(chains[parsed.Issuer], func(c trust.Verdict) bool { return c.Anchor == v.Anchor })
		if _, holds := slices.BinarySearch(g.holders[markKind{parsed.Issuer, m.Type}].subjects, v.Subject); under < 0 || !holds {
			continue
		}
		q := mark.Question{Holder: v.Subject, Beside: m.Type, Issuer: chains[parsed.Issuer][under], Now: now}
		if parsed.Judge(q).Valid() {
			e.Marks = append(e.Marks, Mark{m, parsed.Expiry, parsed})
			sum.Write([]byte(m.JWT + "\n"))
		}
	}
	e.Digest = hex.EncodeToString(sum.Sum(nil))
	return e
}

// parsedMark is a mark, the one from before if the entity had it then.
func parsedMark(token string, before []*Entry) (mark.Mark, error) {
	for _, e := range before {
		for _, m := range e.Marks {
			if m.JWT == token {
				return m.parsed, nil
			}
		}
	}
	return mark.Parse(token)
}
