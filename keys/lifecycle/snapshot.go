package lifecycle

import (
	"slices"
	"time"

	"hopnhat/keys"
)

// snapshot is the versions that matter, as the Ledger and the store showed them at one time.
// It never changes: the Keeper takes another.
type snapshot struct {
	read     time.Time // when the Ledger was read
	asked    time.Time // when the store was
	material publicKeys
	states   []VersionState
	byID     map[keys.KeyID]VersionState
	sets     map[keys.Use][]keys.PublicKey
	active   map[group]keys.Handle
	missing  []keys.KeyID // in the Ledger, published at some time, and not in the store
	// unseen versions are announced and not in the store, which was asked. They
	// change nothing: somebody said they exist, and nothing here was made with them.
	unseen map[keys.KeyID]bool
	// incomplete are the uses whose set is without a version that others sign with, or
	// soon will: such a set is not served.
	incomplete map[keys.Use]bool
}

// publicKeys are those that the store shows or has shown.
type publicKeys map[keys.KeyID]keys.PublicKey

// takeSnapshot joins what the Ledger says with what the store has, for the keys of specs.
// answered is whether the store answered: a retiring version that it does not show is gone
// for good if it did, and otherwise one that this node has yet to see, while others may
// still sign with it.
func takeSnapshot(specs []keys.Spec, states []VersionState, material publicKeys, answered bool) *snapshot {
	s := &snapshot{
		material: material, states: states, byID: map[keys.KeyID]VersionState{},
		sets: map[keys.Use][]keys.PublicKey{}, active: map[group]keys.Handle{},
		unseen: map[keys.KeyID]bool{}, incomplete: map[keys.Use]bool{},
	}
	for _, l := range states {
		if _, wanted := keys.FindAsymmetric(specs, l.Use, l.Algorithm); !wanted {
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
			if l.State == keys.Published || l.State == keys.Active || l.State == keys.Retiring && !answered {
				s.incomplete[l.Use] = true
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

// known leaves out announced versions that the store does not show, so that they hold up no
// rotation: steps are decided on the rest.
func (s *snapshot) known(states []VersionState) []VersionState {
	return slices.DeleteFunc(slices.Clone(states), func(l VersionState) bool { return l.State == keys.Announced && s.unseen[l.KeyID] })
}

// serving lists the versions of the set that this node has the public keys of.
func (s *snapshot) serving() []keys.KeyID {
	var serving []keys.KeyID
	for _, l := range s.states {
		if _, there := s.material[l.KeyID]; there && l.State.InSet() {
			serving = append(serving, l.KeyID)
		}
	}
	return serving
}
