package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hopnhat/keys"
	"hopnhat/keys/batch"
)

// Options is what a Keeper is made of; the zero values of the lower half take the
// defaults.
type Options struct {
	Store keys.Store
	Book  Book
	// Algorithms of the token keys; ES256 alone if empty.
	Algorithms []keys.Algorithm
	Rules      map[keys.Use]Rule
	// Node names this process among the nodes; empty is a command, which serves
	// nothing and moves nothing by itself.
	Node string
	// MayCreate says that this process has the right to create versions.
	MayCreate bool
	// Begin says that this process may give an empty Book the keyring of Store.
	Begin bool
	// Complete makes the keys that the configuration names and the store lacks, once
	// the keyring is known to be the Book's. Nil where that is another role's right.
	Complete func(ctx context.Context) error
	// Coalesce signs in batches; nil signs each by itself, for a store in this
	// process.
	Coalesce *batch.Options
	// Record writes a transition into the evidence, in the transaction that makes
	// it. It may be nil.
	Record func(ctx context.Context, t Transition) error

	// Tick is how often the Book is read, 2 s; Beat how often a node tells that it
	// lives when nothing changes, 10 s; Reread how often the store is asked for
	// versions nobody announced, 15 s.
	Tick, Beat, Reread time.Duration
	// Lease is how long a node may go on without reading the Book, 60 s.
	Lease time.Duration
	// Days is how far back a relying party counts as active, 7 days.
	Days   time.Duration
	Now    func() time.Time
	Logger *slog.Logger
}

// Transition is a step that was made, for the evidence.
type Transition struct {
	Step
	At  time.Time
	Why string
}

// Keeper is a keys.Ring over a Store and a Book. It is safe for concurrent use.
type Keeper struct {
	keys.Secrecy // of the store; Unwrap is ours
	o            Options
	specs        []keys.Spec
	batch        *batch.Batcher
	watch        watch
	state        atomic.Pointer[state]
	turn         sync.Mutex // one turn at a time
	beaten       time.Time
	served       []keys.KeyID

	signatures atomic.Uint64
	failures   map[keys.Cause]*atomic.Uint64

	stop func()
}

// state is an immutable picture of the versions that matter.
type state struct {
	read     time.Time // when the Book was read
	asked    time.Time // when the store was
	material map[keys.KeyID]keys.PublicKey
	lives    []Life
	byID     map[keys.KeyID]Life
	sets     map[keys.Use][]keys.PublicKey
	active   map[group]keys.Handle
	missing  []keys.KeyID // in the Book, published at some time, and not in the store
	// unseen versions are announced and not in the store, which was asked. They
	// change nothing: somebody said they exist, and nothing here was made with them.
	unseen map[keys.KeyID]bool
	// lacks says of a use that its set is without a version that others sign with,
	// or soon will: it is not to be served.
	lacks map[keys.Use]bool
}

// Rules are the rules for a server whose JWK Sets are cached for cache, whose
// tokens live no longer than token, and whose keys get a successor every so
// often. Checkpoint keys change by command only, and what they signed is to be
// verified for ever.
func Rules(cache, token, every time.Duration) map[keys.Use]Rule {
	r := Rule{Lead: cache, Overlap: token, Every: every}
	return map[keys.Use]Rule{
		keys.TokenSigning: r, keys.EntityStatement: r, keys.RequestDecryption: r,
		keys.LogCheckpoint: {Lead: cache},
	}
}

// Open reads the store and the Book, and keeps on reading until Close.
func Open(ctx context.Context, o Options) (*Keeper, error) {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Tick, 2 * time.Second},
		{&o.Beat, 10 * time.Second},
		{&o.Reread, 15 * time.Second},
		{&o.Lease, time.Minute},
		{&o.Days, 7 * 24 * time.Hour},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	k := &Keeper{Secrecy: o.Store, o: o, specs: keys.Specs(o.Algorithms), failures: map[keys.Cause]*atomic.Uint64{}, stop: func() {}}
	for _, cause := range keys.Causes {
		k.failures[cause] = new(atomic.Uint64)
	}
	if o.Coalesce != nil {
		k.batch = batch.New(o.Store.SignBatch, *o.Coalesce)
	}
	if err := k.recognise(ctx); err != nil {
		return nil, fmt.Errorf("opening the keys: %w", err)
	}
	if o.Complete != nil {
		if err := o.Complete(ctx); err != nil {
			return nil, fmt.Errorf("opening the keys: %w", err)
		}
	}
	if err := k.Turn(ctx); err != nil {
		return nil, fmt.Errorf("opening the keys: %w", err)
	}
	if o.Node != "" {
		k.run()
	}
	return k, nil
}

// run takes turns until Close. A failure is logged and the turn tried again, so that
// recovery needs no restart.
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
			turn, cancel := context.WithTimeout(ctx, k.o.Lease/2)
			err := k.Turn(turn)
			cancel()
			switch {
			case err != nil && ctx.Err() == nil && err.Error() != failing: // once for each failure
				failing = err.Error()
				k.o.Logger.Error("the keys could not be looked after; those in memory go on for a while", "error", err, "lease", k.o.Lease.String())
			case err == nil && failing != "":
				failing = ""
				k.o.Logger.Info("the keys are looked after again")
			}
		}
	}()
}

// Turn reads the Book (and the store, when it is time or the Book names a version
// that is not known), tells what this node serves, and makes the steps that are
// due. A failure of the store alone is no failure of the turn while the Book can be
// read: published versions stay published.
func (k *Keeper) Turn(ctx context.Context) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	now := k.o.Now()
	lives, err := k.o.Book.KeyLives(ctx)
	if err != nil {
		return fmt.Errorf("reading the book of keys: %w", err)
	}
	old := k.state.Load()
	material, asked, storeErr := k.material(ctx, old, lives, now)
	if storeErr != nil && old == nil {
		return storeErr
	}
	lives, err = k.announce(ctx, lives, material, now)
	if err != nil {
		return err
	}
	s := k.picture(lives, material, storeErr == nil)
	s.read, s.asked = now, asked
	if storeErr != nil {
		s.unseen = old.unseen // the store did not say
	}
	k.state.Store(s)
	k.warnOfUnseen(old, s)
	if k.o.Node == "" {
		return storeErr
	}
	// Counted first: once this node reports that it no longer serves a version, the
	// count of its signatures with that version is complete.
	if err := k.watch.flush(ctx, k.o.Book); err != nil {
		return fmt.Errorf("noting what was seen: %w", err)
	}
	if err := k.beat(ctx, s, now); err != nil {
		return err
	}
	return errors.Join(storeErr, k.advance(ctx, s, now))
}

// material asks the store when it is time.
func (k *Keeper) material(ctx context.Context, old *state, lives []Life, now time.Time) (map[keys.KeyID]keys.PublicKey, time.Time, error) {
	known := map[keys.KeyID]keys.PublicKey{}
	var asked time.Time
	if old != nil {
		known, asked = old.material, old.asked
	}
	// A version that the store did not show when it was asked is asked for with the
	// others, not each time, while it is only announced.
	unknown := slices.ContainsFunc(lives, func(l Life) bool {
		_, ok := known[l.KeyID]
		return !ok && l.State.InSet() && !(l.State == keys.Announced && old != nil && old.unseen[l.KeyID])
	})
	if old != nil && !unknown && now.Sub(asked) < k.o.Reread && k.o.Node != "" {
		return known, asked, nil
	}
	versions, err := k.o.Store.Versions(ctx)
	if err != nil {
		k.failed(err)
		return known, asked, err
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

// announce adds the versions that the Book does not know. The first version of a
// key signs at once, since no relying party has cached a set without it; of several
// that come into an empty Book together, the newest signs.
func (k *Keeper) announce(ctx context.Context, lives []Life, material map[keys.KeyID]keys.PublicKey, now time.Time) ([]Life, error) {
	known := map[keys.KeyID]bool{}
	started := map[group]bool{}
	for _, l := range lives {
		known[l.KeyID], started[group{l.Use, l.Algorithm}] = true, true
	}
	var fresh []keys.PublicKey
	for id, v := range material {
		if !known[id] {
			fresh = append(fresh, v)
		}
	}
	if len(fresh) == 0 {
		return lives, nil
	}
	slices.SortFunc(fresh, func(a, b keys.PublicKey) int { return b.Version - a.Version })
	for _, v := range fresh {
		g := group{v.Use, v.Algorithm}
		l := Life{KeyID: v.KeyID, Use: v.Use, Algorithm: v.Algorithm, State: keys.Announced, Announced: now.UTC()}
		if !started[g] {
			l.State, l.Published, l.Activated, started[g] = keys.Active, l.Announced, l.Announced, true
			for _, older := range fresh { // below the newest
				if older.Use == v.Use && older.Algorithm == v.Algorithm && older.Version < v.Version {
					past := Life{
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
	return k.o.Book.KeyLives(ctx)
}

// add announces one version and writes evidence of it; a version that another
// node was quicker to announce is left as it is.
func (k *Keeper) add(ctx context.Context, l Life) error {
	return k.o.Book.Tx(ctx, func(ctx context.Context) error {
		added, err := k.o.Book.AnnounceKey(ctx, l)
		if err != nil || !added {
			return err
		}
		return k.record(ctx, Step{l.KeyID, l.Use, l.Algorithm, "", l.State}, l.Announced, "the store has a version that was not known")
	})
}

func (k *Keeper) record(ctx context.Context, s Step, at time.Time, why string) error {
	if k.o.Record == nil {
		return nil
	}
	return k.o.Record(ctx, Transition{s, at.UTC(), why})
}

// picture joins what the Book says with what the store has. told is whether the store
// answered: a retiring version that it does not show is gone for good if it did, and
// otherwise one that this node has yet to see, while others may still sign with it.
func (k *Keeper) picture(lives []Life, material map[keys.KeyID]keys.PublicKey, told bool) *state {
	s := &state{
		material: material, lives: lives, byID: map[keys.KeyID]Life{}, sets: map[keys.Use][]keys.PublicKey{}, active: map[group]keys.Handle{},
		lacks: map[keys.Use]bool{}, unseen: map[keys.KeyID]bool{},
	}
	for _, l := range lives {
		if _, wanted := keys.FindAsymmetric(k.specs, l.Use, l.Algorithm); !wanted {
			continue
		}
		s.byID[l.KeyID] = l
		public, ok := material[l.KeyID]
		if !ok {
			switch {
			case l.State == keys.Announced:
				s.unseen[l.KeyID] = true
			case l.State.InSet():
				s.missing = append(s.missing, l.KeyID)
			}
			if l.State == keys.Published || l.State == keys.Active || l.State == keys.Retiring && !told {
				s.lacks[l.Use] = true
			}
			continue
		}
		public.State = l.State
		if l.InSet() {
			s.sets[l.Use] = append(s.sets[l.Use], public)
		}
		if l.State == keys.Active {
			s.active[group{l.Use, l.Algorithm}] = public.Handle
		}
	}
	for _, set := range s.sets {
		slices.SortFunc(set, func(a, b keys.PublicKey) int {
			if a.Algorithm != b.Algorithm {
				return slices.Index(keys.OpenIDSignatures, a.Algorithm) - slices.Index(keys.OpenIDSignatures, b.Algorithm)
			}
			return b.Version - a.Version
		})
	}
	return s
}

// warnOfUnseen says once of each announced version that the store does not show it:
// a command in the wrong folder may have announced it.
func (k *Keeper) warnOfUnseen(old, s *state) {
	for id := range s.unseen {
		if k.o.Node != "" && (old == nil || !old.unseen[id]) {
			k.o.Logger.Warn("a key version is announced that the key store does not show: it is passed over until it is there. If nobody knows it, take it away with `hopnhat keys revoke`", "kid", id)
		}
	}
}

// known are the versions that steps are decided on: an announced one that the
// store does not show holds up no rotation.
func (s *state) known(lives []Life) []Life {
	return slices.DeleteFunc(slices.Clone(lives), func(l Life) bool { return l.State == keys.Announced && s.unseen[l.KeyID] })
}

// beat tells what this node serves: at once when that has changed.
func (k *Keeper) beat(ctx context.Context, s *state, now time.Time) error {
	var serving []keys.KeyID
	for _, l := range s.lives {
		if _, there := s.material[l.KeyID]; there && l.State.InSet() {
			serving = append(serving, l.KeyID)
		}
	}
	if slices.Equal(serving, k.served) && now.Sub(k.beaten) < k.o.Beat {
		return nil
	}
	if err := k.o.Book.BeatKeyNode(ctx, Node{k.o.Node, now.UTC(), serving}); err != nil {
		return fmt.Errorf("telling what this node serves: %w", err)
	}
	k.beaten, k.served = now, serving
	return nil
}

// grace is how much longer than its lease a silent node is waited for: it must
// have stopped serving before the others go on without it.
const grace = 15 * time.Second

// facts gathers what the decision depends on.
func (k *Keeper) facts(ctx context.Context, now time.Time) (Facts, error) {
	nodes, err1 := k.o.Book.KeyNodes(ctx, now.Add(-k.o.Lease-grace))
	parties, err2 := k.o.Book.KeyParties(ctx, now.Add(-k.o.Days))
	return Facts{Now: now, Nodes: nodes, Parties: parties, Rules: k.o.Rules}, errors.Join(err1, err2)
}

// due tells from memory alone whether any step could be due.
func (k *Keeper) due(s *state, now time.Time) bool {
	lives := s.known(s.lives)
	if slices.ContainsFunc(lives, func(l Life) bool { return l.State == keys.Announced || l.State == keys.Published }) {
		return true
	}
	return len(Next(lives, Facts{Now: now, Rules: k.o.Rules})) > 0
}

// advance makes the steps that are due; of all nodes one does.
func (k *Keeper) advance(ctx context.Context, s *state, now time.Time) error {
	if !k.due(s, now) {
		return nil
	}
	if mine, err := k.o.Book.LeaseKeys(ctx, k.o.Node, now, now.Add(5*k.o.Tick)); err != nil || !mine {
		return err
	}
	f, err := k.facts(ctx, now)
	if err != nil {
		return fmt.Errorf("gathering what a rotation waits for: %w", err)
	}
	var create []Step
	err = k.o.Book.Tx(ctx, func(ctx context.Context) error {
		create = nil
		// Read again inside, so that the decision is about what is there now.
		lives, err := k.o.Book.KeyLives(ctx)
		if err != nil {
			return err
		}
		for _, step := range Next(s.known(lives), f) {
			if step.KeyID == "" {
				create = append(create, step)
				continue
			}
			if err := k.o.Book.MoveKey(ctx, step, now.UTC()); err != nil {
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
	// Announced at once, or the next turn would find none and create another.
	material, _, err := k.material(ctx, nil, nil, now)
	if err != nil {
		return err
	}
	_, err = k.announce(ctx, s.lives, material, now)
	return err
}

// Close stops the turns; signatures that were asked for are made.
func (k *Keeper) Close() error {
	k.stop()
	if k.batch != nil {
		k.batch.Close()
	}
	var dropped error
	if k.o.Node != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_ = k.watch.flush(ctx, k.o.Book)
		dropped = k.o.Book.DropKeyNode(ctx, k.o.Node)
	}
	return errors.Join(dropped, k.o.Store.Close())
}
