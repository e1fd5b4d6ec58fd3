package resolver

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hopnhat/federation"
	"hopnhat/federation/statement"
)

// watchEvery is how long lies between two looks at who has left a list, and watchTime the bound
// of one request: with the 2 s for which a superior gives out a list, who was revoked is known
// within 5 s.
const (
	watchEvery = 2 * time.Second
	watchTime  = 2 * time.Second
)

// OnDropped is told of each entity that is trusted no more, right after it is known. It is set
// before the resolver runs.
func (r *Resolver) OnDropped(told func(federation.EntityID)) { r.told = told }

// OnNews has a channel told, without waiting, that something else is known than before. It is set
// before the resolver runs.
func (r *Resolver) OnNews(news chan<- struct{}) { r.news = news }

// watch looks every [watchEvery] who has left the lists of superiors, until ctx ends.
func (r *Resolver) watch(ctx context.Context) {
	for {
		pause := time.NewTimer(watchEvery - watchEvery/20 + rand.N(watchEvery/10))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		r.Watch(ctx)
	}
}

// Watch asks each trusted entity that has subordinates for its list, and drops at once whom it
// stated before and has in it no longer, with all below, also while a walk goes on. Who is new is
// known after the next walk. A superior that does not answer changes nothing.
func (r *Resolver) Watch(ctx context.Context) {
	began := r.now()
	unlisted := r.unlisted(ctx, r.current.Load())
	if len(unlisted) == 0 || ctx.Err() != nil {
		return
	}
	r.swapping.Lock()
	defer r.swapping.Unlock()
	before := r.current.Load()
	was := before.gathered
	found := was.clone()
	found.without(unlisted)
	for p := range unlisted {
		found.heard[p.issuer] = began
	}
	maps.Copy(r.gone, unlisted)
	r.put(before, found, unlisted, nil)
}

// clone is what can be changed without a change of what it was made from.
func (g *gathered) clone() *gathered {
	return &gathered{
		statements: maps.Clone(g.statements), holders: maps.Clone(g.holders), failures: g.failures, heard: maps.Clone(g.heard),
	}
}

// without takes statements out, and the configurations of those whom nobody states then.
func (g *gathered) without(unlisted map[pair]time.Time) {
	stated := map[federation.EntityID]bool{}
	for p := range unlisted {
		delete(g.statements, p)
		stated[p.subject] = false
	}
	for p := range g.statements {
		if _, asked := stated[p.subject]; asked && p.issuer != p.subject {
			stated[p.subject] = true
		}
	}
	for id, still := range stated {
		if !still {
			delete(g.statements, pair{id, id})
		}
	}
}

// unlisted are those whom a trusted superior stated and has no longer in its list, each until it
// is no longer told of.
func (r *Resolver) unlisted(ctx context.Context, s *snapshot) map[pair]time.Time {
	stated := map[federation.EntityID][]federation.EntityID{}
	for p := range s.gathered.statements {
		if p.issuer != p.subject {
			stated[p.issuer] = append(stated[p.issuer], p.subject)
		}
	}
	var mu sync.Mutex
	all := map[pair]time.Time{}
	var group errgroup.Group
	group.SetLimit(branchesAtOnce)
	for id, subjects := range stated {
		c, known := s.gathered.statements[pair{id, id}]
		if _, err := r.Resolve(id); err != nil || !known {
			continue
		}
		group.Go(func() error {
			within, cancel := context.WithTimeout(ctx, watchTime)
			defer cancel()
			listed, ok := r.listed(within, c.Statement)
			if !ok {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			for _, subject := range subjects {
				if p := (pair{id, subject}); !listed[subject] {
					all[p] = s.gathered.statements[p].Expiry.Add(saidFor)
				}
			}
			return nil
		})
	}
	_ = group.Wait()
	return all
}

// listed is the list of a superior; ok is false where it has none, or does not answer.
func (r *Resolver) listed(ctx context.Context, c statement.Statement) (listed map[federation.EntityID]bool, ok bool) {
	if _, has := c.Metadata[federation.FederationEntity]["federation_list_endpoint"]; !has {
		return nil, false
	}
	list, err := r.fetcher.List(ctx, c)
	if err != nil {
		return nil, false
	}
	listed = make(map[federation.EntityID]bool, len(list))
	for _, id := range list {
		listed[id] = true
	}
	return listed, true
}

// put makes what was found what is known, and tells who is trusted no more. also are those of whom
// somebody says that they were dropped. It is called with the lock of swapping held.
func (r *Resolver) put(before *snapshot, found *gathered, unlisted map[pair]time.Time, also map[federation.EntityID]time.Time) {
	next := r.build(found, before)
	found.dropped = dropped(before, next, unlisted)
	for id, until := range also {
		if _, known := found.dropped[id]; !known && len(next.entries[id]) == 0 && next.at.Before(until) {
			found.dropped[id] = until
		}
	}
	r.current.Store(next)
	if r.told != nil {
		for id := range found.dropped {
			if _, again := before.gathered.dropped[id]; !again {
				r.told(id)
			}
		}
	}
	select {
	case r.news <- struct{}{}: // never, where nobody is told
	default:
	}
	if err := save(r.file, found); err != nil {
		slog.Error("what is known of the federation could not be kept for the next start", "file", r.file, "error", err)
	}
}
