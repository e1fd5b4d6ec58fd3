package store_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/trees"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// writer is a process that writes a log into a folder, and may not know that it was
// replaced. Its tree is the list of its leaves, the root a digest of them.
type writer struct {
	origin string
	epoch  uint64
	tree   []int
	name   string
}

func rootOf(tree []int) [sha256.Size]byte { return sha256.Sum256(fmt.Append(nil, tree)) }

// TestOneTreeUnderOneOrigin: whatever writers do, and however late, all trees that were
// recorded under one origin are beginnings of one another, a closed shard is recorded no
// more, and exactly one of those who take a shard at an epoch gets it.
func TestOneTreeUnderOneOrigin(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		house := 0
		rapid.Check(t, func(t *rapid.T) {
			house++
			ctx, log := t.Context(), fmt.Sprint("log", house)
			s := db.Heads
			var writers []*writer
			published := map[string][][]int{}
			closed := map[string]int{}
			leaf, part := 0, 0
			begin := func(tree []int) *writer {
				part++
				w := &writer{fmt.Sprint(log, "/", part), 1, tree, "w"}
				h := trees.Head{Log: log, Origin: w.origin, Root: rootOf(nil), VerifierKey: "k", Writer: "w"}
				if err := s.Begin(ctx, h); err != nil {
					t.Fatal(err)
				}
				if err := s.Begin(ctx, h); !errors.Is(err, authz.ErrConflict) {
					t.Fatalf("begun twice: %v", err)
				}
				return w
			}
			current := begin(nil)
			writers = append(writers, current)
			t.Repeat(map[string]func(*rapid.T){
				"append": func(t *rapid.T) {
					w := rapid.SampledFrom(writers).Draw(t, "writer")
					leaf++
					w.tree = append(slices.Clone(w.tree), leaf)
				},
				"publish": func(t *rapid.T) {
					w := rapid.SampledFrom(writers).Draw(t, "writer")
					err := s.Record(ctx, trees.Head{
						Log: log, Origin: w.origin, Epoch: w.epoch, Size: uint64(len(w.tree)), Root: rootOf(w.tree), Checkpoint: "c",
						VerifierKey: "k", Writer: w.name,
					})
					if err == nil {
						published[w.origin] = append(published[w.origin], w.tree)
						if end, over := closed[w.origin]; over {
							t.Fatalf("%s is closed at %d, and recorded %d", w.origin, end, len(w.tree))
						}
					} else if !errors.Is(err, authz.ErrConflict) {
						t.Fatal(err)
					} else if w == current {
						t.Fatalf("the writer of %s lost: %v", w.origin, err)
					}
				},
				// Another process takes over: it has the folder as it is, or finds another one
				// there and closes the shard.
				"take": func(t *rapid.T) {
					h, err := s.Take(ctx, current.origin, current.epoch, "another")
					if err != nil {
						t.Fatal(err)
					}
					if _, err := s.Take(ctx, current.origin, current.epoch, "late"); !errors.Is(err, authz.ErrConflict) {
						t.Fatalf("taken twice: %v", err)
					}
					if int(h.Size) > len(current.tree) {
						t.Fatalf("%d entries are recorded of %d", h.Size, len(current.tree))
					}
					if rapid.Bool().Draw(t, "reaches the folder") {
						current = &writer{current.origin, h.Epoch, current.tree, h.Writer}
					} else {
						if err := s.Close(ctx, current.origin, h.Epoch); err != nil {
							t.Fatal(err)
						}
						closed[current.origin] = int(h.Size)
						current = begin(nil)
					}
					writers = append(writers, current)
				},
				"": func(t *rapid.T) {
					heads, err := s.Shards(ctx, log)
					if err != nil || slices.ContainsFunc(heads, func(h trees.Head) bool { return h.Altered }) {
						t.Fatalf("altered by nobody: %+v, %v", heads, err)
					}
					for origin, trees := range published {
						for i, tree := range trees[1:] {
							if !slices.Equal(trees[i], tree[:min(len(tree), len(trees[i]))]) {
								t.Fatalf("two trees under %s: %v and %v", origin, trees[i], tree)
							}
						}
					}
				},
			})
		})
	})
}

// TestPlacesBeyondTheEndOfAShardAreForgotten: their events are logged again, and a writer
// who was replaced cannot note them anew.
func TestPlacesBeyondTheEndOfAShardAreForgotten(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		ctx, s, origin := t.Context(), db.Heads, "log/2026q4"
		places := map[string]uint64{}
		for n := range 4 {
			e := release(n, audit.Visible)
			if err := db.Record(ctx, sealed(t, e, audit.NewSalt())); err != nil {
				t.Fatal(err)
			}
			places[e.ID] = uint64(n)
		}
		head := trees.Head{Log: "log", Origin: origin, Epoch: 1, Size: 2, Root: rootOf(nil), VerifierKey: "k", Writer: "w"}
		err := errors.Join(s.Begin(ctx, head), s.Record(ctx, head), db.NotePlaces(ctx, origin, places, false), s.Close(ctx, origin, 1))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			waiting, _, err := db.Unlogged(ctx, "", 10)
			if err != nil || len(waiting) != 2 {
				t.Fatalf("%d events have no place, %v; want 2", len(waiting), err)
			}
			if err := db.NotePlaces(ctx, origin, places, false); err != nil { // late
				t.Fatal(err)
			}
		}
		if known, err := db.KnownLogSize(ctx, origin); err != nil || known != 2 {
			t.Errorf("the shard is known to hold %d, %v", known, err)
		}
		if err := s.Close(ctx, origin, 1); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("closed twice: %v", err)
		}
	})
}

// TestAHeadThatWasAltered: whatever is altered in its row, it is listed as altered, and nobody
// takes or ends the shard before it was sealed anew.
func TestAHeadThatWasAltered(t *testing.T) {
	for name, does := range map[string]string{
		"the size": "size = 7", "the root": "root = 'AAAA'", "another root": "root = '" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "'",
		"the checkpoint": "checkpoint = 'x'", "the key": "verifier_key = 'k2'", "the writer": "writer = 'another'", "the log": "mac = NULL",
		"the MAC": "mac = (SELECT mac FROM log_shards WHERE origin = 'log/2')", "an end": "closed_at = recorded_at",
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				head := trees.Head{Log: "log", Origin: "log/1", Root: rootOf(nil), VerifierKey: "k", Writer: "w"}
				beside := head
				beside.Origin = "log/2"
				if err := errors.Join(db.Heads.Begin(t.Context(), head), db.Heads.Begin(t.Context(), beside)); err != nil {
					t.Fatal(err)
				}
				if _, err := db.Pool().ExecContext(t.Context(), "UPDATE log_shards SET "+does+" WHERE origin = 'log/1'"); err != nil {
					t.Fatal(err)
				}
				heads, err := db.Heads.Shards(t.Context(), "log")
				if err != nil || len(heads) != 2 || !heads[0].Altered || heads[1].Altered {
					t.Fatalf("%+v, %v", heads, err)
				}
				_, taken := db.Heads.Take(t.Context(), "log/1", 1, "another")
				ended := db.Heads.Close(t.Context(), "log/1", 1)
				for _, err := range []error{taken, ended} {
					if !errors.Is(err, trees.ErrAltered) && !errors.Is(err, authz.ErrConflict) {
						t.Errorf("got %v", err)
					}
				}
				if name != "the MAC" {
					return
				}
				if err := db.Heads.Reseal(t.Context(), heads[0]); err != nil {
					t.Fatal(err)
				}
				if _, err := db.Heads.Take(t.Context(), "log/1", 1, "another"); err != nil {
					t.Errorf("sealed anew: %v", err)
				}
			})
		})
	}
}
