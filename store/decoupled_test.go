package store_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/decoupled"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

func asked(t *testing.T, db *store.DB, change func(r *decoupled.Request)) decoupled.Request {
	t.Helper()
	r := decoupled.Request{
		ID: authz.AuthorizationID(authz.NewSecret()), Channel: decoupled.CIBA, Client: "app", Subject: "p", Symbol: "42", Message: "Quầy 7",
		State: decoupled.Requested, Created: midday, Expires: midday.Add(10 * time.Minute),
	}
	if change != nil {
		change(&r)
	}
	if err := db.InsertDecoupled(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func move(id authz.AuthorizationID, e decoupled.Event, subject authz.Subject) decoupled.Move {
	return decoupled.Move{ID: id, Event: e, Subject: subject, At: midday.Add(time.Minute)}
}

// TestDecoupledRequests: what is stored is found, and moves by the rules only.
func TestDecoupledRequests(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		device := asked(t, db, func(r *decoupled.Request) {
			r.Channel, r.Subject, r.UserCode, r.Symbol, r.Message = decoupled.Device, "", []byte("digest"), "MJHT", ""
		})
		found, err := db.DecoupledByUserCode(t.Context(), []byte("digest"))
		if err != nil || found.ID != device.ID || found.Symbol != "MJHT" || found.Channel != decoupled.Device ||
			!found.Expires.Equal(device.Expires) {
			t.Fatalf("%+v, %v", found, err)
		}
		if err := db.InsertDecoupled(
			t.Context(), decoupled.Request{ID: "other", Channel: decoupled.Device, UserCode: []byte("digest"), State: decoupled.Requested},
		); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("two devices have one user code: %v", err)
		}
		if _, err := db.DecoupledByUserCode(t.Context(), []byte("no such")); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("an unknown user code: %v", err)
		}
		ciba := asked(t, db, nil)
		for _, row := range []struct {
			name string
			move decoupled.Move
			want error
		}{
			{"nothing is confirmed that was not shown", move(ciba.ID, decoupled.Match, "p"), authz.ErrConflict},
			{"nothing is approved that was not confirmed", move(ciba.ID, decoupled.Approve, "p"), authz.ErrConflict},
			{"another person does not deny it", move(ciba.ID, decoupled.Deny, "q"), authz.ErrConflict},
			{"it is shown", move(ciba.ID, decoupled.Show, "p"), nil},
			{"another person does not confirm it", move(ciba.ID, decoupled.Match, "q"), authz.ErrConflict},
			{"it is confirmed", move(ciba.ID, decoupled.Match, "p"), nil},
			{"it is not confirmed twice", move(ciba.ID, decoupled.Match, "p"), authz.ErrConflict},
			{"another person does not approve it", move(ciba.ID, decoupled.Approve, "q"), authz.ErrConflict},
			{"not after its time", decoupled.Move{ID: ciba.ID, Event: decoupled.Approve, Subject: "p", At: ciba.Expires}, authz.ErrConflict},
			{"it is approved", move(ciba.ID, decoupled.Approve, "p"), nil},
			{"it is not denied afterwards", move(ciba.ID, decoupled.Deny, "p"), authz.ErrConflict},
			{"a device is shown", move(device.ID, decoupled.Show, ""), nil},
			{"a device is confirmed by whoever holds its code", move(device.ID, decoupled.Match, "q"), nil},
			{"and is then hers", move(device.ID, decoupled.Approve, "p"), authz.ErrConflict},
		} {
			if err := db.MoveDecoupled(t.Context(), row.move); !errors.Is(err, row.want) || (row.want == nil) != (err == nil) {
				t.Errorf("%s: %v, want %v", row.name, err, row.want)
			}
		}
		if r, err := db.Decoupled(t.Context(), device.ID); err != nil || r.State != decoupled.Confirmed || r.Subject != "q" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestOneAnswerWins: of a confirmed request one answer counts, however many come.
func TestOneAnswerWins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := asked(t, db, func(r *decoupled.Request) { r.State = decoupled.Confirmed })
		var won atomic.Int32
		var group sync.WaitGroup
		for i := range 40 {
			event := decoupled.Approve
			if i%2 == 0 {
				event = decoupled.Deny
			}
			group.Go(func() {
				switch err := db.MoveDecoupled(context.WithoutCancel(t.Context()), move(r.ID, event, "p")); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, authz.ErrConflict):
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d answers counted", won.Load())
		}
	})
}

// TestPolled: one query tells the state and, once there is one, the grant.
func TestPolled(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g := issued(t, db)
		r := asked(t, db, nil)
		before := db.Stats()
		got, grant, err := db.Polled(t.Context(), r.ID, []byte("no code of a grant"))
		if err != nil || grant != nil || got.State != decoupled.Requested || got.Client != "app" || got.Channel != decoupled.CIBA ||
			!got.Expires.Equal(r.Expires) {
			t.Fatalf("%+v, %+v, %v", got, grant, err)
		}
		if after := db.Stats(); after.Queries-before.Queries != 1 || after.Commits != before.Commits {
			t.Errorf("a poll cost %+v after %+v", after, before)
		}
		_, grant, err = db.Polled(t.Context(), r.ID, g.CodeHash)
		if err != nil || grant == nil || grant.ID != g.ID || grant.Level != 2 || len(grant.Scope) != 1 ||
			!grant.CodeExpires.Equal(g.CodeExpires) {
			t.Fatalf("%+v, %v", grant, err)
		}
		if _, _, err := db.Polled(t.Context(), "no such", g.CodeHash); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("an unknown request: %v", err)
		}
	})
}

// TestPendingFor: what waits for a person is counted, what is over or for nobody is
// not, and of one client no more than ring; and her word that one was not hers is
// remembered for its client.
func TestPendingFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := midday.Add(time.Minute)
		first := asked(t, db, nil)
		asked(t, db, func(r *decoupled.Request) { r.Expires = now })
		asked(t, db, func(r *decoupled.Request) { r.Subject = "" })
		asked(t, db, func(r *decoupled.Request) { r.Subject = "q" })
		second := asked(t, db, func(r *decoupled.Request) { r.Created = midday.Add(time.Second) })
		list, err := db.OpenDecoupled(t.Context(), "p", now, 10)
		if err != nil || len(list) != 2 || list[0].ID != second.ID || list[1].Message != "Quầy 7" {
			t.Fatalf("%+v, %v", list, err)
		}
		if none, err := db.OpenDecoupled(t.Context(), "", now, 10); err != nil || len(none) != 0 {
			t.Fatalf("what is for nobody is shown: %+v, %v", none, err)
		}
		ask := func(client authz.ClientID, since time.Time) decoupled.Pending {
			t.Helper()
			got, err := db.PendingFor(t.Context(), "p", client, now, since)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got, want := ask("app", midday), (decoupled.Pending{Waiting: 2, OfClient: 2}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		m := move(first.ID, decoupled.Deny, "p")
		m.Because = decoupled.NotMe
		if err := db.MoveDecoupled(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			client authz.ClientID
			since  time.Time
			want   decoupled.Pending
		}{{"app", midday, decoupled.Pending{Waiting: 1, OfClient: 1, NotMe: true}}, {"another", midday, decoupled.Pending{Waiting: 1}}, {"app", now, decoupled.Pending{Waiting: 1, OfClient: 1}}} {
			if got := ask(row.client, row.since); got != row.want {
				t.Errorf("client %s since %s: got %+v, want %+v", row.client, row.since, got, row.want)
			}
		}
		for range 5 {
			asked(t, db, nil)
		}
		if got, want := ask("another", midday), (decoupled.Pending{Waiting: 2}); got != want {
			t.Errorf("of six requests of one client: got %+v, want %+v", got, want)
		}
	})
}

// TestTogether: of requests that come at one moment no more ring than of those that
// come one by one, and all of them are seen; what she is shown first is the newest
// of each app.
func TestTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		person := account(t, db, "together")
		engine := decoupled.Engine{Store: db, Now: func() time.Time { return midday }}
		var reached atomic.Int32
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				err := db.Tx(context.WithoutCancel(t.Context()), func(ctx context.Context) error {
					r := decoupled.Request{
						ID: authz.AuthorizationID(authz.NewSecret()), Channel: decoupled.CIBA, Client: "app", Symbol: "42",
						State: decoupled.Requested, Created: midday, Expires: midday.Add(10 * time.Minute),
					}
					reach, err := engine.Reaches(ctx, person, r.Client)
					if reach == decoupled.ToRing {
						reached.Add(1)
					}
					if reach != decoupled.ToNobody {
						r.Subject = person
					}
					return errors.Join(err, db.InsertDecoupled(ctx, r))
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if reached.Load() != 2 {
			t.Errorf("%d requests ring, want 2", reached.Load())
		}
		other := asked(t, db, func(r *decoupled.Request) { r.Subject, r.Client, r.Created = person, "other", midday.Add(-time.Minute) })
		list, err := engine.Waiting(t.Context(), person)
		if err != nil || len(list) != 20 || list[1].ID != other.ID {
			t.Errorf("%d are listed, and the one of the other app is not the second: %v", len(list), err)
		}
	})
}

// TestPingOutbox: a ping becomes due with the answer, is claimed once at a time,
// and its token goes with its end. A client of mode poll has none.
func TestPingOutbox(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		poll := asked(t, db, nil)
		ping := asked(t, db, func(r *decoupled.Request) { r.Notification = []byte("sealed") })
		later := midday.Add(2 * time.Minute)
		due := func(now time.Time) []decoupled.Ping {
			t.Helper()
			list, err := db.DuePings(t.Context(), now, now.Add(time.Minute), nil, 10, 10)
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		if list := due(later); len(list) != 0 {
			t.Fatalf("due before an answer: %+v", list)
		}
		for _, r := range []decoupled.Request{poll, ping} {
			if err := db.MoveDecoupled(t.Context(), move(r.ID, decoupled.Deny, "p")); err != nil {
				t.Fatal(err)
			}
		}
		list := due(later)
		if len(list) != 1 || list[0].ID != ping.ID || string(list[0].Sealed) != "sealed" || list[0].Client != "app" ||
			!list[0].Expires.Equal(ping.Expires) {
			t.Fatalf("%+v", list)
		}
		if again := due(later); len(again) != 0 {
			t.Fatalf("claimed twice: %+v", again)
		}
		one := list[0]
		one.Attempts, one.Next, one.Failed = 1, later.Add(time.Hour), "no answer"
		if err := db.FinishPing(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		if early := due(later.Add(time.Minute)); len(early) != 0 {
			t.Fatalf("due before its time: %+v", early)
		}
		list = due(one.Next)
		if len(list) != 1 || list[0].Attempts != 1 {
			t.Fatalf("%+v", list)
		}
		list[0].Next = time.Time{}
		if err := db.FinishPing(t.Context(), list[0]); err != nil {
			t.Fatal(err)
		}
		if r, err := db.Decoupled(t.Context(), ping.ID); err != nil || r.Notification != nil || len(due(one.Next.Add(time.Hour))) != 0 {
			t.Errorf("the token is kept: %+v, %v", r, err)
		}
	})
}

// TestPingsOfOneApp: of one app no more are claimed than are asked for, and of one that is
// busy none.
func TestPingsOfOneApp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, client := range []authz.ClientID{"app", "app", "app", "other"} {
			r := asked(t, db, func(r *decoupled.Request) { r.Notification, r.Client = []byte("sealed"), client })
			if err := db.MoveDecoupled(t.Context(), move(r.ID, decoupled.Deny, "p")); err != nil {
				t.Fatal(err)
			}
		}
		now := midday.Add(2 * time.Minute)
		for _, row := range []struct {
			busy             []authz.ClientID
			perClient, limit int
			want             map[authz.ClientID]int
		}{
			{[]authz.ClientID{"app", "other"}, 2, 10, map[authz.ClientID]int{}},
			{nil, 2, 10, map[authz.ClientID]int{"app": 2, "other": 1}},
			{[]authz.ClientID{"app"}, 2, 10, map[authz.ClientID]int{}},
			{nil, 2, 10, map[authz.ClientID]int{"app": 1}},
		} {
			list, err := db.DuePings(t.Context(), now, now.Add(time.Minute), row.busy, row.perClient, row.limit)
			got := map[authz.ClientID]int{}
			for _, p := range list {
				got[p.Client]++
			}
			if err != nil || !maps.Equal(got, row.want) {
				t.Errorf("busy %v: %v, %v; want %v", row.busy, got, err, row.want)
			}
		}
	})
}

// TestPairwiseSubjects: whom a pseudonym names is known to its sector only.
func TestPairwiseSubjects(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for range 2 { // knowing it already is no error
			if err := db.KnowPairwise(t.Context(), "sector", "sub", "p"); err != nil {
				t.Fatal(err)
			}
		}
		if subject, err := db.SubjectOfPairwise(t.Context(), "sector", "sub"); err != nil || subject != "p" {
			t.Errorf("%q, %v", subject, err)
		}
		if _, err := db.SubjectOfPairwise(t.Context(), "another", "sub"); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("another sector: %v", err)
		}
		subject := holder(t, db, "099000000002")
		if got, err := db.SubjectOfNumber(t.Context(), "099000000002"); err != nil || got != subject {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := db.SubjectOfNumber(t.Context(), "099000000003"); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("a number of nobody: %v", err)
		}
	})
}
