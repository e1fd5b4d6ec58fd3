package tlog

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/store"
	"hopnhat/store/storetest"
	"hopnhat/store/tlog/copies"
)

// explaining is options of a node that looks for rows.
func (n *node) explaining() ShardsOptions {
	o := n.options()
	o.Explain = n.db.Leaves.Explain
	return o
}

// written is the log of a node with n entries, all recorded, and closed; it returns the
// folder of its shard and the last checkpoint.
func written(t *testing.T, n *node, entries int) (dir string, c proof.Checkpoint) {
	t.Helper()
	s := n.open(t)
	fill(t, s.Current(), 64, entries)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir = Name{site, "2026q4", 1}.Dir(n.archive.Dir)
	raw, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	if c, err = proof.ParseCheckpoint(raw); err != nil || c.Size != uint64(entries) {
		t.Fatalf("the checkpoint is of %d entries: %v", c.Size, err)
	}
	return dir, c
}

// foreign puts the log of somebody else in the place of a shard, as large, without its
// checkpoint.
func foreign(t *testing.T, dir string, entries int) {
	t.Helper()
	o := options(t.TempDir())
	key := testKey(9)
	o.Public, o.Sign = key.Public, key.Sign
	l := mustOpen(t, o)
	for i := range entries {
		if _, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(-i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.RemoveAll(dir), os.MkdirAll(filepath.Dir(dir), 0o700), os.Rename(o.Dir, dir), os.Remove(filepath.Join(dir, "checkpoint")),
	); err != nil {
		t.Fatal(err)
	}
}

func rewrite(t *testing.T, path string, change func(raw []byte) []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(raw), 0o644); err != nil {
		t.Fatal(err)
	}
}

func flipped(at int) func([]byte) []byte {
	return func(raw []byte) []byte { raw[at] ^= 1; return raw }
}

// TestAFolderThatWasBentIsNotWritten: what a writer finds is what was signed and recorded
// last, or it signs nothing: no new log begins in its place.
func TestAFolderThatWasBentIsNotWritten(t *testing.T) {
	const entries = 300
	for _, row := range []struct {
		name string
		bend func(t *testing.T, dir string)
		want error
	}{
		{"a foreign tree without its checkpoint", func(t *testing.T, dir string) { foreign(t, dir, entries) }, ErrDamaged},
		{"a foreign tree that is larger", func(t *testing.T, dir string) { foreign(t, dir, entries+10) }, ErrDamaged},
		{"no checkpoint", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "checkpoint")); err != nil {
				t.Fatal(err)
			}
		}, ErrDamaged},
		{"a checkpoint of a key of nobody", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "checkpoint"), func(raw []byte) []byte {
				return append(raw[:len(raw)-10], "AAAAAAAAA\n"...)
			})
		}, ErrDamaged},
		{"one bit of an entry bundle", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "tile/entries/000"), flipped(70))
		}, ErrDamaged},
		{"one bit of a tile", func(t *testing.T, dir string) { rewrite(t, filepath.Join(dir, "tile/0/000"), flipped(70)) }, ErrDamaged},
		{"one bit of an inner tile", func(t *testing.T, dir string) { rewrite(t, filepath.Join(dir, "tile/1/000.p/1"), flipped(7)) }, ErrDamaged},
		{"a root of the writer's state that is no tree's", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, ".state/treeState"), func([]byte) []byte {
				raw, _ := json.Marshal(state{entries, make([]byte, 32)})
				return raw
			})
		}, ErrDamaged},
		{"no state of the writer", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, ".state")); err != nil {
				t.Fatal(err)
			}
		}, ErrDamaged},
		{"a checkpoint that is far too large", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, "checkpoint"), 200<<30); err != nil {
				t.Fatal(err)
			}
		}, ErrDamaged},
		{"a pipe for a bundle", func(t *testing.T, dir string) {
			bundle := filepath.Join(dir, "tile/entries/000")
			if err := errors.Join(os.Remove(bundle), syscall.Mkfifo(bundle, 0o600)); err != nil {
				t.Fatal(err)
			}
		}, ErrDamaged},
		{"a link for the copies", func(t *testing.T, dir string) {
			beside := filepath.Join(dir, copies.Name(0))
			if err := errors.Join(os.RemoveAll(beside), os.MkdirAll(filepath.Dir(beside), 0o700), os.Symlink("/dev/null", beside)); err != nil {
				t.Fatal(err)
			}
		}, ErrDamaged},
		{"nothing", func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}, ErrOlder},
	} {
		t.Run(row.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				n := newNode(t, db, "a")
				dir, _ := written(t, n, entries)
				row.bend(t, dir)
				for range 2 { // and not when it is tried again either
					s, err := OpenShards(t.Context(), n.options())
					if err == nil {
						_ = s.Close(t.Context())
					}
					if !errors.Is(err, row.want) {
						t.Fatalf("got %v, want %v", err, row.want)
					}
				}
				if h := heads(t, db)[origin]; h.Closed || h.Size != entries {
					t.Errorf("the head is %+v", h)
				}
			})
		})
	}
}

// TestAForeignTreeWhereNothingIsRecorded: whoever can write the folder and delete the row of
// the head has nothing signed that has no checkpoint of ours.
func TestAForeignTreeWhereNothingIsRecorded(t *testing.T) {
	n := newNode(t, storetest.SQLite(t, nil), "a")
	foreign(t, Name{site, "2026q4", 1}.Dir(n.archive.Dir), 5)
	if _, err := OpenShards(t.Context(), n.options()); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want %v", err, ErrDamaged)
	}
}

// TestALargeTreeIsReadWhileItRuns: its edges lead from the recorded tree to what is on disk
// before anything is signed, and what lies deeper is found while it runs.
func TestALargeTreeIsReadWhileItRuns(t *testing.T) {
	defer func(was uint64) { sound = was }(sound)
	sound = 100
	n := newNode(t, storetest.SQLite(t, nil), "a")
	dir, c := written(t, n, 900)
	s := n.open(t)
	if place := mustAppend(t, s, 5000); place.Index != c.Size {
		t.Fatalf("it goes on at %d", place.Index)
	}
	s.Current().checking.Wait()
	if err := s.Health(t.Context()); err != nil {
		t.Fatalf("a whole tree: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(dir, "tile/entries/001"), flipped(70))
	s = n.open(t)
	s.Current().checking.Wait()
	if err := s.Health(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want %v", err, ErrDamaged)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(dir, ".state/treeState"), func([]byte) []byte {
		raw, _ := json.Marshal(state{901, make([]byte, 32)})
		return raw
	})
	if _, err := OpenShards(t.Context(), n.options()); !errors.Is(err, ErrDamaged) {
		t.Errorf("another root at its end: %v, want %v", err, ErrDamaged)
	}
}

// TestAnchor: what was kept elsewhere is held against folder and database, also where both
// were restored from an older copy, which nothing here could tell.
func TestAnchor(t *testing.T) {
	n := newNode(t, storetest.SQLite(t, nil), "a")
	_, c := written(t, n, 300)
	other := c
	other.Root[0] ^= 1
	larger := c
	larger.Size++
	elsewhere := c
	elsewhere.Origin = site + "/2026q4-2"
	another := c
	another.Origin = "hopnhat.example/consent/dc1/2026q4"
	for name, row := range map[string]struct {
		anchor proof.Checkpoint
		want   error
	}{
		"the same tree":                  {c, nil},
		"a tree of another log":          {another, nil},
		"another tree":                   {other, ErrDamaged},
		"a larger tree":                  {larger, ErrOlder},
		"a shard that nobody knows here": {elsewhere, ErrOlder},
	} {
		o := n.options()
		o.Anchors = []proof.Checkpoint{row.anchor}
		s, err := OpenShards(t.Context(), o)
		if err == nil {
			_ = s.Close(t.Context())
		}
		if !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", name, err, row.want)
		}
	}
}

// event is one that can be logged and recorded.
func event(t *testing.T, kind audit.Type, n int) audit.Sealed {
	t.Helper()
	s, err := audit.Event{
		ID: authz.NewID(), Type: kind, Decision: audit.Decision{Permit: kind == audit.ReleasePermitted},
		Asked: audit.Asked{Client: "thue"}, Reason: audit.Reason{Purpose: "tax", Basis: authz.BasisConsent},
		Consent: audit.Consent{ID: "c-1", Version: 1},
		Data:    audit.Data{Registry: "tax", Attributes: []authz.AttributeID{"tax.code"}}, Person: audit.Person{Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g"},
		When: audit.When{Decided: time.Date(2026, 11, 23, 7, 48, n, 0, time.UTC), Site: "dc1"},
	}.Seal(audit.NewSalt())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// logged appends an event whose row is in the databases given.
func logged(t *testing.T, s *Shards, e audit.Sealed, dbs ...*store.DB) audit.Place {
	t.Helper()
	for _, db := range dbs {
		if err := db.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	place, err := s.Append(t.Context(), audit.Entry{Leaf: e.Leaf})
	if err != nil {
		t.Fatal(err)
	}
	return place
}

// TestADatabaseOlderThanTheLog: entries of the log that have no row stop releases and
// nothing else, until their rows are back or an operator decided.
func TestADatabaseOlderThanTheLog(t *testing.T) {
	for _, how := range []string{"rows", "decision"} {
		t.Run(how, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, restored *store.DB) {
				db := storetest.SQLite(t, nil)
				n := newNode(t, db, "a")
				s := n.open(t)
				logged(t, s, event(t, audit.SignedIn, 0), db, restored)
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := restored.Heads.Begin(t.Context(), heads(t, db)[origin]); err != nil { // the copy of that night
					t.Fatal(err)
				}
				s = n.open(t)
				late := []audit.Sealed{event(t, audit.ConsentWithdrawn, 1), event(t, audit.SignedIn, 2)}
				for _, e := range late {
					logged(t, s, e, db)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}

				n.db = restored
				s, err := OpenShards(t.Context(), n.explaining())
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close(context.Background())
				u := s.Unexplained()
				if len(u) != 1 || u[0].Count != 2 || u[0].Places[0] != 1 || !errors.Is(s.Explained(), ErrUnexplained) {
					t.Fatalf("without rows are %+v", u)
				}
				if err := s.Health(t.Context()); err != nil {
					t.Errorf("it takes more out than releases: %v", err)
				}
				release := event(t, audit.ReleasePermitted, 3)
				if _, err := s.Append(t.Context(), audit.Entry{Leaf: release.Leaf}); !errors.Is(err, ErrUnexplained) {
					t.Errorf("a release is logged: %v", err)
				}
				logged(t, s, event(t, audit.SignedIn, 4), restored)
				if err := s.LookAgain(t.Context()); err != nil || s.Explained() == nil {
					t.Errorf("nothing has changed: %v, %v", s.Explained(), err)
				}
				if how == "rows" {
					err = restored.Record(t.Context(), late...)
				} else {
					err = restored.Leaves.Decide(t.Context(), origin, 3, "they are lost")
				}
				if err := errors.Join(err, s.LookAgain(t.Context()), s.Explained()); err != nil {
					t.Error(err)
				}
				logged(t, s, release, restored)
			})
		})
	}
}

// TestADatabaseThatKnowsLessShards: a part, and a quarter, that began after the copy of the
// database are gone on with, never the ones of before, and their entries are missed.
func TestADatabaseThatKnowsLessShards(t *testing.T) {
	db, restored := storetest.SQLite(t, nil), storetest.SQLite(t, nil)
	n := newNode(t, db, "a")
	s := n.open(t)
	logged(t, s, event(t, audit.SignedIn, 0), db, restored)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := restored.Heads.Begin(t.Context(), heads(t, db)[origin]); err != nil {
		t.Fatal(err)
	}
	s = n.open(t)
	logged(t, s, event(t, audit.SignedIn, 1), db)
	if err := s.close(t.Context(), s.current.Load()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = n.open(t) // the second part
	if place := logged(t, s, event(t, audit.SignedIn, 2), db); place.Origin != origin+"-2" {
		t.Fatalf("it went into %s", place.Origin)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.db = restored
	s, err := OpenShards(t.Context(), n.explaining())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if s.Current().Origin() != origin+"-2" || len(s.Unexplained()) != 2 {
		t.Errorf("it writes %s, without rows are %+v", s.Current().Origin(), s.Unexplained())
	}
	if h := heads(t, restored)[origin]; !h.Closed || h.Size != 2 {
		t.Errorf("the first part: %+v", h)
	}
}

// TestMissingRowsAreNotForgotten: what a start found without a row stops releases at every later
// start, also of another node, which takes over, and after entries were signed since, until
// the rows are back or an operator decided.
func TestMissingRowsAreNotForgotten(t *testing.T) {
	for _, how := range []string{"a restart", "a restart at which nothing was signed", "another node", "another quarter"} {
		t.Run(how, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, restored *store.DB) {
				db := storetest.SQLite(t, nil)
				n := newNode(t, db, "a")
				s := n.open(t)
				logged(t, s, event(t, audit.SignedIn, 0), db, restored)
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := restored.Heads.Begin(t.Context(), heads(t, db)[origin]); err != nil { // the copy of that night
					t.Fatal(err)
				}
				s = n.open(t)
				logged(t, s, event(t, audit.ConsentWithdrawn, 1), db)
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				open := func(n *node) *Shards {
					t.Helper()
					s, err := OpenShards(t.Context(), n.explaining())
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = s.Close(context.Background()) })
					return s
				}
				stops := func(s *Shards) {
					t.Helper()
					if !errors.Is(s.Explained(), ErrUnexplained) {
						t.Errorf("it says %v", s.Explained())
					}
					release := event(t, audit.ReleasePermitted, 3)
					if _, err := s.Append(t.Context(), audit.Entry{Leaf: release.Leaf}); !errors.Is(err, ErrUnexplained) {
						t.Errorf("a release is logged: %v", err)
					}
				}
				n.db = restored
				s = open(n)
				stops(s)
				if how != "a restart at which nothing was signed" {
					logged(t, s, event(t, audit.SignedIn, 2), restored)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				switch how {
				case "another node":
					n = newNode(t, restored, "b")
				case "another quarter":
					n.at(n.clock.Load().AddDate(0, 0, 1))
				}
				s = open(n)
				s.ending.Wait()
				stops(s)
				decided := restored.Leaves.Decide(t.Context(), origin, 3, "it is lost")
				if err := errors.Join(decided, s.LookAgain(t.Context()), s.Explained()); err != nil {
					t.Fatal(err)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				s = open(n)
				s.ending.Wait()
				if err := s.Explained(); err != nil || heads(t, restored)[origin].Missing != nil {
					t.Errorf("after it was decided: %v", err)
				}
			})
		})
	}
}

// TestEntriesOfNobodyBehindTheSignedOnes: who has the folder alone adds entries while nobody
// writes it. No process that opens the log signs them, and none opens it that does not look.
func TestEntriesOfNobodyBehindTheSignedOnes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newNode(t, db, "a")
		dir, before := written(t, n, 5)
		raw, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
		if err != nil {
			t.Fatal(err)
		}
		l := mustOpen(t, options(dir)) // his tiles; its checkpoint is thrown away
		fill(t, l, 1, 2)
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		rewrite(t, filepath.Join(dir, "checkpoint"), func([]byte) []byte { return raw })
		if _, err := OpenShards(t.Context(), n.explaining()); !errors.Is(err, ErrDamaged) {
			t.Errorf("got %v, want %v", err, ErrDamaged)
		}
		blind := n.explaining()
		blind.Explain = nil
		if _, err := OpenShards(t.Context(), blind); err == nil || errors.Is(err, ErrDamaged) {
			t.Errorf("whoever does not look for rows opens it: %v", err)
		}
		if h := heads(t, db)[origin]; h.Size != before.Size {
			t.Errorf("%d entries are recorded", h.Size)
		}
	})
}

// TestTheNoteOfMissingRowsCannotBeTakenAway unseen: it is under the MAC of the head.
func TestTheNoteOfMissingRowsCannotBeTakenAway(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newNode(t, db, "a")
		written(t, n, 5)
		head := heads(t, db)[origin]
		from := uint64(3)
		head.Missing = &from
		if err := db.Heads.Miss(t.Context(), head); err != nil {
			t.Fatal(err)
		}
		if h := heads(t, db)[origin]; h.Altered || h.Missing == nil || *h.Missing != from {
			t.Fatalf("it is noted as %+v", h)
		}
		if _, err := db.Pool().ExecContext(t.Context(), "UPDATE log_shards SET missing_from = NULL"); err != nil {
			t.Fatal(err)
		}
		if h := heads(t, db)[origin]; !h.Altered {
			t.Error("the note is gone, and nobody says so")
		}
		older := head
		older.Size--
		if err := db.Heads.Miss(t.Context(), older); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("noted of a tree that is not recorded: %v", err)
		}
	})
}
