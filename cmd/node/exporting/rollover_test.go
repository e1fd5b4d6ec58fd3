package exporting

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/store"
	"hopnhat/store/storetest"
	"hopnhat/store/tlog"
)

// TestBothLogsRollOver at a quarter's end while people agree and apps read: each event stands
// once, in one of four shards; proofs of before verify; purging what has expired, and dropping
// the folders of the old quarter once their time is over, leaves both logs whole.
func TestBothLogsRollOver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := newNation(t, db)
		var mu sync.Mutex
		files := map[string][]byte{} // proofs of before, by their events
		places := map[string]audit.Place{}
		prove := func(s audit.Sealed, place audit.Place) []byte {
			r, err := v.logs[logOf(s.Event)].Reader(t.Context(), place.Origin)
			if err != nil {
				t.Error(err)
				return nil
			}
			in, err := r.Proof(t.Context(), place.Index)
			if err != nil {
				t.Error(err)
			}
			return proof.File{LogKey: r.VerifierKey(), Event: s.Canonical, Salt: s.Salt, Inclusion: in}.Marshal()
		}
		const callers, each = 8, 12
		// A half comes before the quarter ends, a quarter of all while the logs roll over, the
		// others behind.
		half, turned, rolled := make(chan struct{}), make(chan struct{}), make(chan struct{})
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for n := range each {
					switch n {
					case each / 2:
						<-turned
					case each * 3 / 4:
						<-rolled
					}
					e := of(hers, []audit.Type{audit.ConsentApproved, audit.ReleasePermitted, audit.ReleasePermitted}[n%3])
					e.ID, e.When = authz.NewID(), audit.When{Decided: time.Date(2026, 9, 30, 23, 59, n, 0, time.UTC), Site: "dc1"}
					s, err := e.Seal(audit.NewSalt())
					if err == nil {
						err = db.Record(t.Context(), s)
					}
					var place audit.Place
					if err == nil {
						place, err = v.logs[logOf(e)].Append(t.Context(), audit.Entry{Leaf: s.Leaf})
					}
					if err == nil {
						err = db.NotePlaces(t.Context(), place.Origin, map[string]uint64{e.ID: place.Index}, false)
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					places[e.ID] = place
					if len(places) == callers*each/2 {
						close(half)
					}
					early := len(places) <= 6
					mu.Unlock()
					if early {
						file := prove(s, place)
						mu.Lock()
						files[e.ID] = file
						mu.Unlock()
					}
				}
			})
		}
		<-half
		v.turn(time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC))
		close(turned)
		for _, s := range v.logs {
			if err := s.Roll(t.Context()); err != nil {
				t.Error(err)
			}
		}
		close(rolled)
		all.Wait()
		for _, s := range v.logs { // the old shards end before they are dropped
			if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		}
		seen, shards := map[audit.Place]bool{}, map[string]bool{}
		for _, place := range places {
			if seen[place] {
				t.Errorf("%+v was given twice", place)
			}
			seen[place], shards[place.Origin] = true, true
		}
		if len(places) != callers*each || len(shards) != 4 {
			t.Errorf("%d events in %d shards", len(places), len(shards))
		}

		later := time.Now().AddDate(20, 0, 0)
		for name, purge := range map[string]func(context.Context, time.Time, int) (int64, error){
			"grants": db.PurgeGrants, "spent": db.PurgeSpent, "uses": db.PurgeUses, "sessions": db.PurgeSessions,
		} {
			if _, err := purge(t.Context(), later, 1000); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		raw, c, err := v.export(audit.Query{})
		if err != nil || c.Shown != callers*each || c.Total != c.Shown || len(c.Shards) != 4 {
			t.Fatalf("after purging %+v are exported: %v", c, err)
		}
		if failed, bad := proof.Verify(raw, v.keysOf()).Failed(); bad {
			t.Errorf("%s: %v", failed.EN, failed.Err)
		}

		for i, a := range v.archives { // the retention of the old quarter is over
			old := tlog.Name{Log: a.Log, Quarter: "2026q3", Part: 1}
			r, err := a.Reader(t.Context(), old.Origin())
			if err == nil {
				err = r.CheckAll(t.Context())
			}
			if err = errors.Join(err, os.RemoveAll(old.Dir(a.Dir))); err != nil {
				t.Error(err)
			}
			s := v.reopened(i)
			if err := s.Health(t.Context()); err != nil || !strings.HasSuffix(s.Current().Origin(), "/2026q4") {
				t.Errorf("%s goes on in %s: %v", a.Log, s.Current().Origin(), err)
			}
			if err := s.Current().CheckAll(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if len(files) == 0 {
			t.Error("no proof was taken before")
		}
		for id, file := range files {
			if failed, bad := proof.Verify(file, v.keysOf()).Failed(); bad {
				t.Errorf("the proof of %s from before: %s: %v", id, failed.EN, failed.Err)
			}
		}
	})
}

// logOf is the log that an event goes to.
func logOf(e audit.Event) int {
	if audit.TreeOf(e) == audit.ConsentTree {
		return 1
	}
	return 0
}
