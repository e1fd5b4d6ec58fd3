package keytest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/keys"
	"hopnhat/keys/lifecycle"
)

// RunLedger holds a ledger to its promises; it must be empty.
func RunLedger(t *testing.T, ledger lifecycle.Ledger) {
	ctx := t.Context()
	noon := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	states := func() map[keys.KeyID]keys.State {
		states, err := ledger.KeyVersions(ctx)
		must(err)
		out := map[keys.KeyID]keys.State{}
		for _, l := range states {
			out[l.KeyID] = l.State
		}
		return out
	}
	life := func(id keys.KeyID, state keys.State) lifecycle.VersionState {
		l := lifecycle.VersionState{KeyID: id, Use: keys.TokenSigning, Algorithm: keys.ES256, State: state, Announced: noon}
		if state == keys.Active {
			l.Published, l.Activated = noon, noon
		}
		return l
	}
	step := func(id keys.KeyID, from, to keys.State) lifecycle.Step {
		return lifecycle.Step{KeyID: id, Use: keys.TokenSigning, Algorithm: keys.ES256, From: from, To: to}
	}

	t.Run("a ledger is of one keyring for ever", func(t *testing.T) {
		if id, err := ledger.Keyring(ctx); err != nil || id != "" {
			t.Fatalf("an empty ledger is of %q, %v", id, err)
		}
		first, second := make(chan lifecycle.KeyringID, 8), lifecycle.KeyringID("")
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				id, err := ledger.RecordKeyring(ctx, lifecycle.KeyringID(rune('a'+i)))
				if err != nil {
					t.Error(err)
				}
				first <- id
			})
		}
		all.Wait()
		second = <-first
		for range 7 {
			if id := <-first; id != second {
				t.Fatalf("of racing recorders one heard %q, another %q", id, second)
			}
		}
		if id, err := ledger.Keyring(ctx); err != nil || id != second {
			t.Fatalf("the ledger is of %q, %v, want %q", id, err, second)
		}
	})
	t.Run("a version is announced once, and one is active", func(t *testing.T) {
		for _, row := range []struct {
			life lifecycle.VersionState
			want bool
		}{{life("a", keys.Active), true}, {life("a", keys.Announced), false}, {life("b", keys.Active), false}, {life("b", keys.Announced), true}} {
			added, err := ledger.AnnounceKey(ctx, row.life)
			if err != nil || added != row.want {
				t.Fatalf("%s %s: added %v, %v", row.life.KeyID, row.life.State, added, err)
			}
		}
	})
	t.Run("of racing moves one is made", func(t *testing.T) {
		var made atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := ledger.MoveKey(ctx, step("b", keys.Announced, keys.Retired), noon); err == nil {
					made.Add(1)
				} else if !errors.Is(err, lifecycle.ErrMoved) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		// Being there already is as good as having been moved.
		if got := states()["b"]; got != keys.Retired || made.Load() == 0 {
			t.Fatalf("b is %s after %d moves", got, made.Load())
		}
		if err := ledger.MoveKey(ctx, step("b", keys.Announced, keys.Published), noon); !errors.Is(err, lifecycle.ErrMoved) {
			t.Fatalf("got %v, want ErrMoved", err)
		}
		if err := ledger.MoveKey(ctx, step("none", keys.Announced, keys.Published), noon); !errors.Is(err, lifecycle.ErrMoved) {
			t.Fatalf("got %v, want ErrMoved", err)
		}
	})
	t.Run("a new active version makes the old one retiring", func(t *testing.T) {
		_, err := ledger.AnnounceKey(ctx, life("c", keys.Announced))
		must(err)
		must(ledger.ExpediteKey(ctx, "c"))
		must(ledger.MoveKey(ctx, step("c", keys.Announced, keys.Published), noon.Add(time.Minute)))
		must(ledger.MoveKey(ctx, step("c", keys.Published, keys.Active), noon.Add(time.Hour)))
		must(ledger.MoveKey(ctx, step("a", keys.Active, keys.Retiring), noon.Add(time.Hour)))
		if got := states(); got["c"] != keys.Active || got["a"] != keys.Retiring {
			t.Fatalf("got %v", got)
		}
		states, err := ledger.KeyVersions(ctx)
		must(err)
		i := slices.IndexFunc(states, func(l lifecycle.VersionState) bool { return l.KeyID == "c" })
		if c := states[i]; !c.Urgent || !c.Announced.Equal(noon) || !c.Published.Equal(noon.Add(time.Minute)) ||
			!c.Activated.Equal(noon.Add(time.Hour)) || !c.Ended.IsZero() {
			t.Fatalf("got %+v", c)
		}
	})
	t.Run("what a transaction did not finish is not there", func(t *testing.T) {
		if _, memory := ledger.(*Ledger); memory {
			return // it has no transactions
		}
		stop := errors.New("stop")
		err := ledger.Tx(ctx, func(ctx context.Context) error {
			must(ledger.MoveKey(ctx, step("c", keys.Active, keys.Revoked), noon))
			return stop
		})
		if !errors.Is(err, stop) || states()["c"] != keys.Active {
			t.Fatalf("got %v, c is %s", err, states()["c"])
		}
	})
	t.Run("nodes are those seen lately", func(t *testing.T) {
		must(ledger.RecordHeartbeat(ctx, lifecycle.Node{ID: "one", Seen: noon, Serving: []keys.KeyID{"a"}}))
		must(ledger.RecordHeartbeat(ctx, lifecycle.Node{ID: "one", Seen: noon.Add(time.Minute), Serving: []keys.KeyID{"a", "c"}}))
		must(ledger.RecordHeartbeat(ctx, lifecycle.Node{ID: "two", Seen: noon}))
		nodes, err := ledger.KeyNodes(ctx, noon.Add(time.Second))
		must(err)
		if len(nodes) != 1 || nodes[0].ID != "one" || !slices.Equal(nodes[0].Serving, []keys.KeyID{"a", "c"}) {
			t.Fatalf("got %+v", nodes)
		}
		must(ledger.DropKeyNode(ctx, "one"))
		if nodes, err = ledger.KeyNodes(ctx, noon.Add(time.Second)); err != nil || len(nodes) != 0 {
			t.Fatalf("got %+v, %v", nodes, err)
		}
	})
	t.Run("one node has the lease, until its time", func(t *testing.T) {
		for _, row := range []struct {
			node string
			now  time.Time
			want bool
		}{
			{"one", noon, true},
			{"two", noon.Add(time.Second), false},
			{"one", noon.Add(5 * time.Second), true},
			{"two", noon.Add(14 * time.Second), false},
			{"two", noon.Add(16 * time.Second), true},
		} {
			mine, err := ledger.LeaseKeys(ctx, row.node, row.now, row.now.Add(10*time.Second))
			if err != nil || mine != row.want {
				t.Fatalf("%s at %s: %v, %v", row.node, row.now, mine, err)
			}
		}
	})
	t.Run("a fetch counts for the one party it can be of", func(t *testing.T) {
		sight := func(party, address string, active bool, at time.Time) lifecycle.Observation {
			return lifecycle.Observation{Party: party, Address: address, Active: active, At: at}
		}
		must(ledger.NoteKeyParties(ctx, []lifecycle.Observation{
			sight("alone", "10.0.0.1", true, noon), sight("shared-1", "10.0.0.2", true, noon), sight("shared-2", "10.0.0.2", true, noon), sight("old", "10.0.0.3", true, noon.Add(-time.Hour)),
		}))
		must(ledger.NoteKeyParties(ctx, []lifecycle.Observation{
			sight("", "10.0.0.1", false, noon.Add(time.Second)), sight("", "10.0.0.2", false, noon.Add(time.Second)), sight("shared-2", "", false, noon.Add(2*time.Second)),
			sight("stranger", "", false, noon.Add(time.Second)), sight("", "10.9.9.9", false, noon.Add(time.Second)),
		}))
		parties, err := ledger.KeyParties(ctx, noon)
		must(err)
		got := map[string]time.Time{}
		for _, p := range parties {
			got[p.ID] = p.Fetched
		}
		if len(got) != 3 || !got["alone"].Equal(noon.Add(time.Second)) || !got["shared-1"].IsZero() ||
			!got["shared-2"].Equal(noon.Add(2*time.Second)) {
			t.Fatalf("got %v", got)
		}
	})
	t.Run("signatures add up", func(t *testing.T) {
		for _, n := range []int64{3, 4} {
			must(ledger.AddKeySignatures(ctx, []lifecycle.Count{{KeyID: "c", Minute: noon, N: n}, {KeyID: "c", Minute: noon.Add(-time.Hour), N: 1}, {KeyID: "a", Minute: noon, N: 9}}))
		}
		if n, err := ledger.KeySignatures(ctx, "c", noon.Add(30*time.Second)); err != nil || n != 7 {
			t.Fatalf("got %d, %v, want 7", n, err)
		}
		if n, err := ledger.KeySignatures(ctx, "c", noon.Add(-2*time.Hour)); err != nil || n != 9 {
			t.Fatalf("got %d, %v, want 9", n, err)
		}
	})
}
