package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hopnhat/keys"
)

// Commands are what an operator does to keys by hand.
type Commands struct{ k *Keeper }

// Commands gives the commands of an operator on the Keeper's keys.
func (k *Keeper) Commands() Commands { return Commands{k} }

// Rotate creates a new version of a key and announces it. urgent lets it sign as
// soon as every node serves it, without waiting for relying parties.
func (c Commands) Rotate(ctx context.Context, use keys.Use, alg keys.Algorithm, urgent bool) (VersionState, error) {
	before := map[keys.KeyID]bool{}
	states, err := c.k.o.Ledger.KeyVersions(ctx)
	if err != nil {
		return VersionState{}, err
	}
	for _, l := range states {
		before[l.KeyID] = true
	}
	if err := c.k.o.Store.Create(ctx, use, alg); err != nil {
		return VersionState{}, fmt.Errorf("rotating %s %s: %w", use, alg, err)
	}
	if alg == "" {
		return VersionState{}, nil // data keys follow by themselves
	}
	if err := c.k.Reconcile(ctx); err != nil {
		return VersionState{}, err
	}
	// Somebody else's version may have come in at the same time; the newest counts.
	versions := groups(c.k.snapshot.Load().states)[group{use, alg}]
	for _, l := range slices.Backward(versions) {
		if before[l.KeyID] {
			continue
		}
		if urgent {
			return l, c.Expedite(ctx, l.KeyID)
		}
		return l, nil
	}
	return VersionState{}, fmt.Errorf("rotating %s %s: the new version is not to be seen in the store", use, alg)
}

// Expedite is an operator's override: the version waits for no relying party.
func (c Commands) Expedite(ctx context.Context, id keys.KeyID) error {
	return c.k.o.Ledger.Tx(ctx, func(ctx context.Context) error {
		l, err := c.find(ctx, id)
		if err != nil {
			return err
		}
		if l.State != keys.Announced && l.State != keys.Published {
			return fmt.Errorf("version %s is %s: only one that is announced or published can be hurried", id, l.State)
		}
		if err := c.k.o.Ledger.ExpediteKey(ctx, id); err != nil {
			return err
		}
		return c.k.record(ctx, Step{id, l.Use, l.Algorithm, l.State, l.State}, c.k.o.Now(), "an operator let it wait for no relying party")
	})
}

// find is the version of an id.
func (c Commands) find(ctx context.Context, id keys.KeyID) (VersionState, error) {
	states, err := c.k.o.Ledger.KeyVersions(ctx)
	if err != nil {
		return VersionState{}, err
	}
	for _, l := range states {
		if l.KeyID == id {
			return l, nil
		}
	}
	return VersionState{}, fmt.Errorf("version %s: %w; `hopnhat keys status` lists those there are", id, keys.ErrNoKey)
}

// Revoked is what a revocation did.
type Revoked struct {
	Version VersionState
	// Successor signs as soon as every node serves it; empty when the version was
	// not the active one.
	Successor keys.KeyID
	// Destroyed is nil when the store makes sure that the version signs no more.
	Destroyed error
}

// ErrNotInStore means that a version that was revoked is not in the store, so that
// there was nothing to destroy.
var ErrNotInStore = errors.New("the store does not show the version")

// Revoke takes a version away at once: it leaves the JWK Set of every node within
// a tick, what it signed is no longer accepted, and if it was the active one a
// new version takes its place as soon as every node serves it. alone revokes even
// when no successor can be created: nothing is signed then.
func (c Commands) Revoke(ctx context.Context, id keys.KeyID, why string, alone bool) (Revoked, error) {
	l, err := c.find(ctx, id)
	if err != nil {
		return Revoked{}, err
	}
	if !l.State.InSet() {
		return Revoked{}, fmt.Errorf("version %s is %s already", id, l.State)
	}
	out := Revoked{}
	if l.State == keys.Active {
		next := last(groups(c.k.snapshot.Load().states)[group{l.Use, l.Algorithm}], keys.Published)
		if next == nil {
			made, err := c.Rotate(ctx, l.Use, l.Algorithm, false)
			switch {
			case err == nil:
				next = &made
			case !alone:
				return Revoked{}, fmt.Errorf("no successor: %w; to revoke all the same, and sign nothing until there is one, say so", err)
			}
		}
		if next != nil {
			out.Successor = next.KeyID
		}
	}
	now := c.k.o.Now().UTC()
	err = c.k.o.Ledger.Tx(ctx, func(ctx context.Context) error {
		// The state may have moved on since: what is revoked is the version.
		if l, err = c.find(ctx, id); err != nil {
			return err
		}
		step := Step{id, l.Use, l.Algorithm, l.State, keys.Revoked}
		if err := c.k.o.Ledger.MoveKey(ctx, step, now); err != nil {
			return err
		}
		if out.Successor != "" {
			if err := c.k.o.Ledger.ExpediteKey(ctx, out.Successor); err != nil {
				return err
			}
		}
		return c.k.record(ctx, step, now, why)
	})
	if err != nil {
		return Revoked{}, fmt.Errorf("revoking %s: %w", id, err)
	}
	out.Version = l
	if public, ok := c.k.snapshot.Load().material[id]; ok {
		out.Destroyed = c.k.o.Store.Destroy(ctx, public.Handle)
	} else {
		out.Destroyed = ErrNotInStore
	}
	return out, c.k.Reconcile(ctx)
}

// Ended says, after a revocation, which live nodes have yet to drop the version,
// and how many signatures that it made could still have been valid: all of them,
// once no node is left.
func (c Commands) Ended(ctx context.Context, id keys.KeyID) (tokens int64, left []string, err error) {
	l, err := c.find(ctx, id)
	if err != nil {
		return 0, nil, err
	}
	now := c.k.o.Now()
	nodes, err := c.k.o.Ledger.KeyNodes(ctx, now.Add(-c.k.o.Lease-grace))
	if err != nil {
		return 0, nil, err
	}
	for _, n := range nodes {
		if slices.Contains(n.Serving, id) {
			left = append(left, n.ID)
		}
	}
	tokens, err = c.k.o.Ledger.KeySignatures(ctx, id, now.Add(-c.horizon(l.Use)))
	return tokens, left, err
}

// horizon is how far back signatures of a use may still matter.
func (c Commands) horizon(use keys.Use) time.Duration {
	if overlap := c.k.o.Rules[use].Overlap; overlap > 0 {
		return overlap
	}
	return 100 * 365 * 24 * time.Hour
}

// Status is where a version stands, for an operator.
type Status struct {
	VersionState
	// Version is its number in the store, 0 when the store does not show it.
	Version  int
	Blockers []Blocker
	// Signatures are those that may still matter.
	Signatures int64
	// Overdue: it should have had a successor by now.
	Overdue bool
}

// Status lists all versions, the newest of each key first. ended includes those
// retired and revoked.
func (c Commands) Status(ctx context.Context, ended bool) ([]Status, []Node, error) {
	states, err := c.k.o.Ledger.KeyVersions(ctx)
	if err != nil {
		return nil, nil, err
	}
	now := c.k.o.Now()
	f, err := c.k.facts(ctx, now)
	if err != nil {
		return nil, nil, err
	}
	material := c.k.snapshot.Load().material
	var out []Status
	all := groups(states)
	for _, spec := range c.k.specs {
		versions := all[group{spec.Use, spec.Algorithm}]
		for _, l := range slices.Backward(versions) {
			if !spec.Public() || !ended && !l.State.InSet() {
				continue
			}
			s := Status{VersionState: l, Version: material[l.KeyID].Version, Overdue: c.k.overdue(l)}
			if l.State == keys.Announced || l.State == keys.Published {
				s.Blockers = Blockers(l, versions, f)
			}
			if s.Signatures, err = c.k.o.Ledger.KeySignatures(ctx, l.KeyID, now.Add(-c.horizon(l.Use))); err != nil {
				return nil, nil, err
			}
			out = append(out, s)
		}
	}
	return out, f.Nodes, nil
}
