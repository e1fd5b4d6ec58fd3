package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/identity"
	"hopnhat/authz/session"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

var midday = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func issued(t *testing.T, db *store.DB) grant.Grant {
	t.Helper()
	return issuedTo(t, db, "app")
}

func issuedTo(t *testing.T, db *store.DB, client authz.ClientID) grant.Grant {
	t.Helper()
	g := grant.Grant{
		ID: authz.GrantID(authz.NewID()), ClientID: client, Principal: authz.Herself("p"), Session: "s", Profile: authz.FAPI2, Scope: []string{"openid"},
		Level: 2, Methods: []string{"pwd", "otp"}, AuthTime: midday, Created: midday, Expires: midday.Add(time.Hour),
		CodeHash: authz.HashSecret(authz.NewSecret()), CodeExpires: midday.Add(time.Minute), RefreshSalt: []byte("salt"),
	}
	if err := db.PlantGrant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	return g
}

// none comes with a request that spends nothing.
var none clientauth.Assertion

// fresh is what nobody has spent.
func fresh() clientauth.Assertion {
	return clientauth.Assertion{
		Digest: []byte(authz.NewID()), Expires: midday, Proof: clientauth.Proof{Digest: []byte(authz.NewID()), Expires: midday},
	}
}

// TestOfManyOneWins: what must happen once happens once, however many ask.
func TestOfManyOneWins(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		g := issued(t, db)
		pending := grant.Pending{ID: "a", Created: midday, Expires: midday.Add(time.Minute)}
		if err := db.InsertPending(t.Context(), pending, none); err != nil {
			t.Fatal(err)
		}
		pending.ID = "b"
		if err := db.InsertPending(t.Context(), pending, none); err != nil {
			t.Fatal(err)
		}
		asserted := issued(t, db)
		codes := make(chan authz.GrantID, 100)
		for range cap(codes) {
			codes <- issued(t, db).ID
		}
		subject := holder(t, db, "099000000001")
		codeAt := uses(t, db, subject, 7)
		for _, row := range []struct {
			name string
			ask  func(ctx context.Context) error
		}{
			{"RFC 6749 §4.1.2: a code is redeemed", func(ctx context.Context) error {
				return db.RedeemCode(ctx, g.ID, authz.Confirmation{X5T: "k"}, midday, none)
			}},
			{"RFC 6749 §4.1.2: a code is redeemed, each time by a fresh assertion", func(ctx context.Context) error {
				return db.RedeemCode(ctx, asserted.ID, authz.Confirmation{}, midday, fresh())
			}},
			{"RFC 7523 §3: codes are redeemed with one assertion", func(ctx context.Context) error {
				once := fresh()
				once.Digest = []byte("of codes")
				return db.RedeemCode(ctx, <-codes, authz.Confirmation{}, midday, once)
			}},
			{"RFC 9449 §11.1: codes are redeemed with one proof", func(ctx context.Context) error {
				once := fresh()
				once.Proof.Digest = []byte("proof of codes")
				return db.RedeemCode(ctx, <-codes, authz.Confirmation{}, midday, once)
			}},
			{"RFC 9126 §2: requests are pushed with one assertion", func(ctx context.Context) error {
				once := fresh()
				once.Digest = []byte("of requests")
				return db.InsertPending(ctx, grant.Pending{ID: authz.AuthorizationID(authz.NewSecret()), Created: midday, Expires: midday}, once)
			}},
			{"a request is answered by a grant", func(ctx context.Context) error {
				another := g
				another.ID, another.CodeHash = authz.GrantID(authz.NewID()), nil
				return db.InsertGrant(ctx, another, "b")
			}},
			{"RFC 9700 §4.14.2: a refresh token is rotated, each time by a fresh assertion", func(ctx context.Context) error {
				return db.Rotate(ctx, asserted.ID, 0, midday, fresh())
			}},
			{"RFC 9700 §4.14.2: a refresh token is rotated", func(ctx context.Context) error { return db.Rotate(ctx, g.ID, 0, midday, none) }},
			{"RFC 7523 §3: an assertion is spent", func(ctx context.Context) error {
				return db.Spend(ctx, clientauth.Assertion{Digest: []byte("digest"), Expires: midday})
			}},
			{"RFC 9449 §11.1: a proof is spent", func(ctx context.Context) error {
				return db.Spend(ctx, clientauth.Assertion{Proof: clientauth.Proof{Digest: []byte("proof"), Expires: midday}})
			}},
			{"RFC 9449 §11.1: a proof is spent, with whatever assertion", func(ctx context.Context) error {
				return db.Spend(ctx, clientauth.Assertion{Digest: []byte(authz.NewID()), Expires: midday, Proof: clientauth.Proof{Digest: []byte("another"), Expires: midday}})
			}},
			{"a pending authorization is finished", func(ctx context.Context) error { return db.FinishPending(ctx, "a", midday, "") }},
			{"RFC 6238 §5.2: a one-time code is accepted", func(ctx context.Context) error {
				return db.Accept(ctx, &authn.Acceptance{Subject: subject, Uses: codeAt, At: midday})
			}},
		} {
			t.Run(row.name, func(t *testing.T) {
				var won, lost atomic.Int32
				var group sync.WaitGroup
				for range 50 {
					group.Go(func() {
						switch err := row.ask(t.Context()); {
						case err == nil:
							won.Add(1)
						case errors.Is(err, authz.ErrConflict):
							lost.Add(1)
						default:
							t.Error(err)
						}
					})
				}
				group.Wait()
				if won.Load() != 1 || lost.Load() != 49 {
					t.Fatalf("%d won, %d lost", won.Load(), lost.Load())
				}
			})
		}
		after, err := db.Grant(t.Context(), g.ID)
		if err != nil || after.RefreshGeneration != 1 || !after.CodeSpent.Equal(midday) || after.Bound != (authz.Confirmation{X5T: "k"}) {
			t.Fatalf("%+v, %v", after, err)
		}
	})
}

func holder(t *testing.T, db *store.DB, number string) authz.Subject {
	t.Helper()
	a := identity.Account{
		Subject: authz.Subject(authz.NewID()), Kind: authz.Citizen, Person: authz.PersonID("person " + number), Name: "An", Level: 2,
		Created: midday,
	}
	if err := db.InsertAccount(t.Context(), a, authz.PersonalNumber(number), factors()...); err != nil {
		t.Fatal(err)
	}
	return a.Subject
}

// TestNobodyCostsWhatSomebodyCosts: a number that nobody holds is looked up by as
// many statements as one that has a holder.
func TestNobodyCostsWhatSomebodyCosts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		subject := holder(t, db, "099000000009")
		for number, want := range map[authz.PersonalNumber]authz.Subject{"099000000009": subject, "099000000010": ""} {
			before := db.Stats()
			c, err := db.Credentials(t.Context(), number)
			if err != nil || c.Subject != want {
				t.Fatalf("%q: %+v, %v", want, c, err)
			}
			if after := db.Stats(); after.Queries-before.Queries != 1 {
				t.Fatalf("%q was looked up by %d statements", want, after.Queries-before.Queries)
			}
		}
	})
}

// TestAttemptsThatComeTogether: however many attempts come at once, each in a
// transaction of its own as on as many nodes, no budget counts more than it has; one
// that another budget refuses is not counted; and what is used up waits longer each
// time.
func TestAttemptsThatComeTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		count := func(at time.Time, budgets ...authn.Budget) (wait time.Duration, err error) {
			err = db.Tx(t.Context(), func(ctx context.Context) error {
				if wait, err = db.CountAttempt(ctx, budgets, at); err == nil && wait > 0 {
					err = authn.Throttled{Wait: wait}
				}
				return err
			})
			if errors.As(err, new(authn.Throttled)) {
				err = nil
			}
			return wait, err
		}
		network := func(i int) authn.Budget { return authn.Budget{Key: []byte{'n', byte(i)}, Free: 5} }
		account := authn.Budget{Key: []byte("account"), Free: 12}
		var group sync.WaitGroup
		var counted [4]atomic.Int32
		for i := range 80 {
			group.Go(func() {
				switch wait, err := count(midday, network(i%4), account); {
				case err != nil:
					t.Error(err)
				case wait == 0:
					counted[i%4].Add(1)
				case wait != 30*time.Second:
					t.Errorf("waits %s", wait)
				}
			})
		}
		group.Wait()
		sum := int32(0)
		for i := range counted {
			sum += counted[i].Load()
			if n := counted[i].Load(); n > 5 {
				t.Errorf("network %d: %d attempts of 5", i, n)
			}
		}
		if sum != 12 {
			t.Errorf("%d attempts of 12 at the account", sum)
		}
		// A device of its own is not touched by that.
		device := authn.Budget{Key: []byte("device"), Free: 5}
		at := midday
		for i, want := range []time.Duration{0, 0, 0, 0, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
			if wait, err := count(at, device); err != nil || wait != 0 {
				t.Fatalf("attempt %d: %s, %v", i, wait, err)
			}
			if want == 0 {
				continue
			}
			for early, left := range map[time.Duration]time.Duration{0: want, want - time.Second: time.Second} {
				if wait, err := count(at.Add(early), device); err != nil || wait != left {
					t.Fatalf("after attempt %d and %s: %s, %v, want %s", i, early, wait, err, left)
				}
			}
			at = at.Add(want)
		}
		// One that is used up is restored by nothing but RestoreAnyway, and then in full.
		restored := func(e authn.Effect) authn.Budget {
			return authn.Budget{Key: device.Key, Free: device.Free, Effect: e}
		}
		if wait, err := count(at.Add(-time.Second), restored(authn.Restore)); err != nil || wait != time.Second {
			t.Fatalf("used up, and restored: %s, %v", wait, err)
		}
		for _, effect := range []authn.Effect{authn.RestoreAnyway, authn.Restore} {
			if wait, err := count(midday, restored(effect), authn.Budget{Key: []byte("another"), Free: 5, Effect: effect}); err != nil ||
				wait != 0 {
				t.Fatalf("restored: %s, %v", wait, err)
			}
			for i := range 4 {
				if wait, err := count(midday, device); err != nil || wait != 0 {
					t.Fatalf("attempt %d after it was restored: %s, %v", i, wait, err)
				}
			}
		}
	})
}

// TestForgetDevices: of one account, and by a lock too.
func TestForgetDevices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		an, binh := holder(t, db, "099000000021"), holder(t, db, "099000000022")
		since := func(number authz.PersonalNumber, want time.Time) {
			t.Helper()
			if c, err := db.Credentials(t.Context(), number); err != nil || !c.DevicesSince.Equal(want) {
				t.Fatalf("%+v, %v, want %s", c, err, want)
			}
		}
		if err := db.ForgetDevices(t.Context(), an, midday); err != nil {
			t.Fatal(err)
		}
		since("099000000021", midday)
		since("099000000022", time.Time{})
		if err := db.Lock(t.Context(), binh, "test", midday); err != nil {
			t.Fatal(err)
		}
		since("099000000022", midday)
	})
}

func started(t *testing.T, db *store.DB, subject authz.Subject) session.Session {
	t.Helper()
	s := session.Session{ID: authz.SessionID(authz.NewID()), Principal: authz.Herself(subject), AuthTime: midday, Methods: []string{"pwd", "otp"}, Level: 2, Created: midday, Seen: midday}
	if err := db.InsertSession(t.Context(), s, authz.HashSecret(string(s.ID)), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGrantsWithoutACode: of the implicit flow (OpenID Connect Core §3.2) there are
// many, each good at once and with nothing to redeem.
func TestGrantsWithoutACode(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g := issued(t, db)
		if found, err := db.Grant(t.Context(), g.ID); err != nil || !found.CodeSpent.IsZero() || found.Live(midday) {
			t.Fatalf("a code that nobody redeemed: %+v, %v", found, err)
		}
		for range 2 {
			g.ID, g.CodeHash, g.CodeSpent = authz.GrantID(authz.NewID()), nil, midday
			if err := db.PlantGrant(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			if found, err := db.Grant(t.Context(), g.ID); err != nil || !found.Live(midday) || !found.CodeSpent.Equal(midday) {
				t.Fatalf("%+v, %v", found, err)
			}
			if err := db.RedeemCode(t.Context(), g.ID, authz.Confirmation{}, midday, none); !errors.Is(err, authz.ErrConflict) {
				t.Fatalf("a code that there is not was redeemed: %v", err)
			}
		}
		if _, err := db.GrantByCode(t.Context(), nil); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("no code found a grant: %v", err)
		}
	})
}

// TestLock: a lock ends sessions and grants in its one commit.
func TestLock(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		subject := holder(t, db, "099000000002")
		s := started(t, db, subject)
		g := issued(t, db)
		g.ID, g.Actor, g.Session, g.CodeHash = authz.GrantID(authz.NewID()), subject, s.ID, nil
		if err := db.PlantGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		before := db.Stats().Commits
		if err := db.Lock(t.Context(), subject, "test", midday); err != nil {
			t.Fatal(err)
		}
		if commits := db.Stats().Commits - before; commits != 1 {
			t.Fatalf("%d commits", commits)
		}
		found, err := db.SessionBySecret(t.Context(), authz.HashSecret(string(s.ID)))
		if err != nil || found.Ended.IsZero() || !found.Locked {
			t.Fatalf("%+v, %v", found, err)
		}
		if after, err := db.Grant(t.Context(), g.ID); err != nil || after.Revoked.IsZero() {
			t.Fatalf("%+v, %v", after, err)
		}
		by := &authn.Acceptance{Subject: subject, Uses: uses(t, db, subject, 9), At: midday}
		if err := db.Accept(t.Context(), by); !errors.Is(err, authz.ErrConflict) {
			t.Fatalf("a locked account signed in: %v", err)
		}
		if err := db.InsertAccount(
			t.Context(), identity.Account{Subject: "x", Kind: authz.Citizen, Person: "other", Level: 2}, "099000000002", factors()...,
		); !errors.Is(err, authz.ErrConflict) {
			t.Fatalf("a number with two holders: %v", err)
		}
	})
}

// TestEndSession: only her own, only once, and its apps are told of.
// TestEndSession: once, by its own person, with all grants of the session: those with
// offline_access too, which Back-Channel Logout §2.7 would leave (docs/decisions.md D6).
func TestEndSession(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		an, binh := holder(t, db, "099000000003"), holder(t, db, "099000000004")
		s := started(t, db, an)
		g := issued(t, db)
		g.ID, g.Actor, g.Session, g.CodeHash = authz.GrantID(authz.NewID()), an, s.ID, nil
		g.Scope = []string{"openid", "offline_access"}
		if err := db.PlantGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if _, err := db.EndSession(t.Context(), binh, s.ID, "x", midday); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("another person's session: %v", err)
		}
		apps, err := db.EndSession(t.Context(), an, s.ID, "x", midday)
		if err != nil || len(apps) != 1 || apps[0] != "app" {
			t.Fatalf("%v, %v", apps, err)
		}
		if after, err := db.Grant(t.Context(), g.ID); err != nil || !after.Revoked.Equal(midday) {
			t.Errorf("a grant with offline_access goes on: %+v, %v", after, err)
		}
		if _, err := db.EndSession(t.Context(), an, s.ID, "x", midday); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("ended twice: %v", err)
		}
	})
}

// directory finds every app.
type directory struct{}

func (directory) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	return &authz.Client{ID: id, Logout: authz.Logout{BackchannelLogoutURI: "https://app.example/out"}}, nil
}

// TestSignInAgain: a second sign-in in one browser leaves one live session. The
// person's own goes on, under another secret and with its grants; somebody else's
// ends with its grants, and its apps are told.
func TestSignInAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		an, binh := holder(t, db, "099000000003"), holder(t, db, "099000000004")
		now := midday
		sessions := session.New(db, &audit.Scribe{Rows: db, Pseudonyms: names{}}, session.Limits{}, true, func() time.Time { return now })
		signIn := func(who authz.Subject, secret string) session.Session {
			t.Helper()
			before, err := sessions.Find(ctx, secret)
			var live *session.Session
			if err == nil {
				live = &before
			}
			now = now.Add(time.Minute)
			fresh := authz.NewSecret()
			began, err := sessions.Begin(ctx, directory{}, session.SignIn{Subject: who, Methods: []string{"pwd", "otp"}, At: now, Secret: fresh}, live)
			if err != nil {
				t.Fatal(err)
			}
			found, err := sessions.Find(ctx, fresh)
			if err != nil || found.ID != began.ID || found.Actor != who || !found.AuthTime.Equal(now) || !found.Created.Equal(now) {
				t.Fatalf("%+v, %v, want %+v", found, err, began)
			}
			if _, err := sessions.Find(ctx, secret); !errors.Is(err, session.ErrNone) {
				t.Fatalf("the secret before still opens: %v", err)
			}
			began.Person = authz.PersonID(fresh) // for the next sign-in
			return began
		}
		live := func(who authz.Subject) (ids []authz.SessionID) {
			t.Helper()
			list, err := sessions.List(ctx, who)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range list {
				ids = append(ids, one.ID)
			}
			return ids
		}
		first := signIn(an, "")
		g := issued(t, db)
		g.ID, g.Session, g.Actor, g.CodeHash = authz.GrantID(authz.NewID()), first.ID, an, nil
		if err := db.PlantGrant(ctx, g); err != nil {
			t.Fatal(err)
		}
		second := signIn(an, string(first.Person))
		if found, err := db.Grant(ctx, g.ID); err != nil || second.ID != first.ID || !found.Revoked.IsZero() || !slices.Equal(live(an), []authz.SessionID{first.ID}) {
			t.Fatalf("her own session: %s went on as %s, %v; grant %+v, %v", first.ID, second.ID, live(an), found, err)
		}
		third := signIn(binh, string(second.Person))
		found, err := db.Grant(ctx, g.ID)
		if err != nil || found.Revoked.IsZero() || len(live(an)) != 0 || !slices.Equal(live(binh), []authz.SessionID{third.ID}) {
			t.Fatalf("another person: %v and %v; grant %+v, %v", live(an), live(binh), found, err)
		}
		if told, err := db.LogoutsOf(ctx, []authz.SessionID{first.ID}); err != nil || len(told) != 1 {
			t.Fatalf("the app was told %d times, %v", len(told), err)
		}
		// One that ended in between is not brought back.
		if _, err := sessions.End(ctx, directory{}, binh, third.ID, session.SignedOut); err != nil {
			t.Fatal(err)
		}
		began, err := sessions.Begin(ctx, directory{}, session.SignIn{Subject: binh, Methods: []string{"pwd", "otp"}, At: now, Secret: authz.NewSecret()}, &third)
		if err != nil || began.ID == third.ID || !slices.Equal(live(binh), []authz.SessionID{began.ID}) {
			t.Fatalf("%+v, %v", began, err)
		}
		if err := db.RenewSession(
			ctx, session.Session{ID: began.ID, Principal: authz.Herself(an)}, []byte("h"),
		); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("another person's session was renewed: %v", err)
		}
	})
}

// TestPurge: what expired goes, a bounded batch at a time; the rest stays.
func TestPurge(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for range 5 {
			issued(t, db)
		}
		if n, err := db.PurgeGrants(t.Context(), midday.Add(time.Minute), 10); err != nil || n != 0 {
			t.Fatalf("live grants were purged: %d, %v", n, err)
		}
		if n, err := db.PurgeGrants(t.Context(), midday.Add(2*time.Hour), 3); err != nil || n != 3 {
			t.Fatalf("got %d, %v, want a batch of 3", n, err)
		}
		if _, err := db.CountAttempt(t.Context(), []authn.Budget{{Key: []byte("number"), Free: 5}}, midday); err != nil {
			t.Fatal(err)
		}
		if n, err := db.PurgeSessions(t.Context(), midday.AddDate(0, 0, 2), 10); err != nil || n != 1 {
			t.Fatalf("got %d, %v", n, err)
		}
	})
}
