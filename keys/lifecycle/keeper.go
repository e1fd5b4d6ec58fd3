package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"hopnhat/keys"
)

// Keeper keeps a Ring true to the Ledger and the store, and makes the steps that are due.
// It is safe for concurrent use.
type Keeper struct {
	*Ring
	reconciling sync.Mutex // one Reconcile at a time
	heartbeatAt time.Time
	reported    []keys.KeyID // by the heartbeat

	stop func()
}

var _ keys.Ring = (*Keeper)(nil)

// Open reads the store and the Ledger, and keeps on reading until Close.
func Open(ctx context.Context, o Options) (*Keeper, error) {
	o = o.withDefaults()
	k := &Keeper{Ring: newRing(o), stop: func() {}}
	if err := (keyring{ledger: o.Ledger, store: o.Store, mayBegin: o.Begin}).recognise(ctx); err != nil {
		return nil, fmt.Errorf("opening the keys: %w", err)
	}
	if o.Recognised != nil {
		if err := o.Recognised(ctx); err != nil {
			return nil, fmt.Errorf("opening the keys: %w", err)
		}
	}
	if err := k.Reconcile(ctx); err != nil {
		return nil, fmt.Errorf("opening the keys: %w", err)
	}
	if o.Node != "" {
		k.run()
	}
	return k, nil
}

// run reconciles every Tick until Close. A failure is logged and tried again, so that recovery
// needs no restart.
func (k *Keeper) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	k.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		ticker := time.NewTicker(k.o.Tick)
		defer ticker.Stop()
		failing := ""
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			bounded, cancel := context.WithTimeout(ctx, k.o.Lease/2)
			err := k.Reconcile(bounded)
			cancel()
			switch {
			case err != nil && ctx.Err() == nil && err.Error() != failing: // once for each failure
				failing = err.Error()
				k.o.Logger.Error("the keys could not be looked after; those in memory go on for a while",
					"error", err, "lease", k.o.Lease.String())
			case err == nil && failing != "":
				failing = ""
				k.o.Logger.Info("the keys are looked after again")
			}
		}
	}()
}

// Reconcile reads the Ledger (and the store, when it is time or the Ledger names a version
// that is not known), reports what this node serves, and makes the steps that are due. It
// does not fail for the store alone while the Ledger can be read: published versions stay
// published.
func (k *Keeper) Reconcile(ctx context.Context) error {
	k.reconciling.Lock()
	defer k.reconciling.Unlock()
	now := k.o.Now()
	states, err := k.o.Ledger.KeyVersions(ctx)
	if err != nil {
		return fmt.Errorf("reading the book of keys: %w", err)
	}
	old := k.snapshot.Load()
	material, askedAt, storeErr := k.material(ctx, old, states, now)
	if storeErr != nil && old == nil {
		return storeErr
	}
	states, err = k.announce(ctx, states, material, now)
	if err != nil {
		return err
	}
	s := takeSnapshot(k.specs, states, material, storeErr == nil)
	s.read, s.asked = now, askedAt
	if storeErr != nil {
		s.unseen = old.unseen // the store did not say
	}
	k.snapshot.Store(s)
	k.warnOfUnseen(old, s)
	if k.o.Node == "" {
		return storeErr
	}
	// Counted first: once this node reports that it no longer serves a version, the
	// count of its signatures with that version is complete.
	if err := k.watch.flush(ctx, k.o.Ledger); err != nil {
		return fmt.Errorf("noting what was seen: %w", err)
	}
	if err := k.heartbeat(ctx, s, now); err != nil {
		return err
	}
	return errors.Join(storeErr, k.advance(ctx, s, now))
}

// material is the public keys by version: from the store when it is time, else from memory.
func (k *Keeper) material(ctx context.Context, old *snapshot, states []VersionState, now time.Time) (publicKeys, time.Time, error) {
	known := publicKeys{}
	var askedAt time.Time
	if old != nil {
		known, askedAt = old.material, old.asked
	}
	// A version that the store did not show when it was asked is asked for with the
	// others, not each time, while it is only announced.
	unknown := slices.ContainsFunc(states, func(l VersionState) bool {
		_, ok := known[l.KeyID]
		return !ok && l.State.InSet() && !(l.State == keys.Announced && old != nil && old.unseen[l.KeyID])
	})
	if old != nil && !unknown && now.Sub(askedAt) < k.o.Reread && k.o.Node != "" {
		return known, askedAt, nil
	}
	versions, err := k.o.Store.Versions(ctx)
	if err != nil {
		k.countFailure(err)
		return known, askedAt, err
	}
	// What the store no longer shows stays known: what it signed can still be
	// verified.
	fresh := maps.Clone(known)
	for _, v := range versions {
		if _, wanted := keys.FindAsymmetric(k.specs, v.Use, v.Algorithm); wanted {
			fresh[v.KeyID] = v
		}
	}
	return fresh, now, nil
}

// announce adds the versions that the Ledger does not know. The first version of a key signs
// at once, since no relying party has cached a set without it; of several that come into an
// empty Ledger together, the newest signs.
func (k *Keeper) announce(ctx context.Context, states []VersionState, material publicKeys, now time.Time) ([]VersionState, error) {
	known := map[keys.KeyID]bool{}
	started := map[group]bool{}
	for _, l := range states {
		known[l.KeyID], started[group{l.Use, l.Algorithm}] = true, true
	}
	var fresh []keys.PublicKey
	for id, v := range material {
		if !known[id] {
			fresh = append(fresh, v)
		}
	}
	if len(fresh) == 0 {
		return states, nil
	}
	slices.SortFunc(fresh, func(a, b keys.PublicKey) int { return b.Version - a.Version })
	for _, v := range fresh {
		g := group{v.Use, v.Algorithm}
		l := VersionState{KeyID: v.KeyID, Use: v.Use, Algorithm: v.Algorithm, State: keys.Announced, Announced: now.UTC()}
		if !started[g] {
			l.State, l.Published, l.Activated, started[g] = keys.Active, l.Announced, l.Announced, true
			for _, older := range fresh { // below the newest
				if older.Use == v.Use && older.Algorithm == v.Algorithm && older.Version < v.Version {
					past := VersionState{
						KeyID: older.KeyID, Use: v.Use, Algorithm: v.Algorithm, State: keys.Retiring,
						Announced: l.Announced.Add(-time.Duration(v.Version-older.Version) * time.Microsecond), Retiring: l.Announced,
					}
					if err := k.add(ctx, past); err != nil {
						return nil, err
					}
				}
			}
		}
		if err := k.add(ctx, l); err != nil {
			return nil, err
		}
	}
	return k.o.Ledger.KeyVersions(ctx)
}

// add announces one version and writes evidence of it; a version that another
// node was quicker to announce is left as it is.
func (k *Keeper) add(ctx context.Context, l VersionState) error {
	return k.o.Ledger.Tx(ctx, func(ctx context.Context) error {
		added, err := k.o.Ledger.AnnounceKey(ctx, l)
		if err != nil || !added {
			return err
		}
		return k.record(ctx, Step{l.KeyID, l.Use, l.Algorithm, "", l.State}, l.Announced, "the store has a version that was not known")
	})
}

// record writes a step into the evidence.
func (k *Keeper) record(ctx context.Context, s Step, at time.Time, why string) error {
	if k.o.Record == nil {
		return nil
	}
	return k.o.Record(ctx, Transition{s, at.UTC(), why})
}

// warnOfUnseen logs once that the store does not show an announced version: a command in the
// wrong folder may have announced it.
func (k *Keeper) warnOfUnseen(old, s *snapshot) {
	for id := range s.unseen {
		if k.o.Node != "" && (old == nil || !old.unseen[id]) {
			k.o.Logger.Warn("a key version is announced that the key store does not show: it is passed over until it is "+
				"there. If nobody knows it, take it away with `hopnhat keys revoke`", "kid", id)
		}
	}
}

// heartbeat reports what this node serves: at once when that has changed.
func (k *Keeper) heartbeat(ctx context.Context, s *snapshot, now time.Time) error {
	serving := s.serving()
	if slices.Equal(serving, k.reported) && now.Sub(k.heartbeatAt) < k.o.Heartbeat {
		return nil
	}
	if err := k.o.Ledger.RecordHeartbeat(ctx, Node{k.o.Node, now.UTC(), serving}); err != nil {
		return fmt.Errorf("telling what this node serves: %w", err)
	}
	k.heartbeatAt, k.reported = now, serving
	return nil
}

// grace is how much longer than its lease a silent node is waited for: it must
// have stopped serving before the others go on without it.
const grace = 15 * time.Second

// facts gathers what the decision depends on.
func (k *Keeper) facts(ctx context.Context, now time.Time) (Facts, error) {
	nodes, err1 := k.o.Ledger.KeyNodes(ctx, now.Add(-k.o.Lease-grace))
	parties, err2 := k.o.Ledger.KeyParties(ctx, now.Add(-k.o.Days))
	return Facts{Now: now, Nodes: nodes, Parties: parties, Rules: k.o.Rules}, errors.Join(err1, err2)
}

// due reports, from memory alone, whether any step could be due.
func (k *Keeper) due(s *snapshot, now time.Time) bool {
	states := s.known(s.states)
	if slices.ContainsFunc(states, func(l VersionState) bool { return l.State == keys.Announced || l.State == keys.Published }) {
		return true
	}
	return len(Next(states, Facts{Now: now, Rules: k.o.Rules})) > 0
}

// advance makes the steps that are due; of all nodes one does.
func (k *Keeper) advance(ctx context.Context, s *snapshot, now time.Time) error {
	if !k.due(s, now) {
		return nil
	}
	if leased, err := k.o.Ledger.LeaseKeys(ctx, k.o.Node, now, now.Add(5*k.o.Tick)); err != nil || !leased {
		return err
	}
	f, err := k.facts(ctx, now)
	if err != nil {
		return fmt.Errorf("gathering what a rotation waits for: %w", err)
	}
	var create []Step
	err = k.o.Ledger.Tx(ctx, func(ctx context.Context) error {
		create = nil
		// Read again inside, so that the decision is about what is there now.
		states, err := k.o.Ledger.KeyVersions(ctx)
		if err != nil {
			return err
		}
		for _, step := range Next(s.known(states), f) {
			if step.KeyID == "" {
				create = append(create, step)
				continue
			}
			if err := k.o.Ledger.MoveKey(ctx, step, now.UTC()); err != nil {
				return fmt.Errorf("%s: %w", step, err)
			}
			if err := k.record(ctx, step, now, "by the rule of rotation"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrMoved) {
		return err
	}
	for _, step := range create {
		if !k.o.MayCreate {
			continue // the store's own schedule, or an operator, does: see Overdue
		}
		if err := k.o.Store.Create(ctx, step.Use, step.Algorithm); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
		k.o.Logger.Info("a key version was created", "use", step.Use, "alg", step.Algorithm)
	}
	if len(create) == 0 || !k.o.MayCreate {
		return nil
	}
	// Announced at once, or the next Reconcile would find none and create another.
	material, _, err := k.material(ctx, nil, nil, now)
	if err != nil {
		return err
	}
	_, err = k.announce(ctx, s.states, material, now)
	return err
}

// Close ends the reading; signatures that were asked for are made.
func (k *Keeper) Close() error {
	k.stop()
	if k.batch != nil {
		k.batch.Close()
	}
	var dropped error
	if k.o.Node != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_ = k.watch.flush(ctx, k.o.Ledger)
		dropped = k.o.Ledger.DropKeyNode(ctx, k.o.Node)
	}
	return errors.Join(dropped, k.o.Store.Close())
}
