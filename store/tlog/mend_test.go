package tlog

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// found waits until a log is known to be out.
func found(t *testing.T, s *Shards, want error) {
	t.Helper()
	if err := s.Health(t.Context()); !errors.Is(err, want) {
		t.Fatalf("it says %v, want %v", err, want)
	}
}

// TestADamagedLogIsUsedAgain: a tree that was swapped while it ran is mended, and the log goes
// on without a restart of its process; and not before it leads to what this process had
// written, which may be more than was recorded.
func TestADamagedLogIsUsedAgain(t *testing.T) {
	for _, log := range []string{site, "hopnhat.example/consent/dc1"} {
		t.Run(log, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				n := newNode(t, db, "a")
				n.archive.Log = log
				s := n.open(t)
				dir := Name{log, "2026q4", 1}.Dir(n.archive.Dir)
				fill(t, s.Current(), 8, 20)
				signed(t, s.Current(), 20)
				older := copied(t, dir)
				last := mustAppend(t, s, 20)
				newest := copied(t, dir)

				replace(t, dir, stranger(t, 21))
				if _, err := s.Append(t.Context(), audit.Entry{Leaf: leaf(21)}); err == nil {
					t.Error("an entry was written into a foreign tree")
				}
				found(t, s, ErrDamaged)
				for name, of := range map[string]string{"a foreign tree": stranger(t, 30), "what was recorded, and not what was written": older} {
					replace(t, dir, of)
					if err := s.Again(t.Context()); err == nil {
						t.Fatalf("%s: it goes on", name)
					}
					if _, err := s.Append(t.Context(), audit.Entry{Leaf: leaf(21)}); err == nil {
						t.Errorf("%s: an entry was written", name)
					}
					if s.Health(t.Context()) == nil {
						t.Errorf("%s: it is said to be whole", name)
					}
				}
				replace(t, dir, newest)
				if err := errors.Join(s.Again(t.Context()), s.Health(t.Context())); err != nil {
					t.Fatalf("mended: %v", err)
				}
				next := mustAppend(t, s, 21)
				if next.Origin != last.Origin || next.Index != last.Index+1 {
					t.Errorf("it goes on at %+v", next)
				}
				proved(t, s, next, leaf(21))
				proved(t, s, last, leaf(20))
			})
		})
	}
}

// TestAShardThatWasEndedIsFollowed: an operator ends the shard of a log that runs; it goes on
// with the next part, without a restart, as long as no other node has the site.
func TestAShardThatWasEndedIsFollowed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		taken := false
		n := newNode(t, db, "a")
		n.holds = func() error {
			if taken {
				return errors.New("another node has the site")
			}
			return nil
		}
		s := n.open(t)
		before := mustAppend(t, s, 0)
		signed(t, s.Current(), 1)
		if err := End(t.Context(), db.Heads, heads(t, db)[origin]); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), audit.Entry{Leaf: leaf(1)}); err == nil {
			notRecorded(t, s)
		}
		found(t, s, ErrReplaced)
		taken = true
		if err := s.Again(t.Context()); err == nil {
			t.Fatal("it goes on where another node has the site")
		}
		found(t, s, ErrReplaced)
		taken = false
		if err := errors.Join(s.Again(t.Context()), s.Health(t.Context())); err != nil {
			t.Fatal(err)
		}
		after := mustAppend(t, s, 1)
		if after.Origin != origin+"-2" || after.Index != 0 {
			t.Errorf("it goes on at %+v", after)
		}
		proved(t, s, before, leaf(0))
		proved(t, s, after, leaf(1))
	})
}

// notRecorded waits until a checkpoint was not recorded.
func notRecorded(t *testing.T, s *Shards) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for range again.C {
		if s.replaced.Load() != nil {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("it was not replaced")
		}
	}
}

// TestADamagedLogOfAQuarterThatEnded: a log that is mended after the quarter's end goes on in
// the new quarter, and the old shard ends with all that it holds.
func TestADamagedLogOfAQuarterThatEnded(t *testing.T) {
	n := newNode(t, storetest.SQLite(t, nil), "a")
	s := n.open(t)
	dir := filepath.Join(n.archive.Dir, "2026q4")
	fill(t, s.Current(), 8, 20)
	signed(t, s.Current(), 20)
	last := mustAppend(t, s, 20)
	newest := copied(t, dir)
	replace(t, dir, stranger(t, 25))
	found(t, s, ErrDamaged)
	if err := s.Again(t.Context()); err == nil {
		t.Fatal("it goes on with a foreign tree")
	}
	n.at(n.clock.Load().AddDate(0, 0, 1))
	if err := s.Roll(t.Context()); err != nil {
		t.Fatal(err)
	}
	replace(t, dir, newest)
	if err := s.Again(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := mustAppend(t, s, 21)
	s.ending.Wait()
	if h := heads(t, n.db)[origin]; next.Origin != site+"/2027q1" || !h.Closed || h.Size != 21 {
		t.Errorf("it goes on at %+v; the shard before: %+v", next, h)
	}
	proved(t, s, last, leaf(20))
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}
