package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/grant"
	"hopnhat/authz/session"
	"hopnhat/store"
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
