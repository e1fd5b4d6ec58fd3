package store_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

func queued(t *testing.T, db *store.DB, client authz.ClientID, of authz.SessionID, next time.Time) string {
	t.Helper()
	id := authz.NewID()
	if err := db.QueueLogout(
		t.Context(), session.Delivery{ID: id, Client: client, Session: of, Subject: "p", URI: "https://app.example/out", Next: next},
	); err != nil {
		t.Fatal(err)
	}
	return id
}

// TestOutbox: of several nodes that look at once, each delivery goes to one.
func TestOutbox(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const all = 40
		for range all {
			queued(t, db, "app", "s", midday)
		}
		var mu sync.Mutex
		seen := map[string]int{}
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for {
					due, err := db.DueLogouts(t.Context(), midday, midday.Add(time.Minute), nil, 7, 7)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for _, d := range due {
						seen[d.ID]++
					}
					done := len(seen) == all
					mu.Unlock()
					if done {
						return
					}
				}
			})
		}
		group.Wait()
		for id, n := range seen {
			if n != 1 {
				t.Fatalf("delivery %s was claimed %d times", id, n)
			}
		}
		due, err := db.DueLogouts(t.Context(), midday.Add(59*time.Second), midday.Add(time.Hour), nil, 100, 100)
		if err != nil || len(due) != 0 {
			t.Fatalf("%d were claimed again before their time, %v", len(due), err)
		}
		if due, err = db.DueLogouts(t.Context(), midday.Add(time.Minute), midday.Add(time.Hour), nil, 100, 100); err != nil ||
			len(due) != all {
			t.Fatalf("%d were claimed again after a node was lost, want all, %v", len(due), err)
		}
	})
}

// TestOutboxIsFair: an app with many waiting leaves room for the others, and one that
// is busy is passed over.
func TestOutboxIsFair(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for range 50 {
			queued(t, db, "dead", "s", midday)
		}
		alive := queued(t, db, "alive", "s", midday.Add(time.Second))
		queued(t, db, "busy", "s", midday)
		queued(t, db, "later", "s", midday.Add(time.Hour))
		due, err := db.DueLogouts(t.Context(), midday.Add(time.Minute), midday.Add(time.Hour), []authz.ClientID{"busy"}, 4, 10)
		if err != nil {
			t.Fatal(err)
		}
		counts := map[authz.ClientID]int{}
		for _, d := range due {
			counts[d.Client]++
			if d.URI != "https://app.example/out" || d.Session != "s" || d.Subject != "p" {
				t.Fatalf("got %+v", d)
			}
		}
		if counts["dead"] != 4 || counts["alive"] != 1 || len(counts) != 2 {
			t.Fatalf("got %v", counts)
		}
		if !slices.ContainsFunc(due, func(d session.Delivery) bool { return d.ID == alive }) {
			t.Fatal("another delivery of the app was claimed")
		}
	})
}

// TestLogoutStatus: what an operator and the person see of deliveries, and that only
// what failed can be tried again.
func TestLogoutStatus(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		good, bad, waiting := queued(t, db, "a", "s1", midday), queued(t, db, "a", "s1", midday), queued(t, db, "b", "s2", midday)
		for _, d := range []session.Delivery{
			{ID: good, Attempts: 1, Next: midday, Done: midday},
			{ID: bad, Attempts: 12, Next: midday, Done: midday, Failed: "answer 400 invalid_request"},
		} {
			if err := db.FinishLogout(ctx, d); err != nil {
				t.Fatal(err)
			}
		}
		ids := func(list []session.Delivery, err error) []string {
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, d := range list {
				out = append(out, d.ID)
			}
			return out
		}
		for _, row := range []struct {
			name      string
			got, want []string
		}{
			{"of an app, the newest first", ids(db.Logouts(ctx, "a", "", 10)), []string{bad, good}},
			{"a page of it", ids(db.Logouts(ctx, "a", bad, 10)), []string{good}},
			{"bounded", ids(db.Logouts(ctx, "a", "", 1)), []string{bad}},
			{"of all apps, what failed", ids(db.Logouts(ctx, "", "", 10)), []string{bad}},
			{"of sessions", ids(db.LogoutsOf(ctx, []authz.SessionID{"s1", "s2", "s3"})), []string{good, bad, waiting}},
			{"of none", ids(db.LogoutsOf(ctx, nil)), nil},
		} {
			if !slices.Equal(row.got, row.want) {
				t.Errorf("%s: got %v, want %v", row.name, row.got, row.want)
			}
		}
		for id, want := range map[string]error{good: authz.ErrNotFound, waiting: authz.ErrNotFound, "nobody": authz.ErrNotFound, bad: nil} {
			if err := db.RetryLogout(ctx, id, midday); !errors.Is(err, want) {
				t.Errorf("trying %s again: got %v, want %v", id, err, want)
			}
		}
		list, err := db.Logouts(ctx, "a", "", 1)
		if err != nil || list[0].State() != session.Waiting || list[0].Attempts != 0 {
			t.Fatalf("got %+v, %v", list, err)
		}
	})
}

// TestEndAtClient: one app of a session is left, its other apps and the session go on;
// another person's session is out of reach.
func TestEndAtClient(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		an, binh := holder(t, db, "099000000003"), holder(t, db, "099000000004")
		s := started(t, db, an)
		grants := map[authz.ClientID]authz.GrantID{}
		for _, client := range []authz.ClientID{"a", "b"} {
			g := issued(t, db)
			g.ID, g.Actor, g.Session, g.ClientID, g.CodeHash = authz.GrantID(authz.NewID()), an, s.ID, client, nil
			if err := db.PlantGrant(ctx, g); err != nil {
				t.Fatal(err)
			}
			grants[client] = g.ID
		}
		if err := db.EndAtClient(ctx, binh, s.ID, "a", "x", midday); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("another person's session: %v", err)
		}
		if err := db.EndAtClient(ctx, an, s.ID, "a", "x", midday); err != nil {
			t.Fatal(err)
		}
		if err := db.EndAtClient(ctx, an, s.ID, "a", "x", midday); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("left twice: %v", err)
		}
		for client, ended := range map[authz.ClientID]bool{"a": true, "b": false} {
			g, err := db.Grant(ctx, grants[client])
			if err != nil || g.Revoked.IsZero() == ended {
				t.Errorf("the grant of %s: revoked %v, %v", client, g.Revoked, err)
			}
		}
		apps, err := db.EndSession(ctx, an, s.ID, "x", midday)
		if err != nil || !slices.Equal(apps, []authz.ClientID{"b"}) {
			t.Fatalf("got %v, %v: the session went on with b", apps, err)
		}
	})
}
