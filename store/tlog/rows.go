package tlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/trees"
)

// lookAgain is after how many seconds rows that were missing are looked for again: an
// operator may have brought them back, or decided.
const lookAgain = 5

// anchor is the largest checkpoint of a shard that was kept elsewhere, zero if none was.
func (o *ShardsOptions) anchor(origin string) (largest proof.Checkpoint) {
	for _, c := range o.Anchors {
		if c.Origin == origin && c.Size > largest.Size {
			largest = c
		}
	}
	return largest
}

// anchored refuses a database that does not know as much of a shard as was kept elsewhere.
func (o *ShardsOptions) anchored(heads map[Name]trees.Head) error {
	for _, c := range o.Anchors {
		n, err := ParseName(o.Archive.Log, c.Origin)
		if err != nil {
			continue // of another log, which is opened beside this one
		}
		head, known := heads[n]
		switch {
		case !known && !o.Archive.Has(n):
			return fmt.Errorf("%w: shard %s of the anchor is neither here nor in the database", ErrOlder, c.Origin)
		case known && head.Closed && head.Size < c.Size:
			return fmt.Errorf("%w: shard %s ended with %d entries, and the anchor knows %d", ErrOlder, c.Origin, head.Size, c.Size)
		case known && head.Size == c.Size && proof.Hash(head.Root) != c.Root:
			return fmt.Errorf("%w: the database has another root for the %d entries of %s than the anchor", ErrDamaged, c.Size, c.Origin)
		}
	}
	return nil
}

// explain is Options.Explain of one shard.
func (o *ShardsOptions) explain(origin string) func(context.Context, uint64, [][]byte) ([]uint64, error) {
	if o.Explain == nil {
		return nil
	}
	return func(ctx context.Context, first uint64, leaves [][]byte) ([]uint64, error) {
		return o.Explain(ctx, origin, first, leaves)
	}
}

// miss is Options.Miss of a shard that is being opened.
func (st *standing) miss(heads Heads, head trees.Head) func(context.Context, *uint64) error {
	return func(ctx context.Context, from *uint64) error {
		head.Missing = from
		st.missing.Store(from)
		return heads.Miss(ctx, head)
	}
}

// settle notes that no entry of a shard lacks its row any more.
func (s *Shards) settle(ctx context.Context, origin string) error {
	if current := s.current.Load(); current != nil && current.Origin() == origin {
		current.missing.Store(nil) // and so says the next checkpoint
	}
	heads, err := s.heads(ctx)
	if err != nil {
		return err
	}
	for _, head := range heads {
		if head.Origin == origin && head.Missing != nil && !head.Altered {
			head.Missing = nil
			if err := s.o.Heads.Miss(ctx, head); err != nil && !errors.Is(err, authz.ErrConflict) { // a checkpoint came meanwhile
				return err
			}
		}
	}
	return nil
}

// stillMissing finds the entries that had no row at an earlier start, of this node or another,
// in shards that are not opened now.
func (s *Shards) stillMissing(ctx context.Context, heads map[Name]trees.Head) error {
	known := s.Unexplained()
	for _, head := range heads {
		if head.Missing == nil || head.Origin == s.Current().Origin() ||
			slices.ContainsFunc(known, func(u Unexplained) bool { return u.Origin == head.Origin }) {
			continue
		}
		u, err := s.missing(ctx, Unexplained{Origin: head.Origin, Places: []uint64{*head.Missing}, Count: 1})
		if err != nil {
			return err
		}
		s.found(u)
	}
	return nil
}

// found notes entries that have no row.
func (s *Shards) found(u Unexplained) {
	if u.Count == 0 {
		return
	}
	s.finding.Lock()
	defer s.finding.Unlock()
	all := append(s.Unexplained(), u)
	s.without.Store(&all)
}

// Unexplained are the entries of all shards that have no row in the database.
func (s *Shards) Unexplained() []Unexplained {
	if all := s.without.Load(); all != nil {
		return append([]Unexplained(nil), *all...)
	}
	return nil
}

// Explained returns [ErrUnexplained] while entries have no row and no operator has decided.
func (s *Shards) Explained() error {
	var failed error
	for _, u := range s.Unexplained() {
		failed = errors.Join(failed, u.Err())
	}
	return failed
}

// LookAgain looks for rows that were missing: when all are there, or an operator has
// decided that they are lost, releases go on.
func (s *Shards) LookAgain(ctx context.Context) error {
	all := s.Unexplained()
	if len(all) == 0 {
		return nil
	}
	var left []Unexplained
	for _, u := range all {
		now, err := s.missing(ctx, u)
		if err != nil {
			return err
		}
		if now.Count > 0 {
			left = append(left, now)
		}
	}
	s.finding.Lock()
	defer s.finding.Unlock()
	if len(s.Unexplained()) > len(all) {
		return nil // more were found meanwhile
	}
	s.without.Store(&left)
	return nil
}

// missing are those of the entries that still have no row: of a few that were told, and
// when these have, of all from the first on.
func (s *Shards) missing(ctx context.Context, u Unexplained) (Unexplained, error) {
	r, err := s.Reader(ctx, u.Origin)
	if errors.Is(err, authz.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		// Another node has the folder. An operator can decide all the same.
		undecided, err := s.o.Explain(ctx, u.Origin, u.Places[0], [][]byte{nil})
		if err != nil || len(undecided) > 0 {
			return u, err
		}
		return Unexplained{Origin: u.Origin}, s.settle(ctx, u.Origin)
	}
	if err != nil {
		return u, err
	}
	leaf, err := r.Entries(ctx, u.Places[0], 1)
	if err != nil || len(leaf) == 0 {
		return u, err
	}
	if still, err := s.o.Explain(ctx, u.Origin, u.Places[0], leaf); err != nil || len(still) > 0 {
		return u, err
	}
	size, err := r.Size(ctx)
	if err != nil {
		return u, err
	}
	now := Unexplained{Origin: u.Origin}
	for at := u.Places[0]; at < size; {
		leaves, err := r.Entries(ctx, at, maxGroup)
		if err != nil || len(leaves) == 0 {
			return u, err
		}
		places, err := s.o.Explain(ctx, u.Origin, at, leaves)
		if err != nil {
			return u, err
		}
		now.Count += uint64(len(places))
		now.Places = append(now.Places, places[:min(len(places), maxPlaces-len(now.Places))]...)
		at += uint64(len(leaves))
	}
	if now.Count == 0 {
		return now, s.settle(ctx, u.Origin)
	}
	return now, nil
}

// stops refuses what releases data while entries have no row.
func (s *Shards) stops(leaf []byte) error {
	if all := s.without.Load(); all == nil || len(*all) == 0 {
		return nil
	}
	kind, _, err := commitment.ParseLeaf(leaf)
	if err != nil || !strings.HasPrefix(kind, string(audit.ReleasePermitted)) {
		return nil
	}
	return s.Explained()
}
