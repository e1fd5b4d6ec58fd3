// Package stretch is a piece of a province's log as it goes to the centre, and what proves that
// the log goes on from what it was.
package stretch

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/tiles"
)

// MaxStretch is how many entries of its log a province sends at one time.
const MaxStretch = 200

// Held is up to where the centre has the entries of a shard of a province's log.
type Held struct {
	Origin string
	Size   uint64
	// Root is that of the first Size entries, and Key the verifier key of the shard's
	// checkpoints; empty as long as there is none.
	Root proof.Hash
	Key  string
}

// Logged is an event about a person in the log of a province.
type Logged struct {
	Place uint64 `json:"place"`
	// Person is by what the province knows her.
	Person authz.Subject `json:"sub"`
	// Event is the canonical event, and Salt that of its leaf.
	Event []byte `json:"event"`
	Salt  []byte `json:"salt"`
}

// Stretch is a piece of a province's log without a gap, with what proves that it is one, that
// the log goes on from what it was, and with the events about persons in it.
type Stretch struct {
	Origin string   `json:"origin"`
	First  uint64   `json:"first"`
	Leaves [][]byte `json:"leaves"`
	// Head and Tail prove the first and the last leaf in the tree of the checkpoint (RFC 6962
	// §2.1.1); Before and After that this tree goes on from the entries before First and from those
	// up to the last leaf, of which Root is the root (RFC 6962 §2.1.2).
	Head   [][]byte `json:"head"`
	Tail   [][]byte `json:"tail"`
	Before [][]byte `json:"before"`
	After  [][]byte `json:"after"`
	Root   []byte   `json:"root"`
	// Checkpoint is the signed tree head, and Key the verifier key that signed it.
	Checkpoint []byte   `json:"checkpoint"`
	Key        string   `json:"key"`
	Events     []Logged `json:"events"`
}

// Conflict is what the centre had taken from a person before an event of a province.
type Conflict string

// The conflicts: her account was locked, or she had withdrawn her choice of the province.
const (
	Locked    Conflict = "locked"
	Withdrawn Conflict = "withdrawn"
)

// Bounds of what a stretch says of its shard, in bytes.
const (
	maxOrigin = 200
	maxKey    = 300
)

// Joined is an event of a province, as the centre keeps it.
type Joined struct {
	Logged
	// Origin is the shard that it has its place in.
	Origin string
	// Read is the event.
	Read audit.Event
	// Subject is the person, as the centre knows her.
	Subject authz.Subject
	// Conflict says what the centre had taken from her before the event, at Since; empty where
	// it had taken nothing.
	Conflict Conflict
	Since    time.Time
}

// ErrFork means that a province's log is not the one that it was: an incident. ErrNext means that a
// stretch does not follow on what is held.
var (
	ErrFork = errors.New("the log of the province is not what it was")
	ErrNext = errors.New("the stretch does not follow on what is held")
)

// Check verifies a stretch against what is held of its shard, and gives what is held with it.
// missing are places of sign-ins whose events did not come with them.
func (s Stretch) Check(held Held) (next Held, events []Joined, missing []uint64, err error) {
	n := uint64(len(s.Leaves))
	switch {
	case len(s.Origin) > maxOrigin || len(s.Key) > maxKey:
		return next, nil, nil, errors.New("the name of the shard, or its key, is too long")
	case n == 0 || n > MaxStretch || len(s.Events) > 2*MaxStretch || s.First > 1<<62:
		return next, nil, nil, errors.New("the stretch has no leaves, or too many")
	case s.First != held.Size:
		return next, nil, nil, fmt.Errorf("%w: it begins at %d, and %d entries of %s are held", ErrNext, s.First, held.Size, s.Origin)
	case held.Key != "" && s.Key != held.Key:
		return next, nil, nil, fmt.Errorf("%w: another key signs %s", ErrFork, s.Origin)
	}
	key, err := note.NewVerifier(s.Key)
	if err != nil {
		return next, nil, nil, fmt.Errorf("the key of the log: %w", err)
	}
	tree, err := proof.OpenCheckpoint(s.Checkpoint, key)
	if err != nil {
		return next, nil, nil, err
	}
	if tree.Origin != s.Origin {
		return next, nil, nil, fmt.Errorf("the checkpoint is of %q", tree.Origin)
	}
	var lists [5][]proof.Hash
	for i, raw := range [...][][]byte{s.Head, s.Tail, s.Before, s.After, {s.Root}} {
		if lists[i], err = hashes(raw); err != nil {
			return next, nil, nil, err
		}
	}
	older := proof.Checkpoint{Origin: s.Origin, Size: held.Size, Root: held.Root}
	newer := proof.Checkpoint{Origin: s.Origin, Size: s.First + n, Root: lists[4][0]}
	if err := tiles.CheckConsistency(lists[2], older, tree); err != nil {
		return next, nil, nil, fmt.Errorf("%w: %w", ErrFork, err)
	}
	if err := tiles.CheckConsistency(lists[3], newer, tree); err != nil {
		return next, nil, nil, fmt.Errorf("%w: %w", ErrFork, err)
	}
	if err := (proof.Range{First: s.First, Leaves: s.Leaves, Head: lists[0], Tail: lists[1]}).Check(tree); err != nil {
		return next, nil, nil, fmt.Errorf("%w: %w", ErrFork, err)
	}
	events, missing, err = s.events()
	return Held{s.Origin, newer.Size, newer.Root, s.Key}, events, missing, err
}

// hashes are nodes of a tree.
func hashes(raw [][]byte) ([]proof.Hash, error) {
	out := make([]proof.Hash, len(raw))
	for i, h := range raw {
		if len(h) != len(out[i]) || len(raw) > tiles.MaxConsistency {
			return nil, errors.New("a proof is not of hashes, or has too many")
		}
		out[i] = proof.Hash(h)
	}
	return out, nil
}

// Prove puts into a stretch what proves it: a range with its proofs, the root up to its last
// leaf, and that the tree goes on from the entries before it and from those up to its end.
func (s *Stretch) Prove(r proof.Range, root proof.Hash, before, after []proof.Hash) {
	raw := func(list []proof.Hash) [][]byte {
		out := make([][]byte, len(list))
		for i, h := range list {
			out[i] = h[:]
		}
		return out
	}
	s.First, s.Leaves, s.Checkpoint = r.First, r.Leaves, []byte(r.Checkpoint)
	s.Head, s.Tail, s.Before, s.After, s.Root = raw(r.Head), raw(r.Tail), raw(before), raw(after), root[:]
}

// events are the events of a stretch whose leaves are proved. A sign-in is always about somebody:
// its leaf comes with its event, or the place is one that misses.
func (s Stretch) events() (events []Joined, missing []uint64, err error) {
	there := map[uint64]bool{}
	for _, e := range s.Events {
		if e.Place < s.First || e.Place-s.First >= uint64(len(s.Leaves)) || there[e.Place] {
			return nil, nil, errors.New("an event has a place that is not in the stretch, or is there twice")
		}
		there[e.Place] = true
		id, kind, groups, err := commitment.Split(e.Event)
		if err != nil || len(e.Salt) != len(commitment.Salt{}) {
			return nil, nil, errors.New("an event is not as one is written") // and might be told by err
		}
		leaf := commitment.Disclose(id, kind, groups, commitment.Salt(e.Salt)).Leaf()
		if string(leaf) != string(s.Leaves[e.Place-s.First]) {
			return nil, nil, fmt.Errorf("%w: entry %d is not of the event that came with it", ErrFork, e.Place)
		}
		var read audit.Event
		if err := json.Unmarshal(e.Event, &read); err != nil {
			return nil, nil, errors.New("an event is not as one is written")
		}
		events = append(events, Joined{Logged: e, Origin: s.Origin, Read: read})
	}
	for i, leaf := range s.Leaves {
		place := s.First + uint64(i)
		switch kind, _, err := commitment.ParseLeaf(leaf); {
		case err != nil:
			return nil, nil, fmt.Errorf("%w: entry %d is none", ErrFork, place)
		case audit.Type(kind) == audit.SignedIn && !there[place]:
			missing = append(missing, place)
		}
	}
	return events, missing, nil
}
