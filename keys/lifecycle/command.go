package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hopnhat/keys"
)

// Rotate creates a new version of a key and announces it. urgent lets it sign as
// soon as every node serves it, without waiting for relying parties.
func (k *Keeper) Rotate(ctx context.Context, use keys.Use, alg keys.Algorithm, urgent bool) (Life, error) {
	before := map[keys.KeyID]bool{}
	lives, err := k.o.Book.KeyLives(ctx)
	if err != nil {
		return Life{}, err
	}
	for _, l := range lives {
		before[l.KeyID] = true
	}
	if err := k.o.Store.Create(ctx, use, alg); err != nil {
		return Life{}, fmt.Errorf("rotating %s %s: %w", use, alg, err)
	}
	if alg == "" {
		return Life{}, nil // data keys follow by themselves
	}
	if err := k.Turn(ctx); err != nil {
		return Life{}, err
	}
	// Somebody else's version may have come in at the same time; the newest counts.
	versions := groups(k.state.Load().lives)[group{use, alg}]
	for _, l := range slices.Backward(versions) {
		if before[l.KeyID] {
			continue
		}
		if urgent {
			return l, k.Urge(ctx, l.KeyID)
		}
		return l, nil
	}
	return Life{}, fmt.Errorf("rotating %s %s: the new version is not to be seen in the store", use, alg)
}

// Urge is an operator's override: the version waits for no relying party.
func (k *Keeper) Urge(ctx context.Context, id keys.KeyID) error {
	return k.o.Book.Tx(ctx, func(ctx context.Context) error {
		l, err := k.find(ctx, id)
		if err != nil {
			return err
		}
		if l.State != keys.Announced && l.State != keys.Published {
			return fmt.Errorf("version %s is %s: only one that is announced or published can be hurried", id, l.State)
		}
		if err := k.o.Book.UrgeKey(ctx, id); err != nil {
			return err
		}
		return k.record(ctx, Step{id, l.Use, l.Algorithm, l.State, l.State}, k.o.Now(), "an operator let it wait for no relying party")
	})
}

func (k *Keeper) find(ctx context.Context, id keys.KeyID) (Life, error) {
	lives, err := k.o.Book.KeyLives(ctx)
	if err != nil {
		return Life{}, err
	}
	for _, l := range lives {
		if l.KeyID == id {
			return l, nil
		}
	}
	return Life{}, fmt.Errorf("version %s: %w; `hopnhat keys status` lists those there are", id, keys.ErrNoKey)
}

// Revoked tells what a revocation did.
type Revoked struct {
	Life Life
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
func (k *Keeper) Revoke(ctx context.Context, id keys.KeyID, why string, alone bool) (Revoked, error) {
	l, err := k.find(ctx, id)
	if err != nil {
		return Revoked{}, err
	}
	if !l.State.InSet() {
		return Revoked{}, fmt.Errorf("version %s is %s already", id, l.State)
	}
	out := Revoked{}
	if l.State == keys.Active {
		next := last(groups(k.state.Load().lives)[group{l.Use, l.Algorithm}], keys.Published)
		if next == nil {
			made, err := k.Rotate(ctx, l.Use, l.Algorithm, false)
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
	now := k.o.Now().UTC()
	err = k.o.Book.Tx(ctx, func(ctx context.Context) error {
		// The state may have moved on since: what is revoked is the version.
		if l, err = k.find(ctx, id); err != nil {
			return err
		}
		step := Step{id, l.Use, l.Algorithm, l.State, keys.Revoked}
		if err := k.o.Book.MoveKey(ctx, step, now); err != nil {
			return err
		}
		if out.Successor != "" {
			if err := k.o.Book.UrgeKey(ctx, out.Successor); err != nil {
				return err
			}
		}
		return k.record(ctx, step, now, why)
	})
	if err != nil {
		return Revoked{}, fmt.Errorf("revoking %s: %w", id, err)
	}
	out.Life = l
	if public, ok := k.state.Load().material[id]; ok {
		out.Destroyed = k.o.Store.Destroy(ctx, public.Handle)
	} else {
		out.Destroyed = ErrNotInStore
	}
	return out, k.Turn(ctx)
}

// Ended tells, after a revocation, which live nodes have yet to drop the version,
// and how many signatures that it made could still have been valid: all of them,
// once no node is left.
func (k *Keeper) Ended(ctx context.Context, id keys.KeyID) (tokens int64, left []string, err error) {
	l, err := k.find(ctx, id)
	if err != nil {
		return 0, nil, err
	}
	now := k.o.Now()
	nodes, err := k.o.Book.KeyNodes(ctx, now.Add(-k.o.Lease-grace))
	if err != nil {
		return 0, nil, err
	}
	for _, n := range nodes {
		if slices.Contains(n.Serving, id) {
			left = append(left, n.ID)
		}
	}
	tokens, err = k.o.Book.KeySignatures(ctx, id, now.Add(-k.longest(l.Use)))
	return tokens, left, err
}

// longest is how far back signatures of a use may still matter.
func (k *Keeper) longest(use keys.Use) time.Duration {
	if overlap := k.o.Rules[use].Overlap; overlap > 0 {
		return overlap
	}
	return 100 * 365 * 24 * time.Hour
}

// Status is where a version stands, for an operator.
type Status struct {
	Life
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
func (k *Keeper) Status(ctx context.Context, ended bool) ([]Status, []Node, error) {
	lives, err := k.o.Book.KeyLives(ctx)
	if err != nil {
		return nil, nil, err
	}
	now := k.o.Now()
	f, err := k.facts(ctx, now)
	if err != nil {
		return nil, nil, err
	}
	material := k.state.Load().material
	var out []Status
	all := groups(lives)
	for _, spec := range k.specs {
		versions := all[group{spec.Use, spec.Algorithm}]
		for _, l := range slices.Backward(versions) {
			if !spec.Public() || !ended && !l.State.InSet() {
				continue
			}
			s := Status{Life: l, Version: material[l.KeyID].Version, Overdue: k.overdue(l)}
			if l.State == keys.Announced || l.State == keys.Published {
				s.Blockers = Blockers(l, versions, f)
			}
			if s.Signatures, err = k.o.Book.KeySignatures(ctx, l.KeyID, now.Add(-k.longest(l.Use))); err != nil {
				return nil, nil, err
			}
			out = append(out, s)
		}
	}
	return out, f.Nodes, nil
}
