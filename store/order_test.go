package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/grant"
	"hopnhat/authz/session"
	"hopnhat/store"
	"hopnhat/store/handle"
	"hopnhat/store/storetest"
)

// waiting waits until so many transactions of the database wait for a lock, or done is
// closed.
func waiting(t *testing.T, db *store.DB, want int, done <-chan struct{}) {
	t.Helper()
	for {
		var n int
		if err := db.Reader(t.Context()).Raw(
			"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
		).Scan(&n).Error; err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
			return
		default:
		}
		if n >= want {
			return
		}
	}
}

// began runs something beside the test and closes done at its end, which must be good or
// authz.ErrConflict: PostgreSQL answers a circle of waits with an error to one of them.
func began(t *testing.T, all *sync.WaitGroup, what string, do func(ctx context.Context) error) (done chan struct{}) {
	done = make(chan struct{})
	all.Go(func() {
		defer close(done)
		if err := do(context.Background()); err != nil && !errors.Is(err, authz.ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	})
	return done
}

// TestThreeDoNotWaitInACircle: a person agrees anew, which has written her consent and
// comes to her session; a release under an earlier grant comes to the consent; and
// what ends session and grant comes between them.
func TestThreeDoNotWaitInACircle(t *testing.T) {
	db := storetest.PostgreSQL(t, nil)
	for n, end := range ends[:5] {
		t.Run(end.name, func(t *testing.T) {
			s := stand(t, db, n)
			waits := authz.AuthorizationID(authz.NewID())
			if err := db.InsertPending(t.Context(), grant.Pending{ID: waits, Created: noon, Expires: noon}, none); err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			agreed2, proceed := make(chan struct{}), make(chan struct{})
			approval := began(t, &all, "the approval", func(ctx context.Context) error {
				return db.Tx(ctx, func(ctx context.Context) error {
					c, v := agreed(s.subject, s.app)
					v.Attributes = v.Offered
					_, err := db.Approve(ctx, c, v)
					close(agreed2)
					if err != nil {
						return err
					}
					<-proceed
					return db.InsertGrant(ctx, grant.Grant{
						ID: authz.GrantID(authz.NewID()), ClientID: s.app, Principal: authz.Herself(s.subject), Session: s.session,
						Profile: authz.FAPI2, Level: 2, AuthTime: noon, Created: noon, Expires: time.Now().Add(time.Hour),
						CodeExpires: noon.Add(time.Minute), CodeSpent: noon, RefreshSalt: []byte("salt"),
					}, waits)
				})
			})
			<-agreed2
			waiting(t, db, 1, began(t, &all, "the release", s.record))
			waiting(t, db, 2, began(t, &all, "the end", func(ctx context.Context) error { return end.do(ctx, s) }))
			close(proceed)
			<-approval
			all.Wait()
		})
	}
}

// halting is the store of a sign-out that halts between its first statement and the next.
type halting struct {
	*store.DB
	once sync.Once
	halt func()
}

func (h *halting) ForgetDevices(ctx context.Context, subject authz.Subject, at time.Time) error {
	defer h.once.Do(h.halt)
	return h.DB.ForgetDevices(ctx, subject, at)
}

func (h *halting) EndSession(
	ctx context.Context, subject authz.Subject, id authz.SessionID, because string, at time.Time,
) ([]authz.ClientID, error) {
	defer h.once.Do(h.halt)
	return h.DB.EndSession(ctx, subject, id, because, at)
}

// TestSignOutEverywhereAndAReleaseDoNotWaitForEachOther: a release comes to what the
// sign-out holds while that is on its way.
func TestSignOutEverywhereAndAReleaseDoNotWaitForEachOther(t *testing.T) {
	db := storetest.PostgreSQL(t, nil)
	s := stand(t, db, 0)
	var all sync.WaitGroup
	h := &halting{DB: db}
	h.halt = func() { waiting(t, db, 1, began(t, &all, "the release", s.record)) }
	scribe := &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1"}
	sessions := session.New(h, scribe, session.Limits{}, false, func() time.Time { return noon })
	if _, err := sessions.EndAll(t.Context(), db, s.subject, session.AllEnded); err != nil {
		t.Errorf("the sign-out: %v", err)
	}
	all.Wait()
	if err := s.record(t.Context()); !errors.Is(err, authz.ErrConflict) {
		t.Errorf("a release after the sign-out: got %v, want ErrConflict", err)
	}
}

// holding holds rows until the returned function is called: what is selected FOR UPDATE, or was
// inserted by a statement that is undone then.
func holding(t *testing.T, db *store.DB, all *sync.WaitGroup, statement string, args ...any) (release func()) {
	t.Helper()
	held, free := make(chan error), make(chan struct{})
	undone := errors.New("undone")
	all.Go(func() {
		err := db.Tx(context.Background(), func(ctx context.Context) error {
			held <- db.Writer(ctx).Exec(statement, args...).Error
			<-free
			return undone
		})
		if !errors.Is(err, undone) {
			t.Error(err)
		}
	})
	release = sync.OnceFunc(func() { close(free) })
	if err := <-held; err != nil {
		release()
		t.Fatal(err)
	}
	return release
}

// TestTwoAttemptsDoNotWaitForEachOther: one who begins a sign-in, and one who is counted in a
// transaction, by the same two budgets.
func TestTwoAttemptsDoNotWaitForEachOther(t *testing.T) {
	db := storetest.PostgreSQL(t, nil)
	own, shared := authn.Budget{Key: []byte("of a network"), Free: 5}, authn.Budget{Key: []byte("of an account"), Free: 50}
	counted := func(ctx context.Context, budgets ...authn.Budget) error {
		return db.Tx(ctx, func(ctx context.Context) error {
			_, err := db.CountAttempt(ctx, budgets, noon)
			return err
		})
	}
	if err := counted(t.Context(), shared); err != nil {
		t.Fatal(err)
	}
	const insert = "INSERT INTO sign_in_attempts (key, free, spent, next_at, seen_at) VALUES (?, 5, 1, 0, 0)"
	for _, row := range []struct{ name, held string }{
		{"the one of the network has no row yet", insert},
		{"both have a row", "SELECT 1 FROM sign_in_attempts WHERE key = ? FOR UPDATE"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var all sync.WaitGroup
			defer all.Wait()
			release := holding(t, db, &all, row.held, handle.Blob(own.Key))
			defer release()
			waiting(t, db, 1, began(t, &all, "counting", func(ctx context.Context) error { return counted(ctx, own, shared) }))
			waiting(t, db, 2, began(t, &all, "beginning", func(ctx context.Context) error {
				_, _, err := db.BeginSignIn(ctx, "099000000031", []authn.Budget{own, shared}, noon)
				return err
			}))
		})
	}
}

// TestASignInAndALockDoNotWaitForEachOther: a person signs in anew in a browser of hers while her
// account is locked, and two sign in each in a browser of the other while both are locked.
func TestASignInAndALockDoNotWaitForEachOther(t *testing.T) {
	db := storetest.PostgreSQL(t, nil)
	for _, row := range []struct {
		name string
		// before are the browsers' sessions, by whom, of the two who sign in.
		before []int
	}{
		{"her own browser", []int{0}},
		{"each in the browser of the other", []int{1, 0}},
	} {
		t.Run(row.name, func(t *testing.T) {
			people := [2]standing{stand(t, db, 2*len(row.before)), stand(t, db, 2*len(row.before)+1)}
			var all sync.WaitGroup
			defer all.Wait()
			accepted, proceed := make(chan struct{}, 2), make(chan struct{})
			defer sync.OnceFunc(func() { close(proceed) })()
			for i, of := range row.before {
				h := &halting{DB: db, halt: func() { accepted <- struct{}{}; <-proceed }}
				scribe := &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1"}
				sessions := session.New(h, scribe, session.Limits{}, false, func() time.Time { return noon })
				began(t, &all, "the sign-in", func(ctx context.Context) error {
					return db.Tx(ctx, func(ctx context.Context) error {
						_, err := sessions.Begin(ctx, db, session.SignIn{
							Subject: people[i].subject, Methods: []string{"pwd"}, At: noon, Secret: authz.NewSecret(),
							By: &authn.Acceptance{Subject: people[i].subject, Uses: uses(t, db, people[i].subject, 7), At: noon},
						}, &session.Session{ID: people[of].session, Principal: authz.Herself(people[of].subject)})
						return err
					})
				})
				<-accepted
			}
			for i := range row.before {
				waiting(t, db, i+1, began(t, &all, "the lock", func(ctx context.Context) error {
					return db.Lock(ctx, people[i].subject, "test", noon)
				}))
			}
		})
	}
}

func (h *halting) Accept(ctx context.Context, a *authn.Acceptance) error {
	defer h.once.Do(h.halt)
	return h.DB.Accept(ctx, a)
}

// TestManyGrantsAreLockedInOneOrder: what ends the grants of a person, of a session and of an
// app at the same time comes to them in the order of their ids, wherever their rows lie, and so
// does a code that goes on from one of them.
func TestManyGrantsAreLockedInOneOrder(t *testing.T) {
	db := storetest.PostgreSQL(t, nil)
	for n, row := range []struct {
		name string
		// first waits for the older grant, then second does; newer is whether the row of the newer
		// one lies before that of the older.
		newer         bool
		first, second func(ctx context.Context, s standing, next grant.Grant) error
	}{
		{"an app, and a lock", true, ofApp, locked},
		{"an app, and a sign-out", true, ofApp, signedOut},
		{"an app, and a sign-out of one app", true, ofApp, leftApp},
		{"a lock, and a code that goes on", false, locked, goesOn},
		{"a code that goes on, and an app", false, goesOn, ofApp},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := stand(t, db, n)
			next := grant.Grant{
				ID: s.grant, ClientID: s.app, Principal: authz.Herself(s.subject), Session: s.session, Profile: authz.FAPI2, Level: 2,
				AuthTime: noon, Created: noon, Expires: noon.Add(time.Hour), CodeHash: []byte(row.name), CodeExpires: noon.Add(time.Minute),
				RefreshSalt: []byte("salt"),
			}
			older := next
			older.ID, older.CodeHash, older.CodeSpent = authz.GrantID(authz.NewID()), nil, noon
			next.ID, next.Continues = authz.GrantID(authz.NewID()), older.ID
			rows := []grant.Grant{older, next}
			if row.newer {
				slices.Reverse(rows)
			}
			for _, g := range rows {
				if err := db.InsertGrant(t.Context(), g, ""); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Revoke(t.Context(), s.grant, "not of this test", noon); err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			defer all.Wait()
			release := holding(t, db, &all, "SELECT 1 FROM grants WHERE id = ? FOR UPDATE", string(older.ID))
			defer release()
			waiting(t, db, 1, began(t, &all, "the first", func(ctx context.Context) error { return row.first(ctx, s, next) }))
			waiting(t, db, 2, began(t, &all, "the second", func(ctx context.Context) error { return row.second(ctx, s, next) }))
		})
	}
}

func ofApp(ctx context.Context, s standing, _ grant.Grant) error {
	_, err := s.db.EndGrants(ctx, s.app, "test", noon, 10)
	return err
}

func locked(ctx context.Context, s standing, _ grant.Grant) error {
	return s.db.Lock(ctx, s.subject, "test", noon)
}

func signedOut(ctx context.Context, s standing, _ grant.Grant) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		_, err := s.db.EndSession(ctx, s.subject, s.session, "test", noon)
		return err
	})
}

func leftApp(ctx context.Context, s standing, _ grant.Grant) error {
	if err := s.db.EndAtClient(ctx, s.subject, s.session, s.app, "test", noon); !errors.Is(err, authz.ErrNotFound) {
		return err
	}
	return nil
}

func goesOn(ctx context.Context, s standing, next grant.Grant) error {
	return grant.Redeem(ctx, s.db, &next, authz.Confirmation{}, noon, none)
}
