package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// standing is all that a release rests on, alive.
type standing struct {
	db      *store.DB
	subject authz.Subject
	session authz.SessionID
	app     authz.ClientID
	grant   authz.GrantID
	consent authz.ConsentID
	hold    audit.Hold
}

// stand makes the n-th of a database.
func stand(t *testing.T, db *store.DB, n int) standing {
	t.Helper()
	s := standing{
		db: db, subject: account(t, db, strings.Repeat("A", n+1)), session: authz.SessionID(fmt.Sprint("session-", n)),
		app: authz.ClientID(fmt.Sprint("app-", n)), grant: authz.GrantID(authz.NewID()),
	}
	actor := authz.ClientID(fmt.Sprint("actor-", n))
	c, v := agreed(s.subject, s.app)
	saved, err := db.Approve(t.Context(), c, v)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.InsertSession(
		t.Context(), session.Session{
			ID: s.session, Principal: authz.Herself(s.subject), AuthTime: noon, Level: 2, Created: noon, Seen: noon,
		}, []byte(s.session), nil,
	); err != nil {
		t.Fatal(err)
	}
	if err := db.InsertGrant(t.Context(), grant.Grant{
		ID: s.grant, ClientID: s.app, Principal: authz.Herself(s.subject), Session: s.session, Profile: authz.FAPI2, Level: 2,
		AuthTime: noon, Created: noon,
		Expires: time.Now().Add(time.Hour), CodeHash: []byte(s.grant), CodeExpires: noon.Add(time.Minute), CodeSpent: noon,
		RefreshSalt: []byte("salt"),
	}, ""); err != nil {
		t.Fatal(err)
	}
	for _, id := range []authz.ClientID{s.app, actor} {
		if err := db.SaveClient(t.Context(), &authz.Client{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	s.consent = saved.ID
	s.hold = audit.Hold{Grant: s.grant, Consent: saved.ID, Version: 1, Clients: []authz.ClientID{s.app, actor}}
	return s
}

// record writes an event of a release that holds what it rests on.
func (s standing) record(ctx context.Context) error {
	e := release(1, audit.Visible)
	e.Asked.Client = s.app
	sealed, err := e.Seal(audit.NewSalt())
	if err != nil {
		return err
	}
	return s.db.RecordHolding(ctx, sealed, s.hold)
}

// end is one way in which what a release rests on ends.
type end struct {
	name string
	do   func(ctx context.Context, s standing) error
}

func (s standing) disable(ctx context.Context, id authz.ClientID) error {
	if err := s.db.SaveClient(ctx, &authz.Client{ID: id, Disabled: true}); err != nil {
		return err
	}
	return s.db.SettleClient(ctx, id)
}

var ends = []end{
	{"the account is locked", func(ctx context.Context, s standing) error { return s.db.Lock(ctx, s.subject, "operator", noon) }},
	{"the session is ended", func(ctx context.Context, s standing) error {
		return s.db.Tx(ctx, func(ctx context.Context) error {
			_, err := s.db.EndSession(ctx, s.subject, s.session, "signed out", noon)
			return err
		})
	}},
	{"the app's part of the session is ended", func(ctx context.Context, s standing) error {
		return s.db.EndAtClient(ctx, s.subject, s.session, s.app, "left", noon)
	}},
	{"the grant is revoked", func(ctx context.Context, s standing) error { return s.db.Revoke(ctx, s.grant, "given back", noon) }},
	{"the app's grants are ended", func(ctx context.Context, s standing) error {
		_, err := s.db.EndGrants(ctx, s.app, "deleted", noon, 10)
		return err
	}},
	{"the consent is withdrawn", func(ctx context.Context, s standing) error {
		return s.db.Tx(ctx, func(ctx context.Context) error {
			found, err := s.db.Consent(ctx, s.subject, s.consent)
			if err != nil {
				return err
			}
			return s.db.Withdraw(ctx, found, withdrawn(found, noon))
		})
	}},
	{"the app is disabled", func(ctx context.Context, s standing) error { return s.disable(ctx, s.hold.Clients[0]) }},
	{"an app that acts is disabled", func(ctx context.Context, s standing) error { return s.disable(ctx, s.hold.Clients[1]) }},
	{"the app is deleted", func(ctx context.Context, s standing) error {
		if err := s.db.EndClient(ctx, s.app, noon); err != nil {
			return err
		}
		return s.db.SettleClient(ctx, s.app)
	}},
}

// A release and what ends its permission come one after the other: the end waits for
// a release that holds it and whose commit is slow, and once it was acknowledged no
// event of a release is committed.
func TestWhatEndsAPermissionWaitsForWhoHoldsIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for n, row := range ends {
			t.Run(row.name, func(t *testing.T) {
				s := stand(t, db, n)
				held, order := make(chan struct{}), make(chan string, 2)
				var both sync.WaitGroup
				both.Go(func() {
					err := db.Tx(context.Background(), func(ctx context.Context) error {
						if err := s.record(ctx); err != nil {
							close(held)
							return err
						}
						close(held)
						// The end is on its way now; a few statements give it time to
						// overtake, if it could.
						for range 20 {
							if _, err := db.Versions(ctx, s.consent); err != nil {
								return err
							}
						}
						order <- "release"
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				})
				both.Go(func() {
					<-held
					if err := row.do(context.Background(), s); err != nil {
						t.Error(err)
					}
					order <- "end"
				})
				both.Wait()
				if first := <-order; first != "release" {
					t.Fatal("the end was acknowledged before a release that held what it ended")
				}
				if err := s.record(t.Context()); !errors.Is(err, authz.ErrConflict) {
					t.Fatalf("a release after the end: got %v, want ErrConflict", err)
				}
				found, err := db.Find(t.Context(), audit.Query{Client: s.app})
				if err != nil || len(found) != 1 {
					t.Fatalf("got %d events, %v", len(found), err)
				}
			})
		}
	})
}

// However a release and an end overlap, an event of a release was committed before
// the end was acknowledged or not at all.
func TestRacingReleasesAndEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for n, row := range ends {
			t.Run(row.name, func(t *testing.T) {
				s := stand(t, db, n)
				var racing sync.WaitGroup
				for range 8 {
					racing.Go(func() {
						for {
							err := s.record(context.Background())
							if errors.Is(err, authz.ErrConflict) {
								return
							}
							if err != nil {
								t.Error(err)
								return
							}
						}
					})
				}
				if err := row.do(context.Background(), s); err != nil {
					t.Error(err)
				}
				atEnd, err := db.CountEvents(t.Context(), audit.Query{Client: s.app})
				if err != nil {
					t.Error(err)
				}
				racing.Wait()
				after, err := db.CountEvents(t.Context(), audit.Query{Client: s.app})
				if err != nil || after.Total != atEnd.Total {
					t.Fatalf("%d events when it was acknowledged, %d afterwards, %v", atEnd.Total, after.Total, err)
				}
			})
		}
	})
}

// RecordHolding is the statement that Record is, and no other.
func TestHoldingCostsNoStatement(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := stand(t, db, 0)
		before := db.Stats()
		if err := s.record(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := db.Stats(); after.Queries-before.Queries != 1 || after.Commits-before.Commits != 1 {
			t.Fatalf("%d statements, %d commits", after.Queries-before.Queries, after.Commits-before.Commits)
		}
		for name, change := range map[string]func(h *audit.Hold){
			"no such grant":                  func(h *audit.Hold) { h.Grant = "none" },
			"another version of the consent": func(h *audit.Hold) { h.Version = 2 },
			"no such consent":                func(h *audit.Hold) { h.Consent = "none" },
			"an app that is not there":       func(h *audit.Hold) { h.Clients = []authz.ClientID{h.Clients[0], "none"} },
		} {
			other := s
			change(&other.hold)
			if err := other.record(t.Context()); !errors.Is(err, authz.ErrConflict) {
				t.Errorf("%s: got %v, want ErrConflict", name, err)
			}
		}
	})
}

// A sign-out or lock and the grants that are on their way come one after the other: the
// end waits for a grant whose commit is slow, and then ends it too; once the end was
// acknowledged no grant of before is issued.
func TestNoGrantIsIssuedAfterASignOut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for n, row := range ends[:2] {
			t.Run(row.name, func(t *testing.T) {
				s := stand(t, db, n)
				waiting := authz.AuthorizationID("waits " + row.name)
				if err := db.InsertPending(t.Context(), grant.Pending{ID: waiting, Created: noon, Expires: noon}, none); err != nil {
					t.Fatal(err)
				}
				late := func(ctx context.Context, answers authz.AuthorizationID) (authz.GrantID, error) {
					g := grant.Grant{
						ID: authz.GrantID(authz.NewID()), ClientID: s.app, Principal: authz.Herself(s.subject), Session: s.session,
						Profile: authz.FAPI2, Level: 2, AuthTime: noon, Created: noon,
						Expires: time.Now().Add(time.Hour), CodeExpires: noon.Add(time.Minute), CodeSpent: noon,
						RefreshSalt: []byte("salt"),
					}
					return g.ID, db.InsertGrant(ctx, g, answers)
				}
				issued, held := make(chan authz.GrantID, 1), make(chan struct{})
				var both sync.WaitGroup
				both.Go(func() {
					if err := db.Tx(context.Background(), func(ctx context.Context) error {
						id, err := late(ctx, "")
						close(held)
						issued <- id
						for range 20 { // time for the end to overtake, if it could
							if _, err := db.Versions(ctx, s.consent); err != nil {
								return err
							}
						}
						return err
					}); err != nil {
						t.Error(err)
					}
				})
				<-held
				if err := row.do(context.Background(), s); err != nil {
					t.Error(err)
				}
				both.Wait()
				if g, err := db.Grant(t.Context(), <-issued); err != nil || g.Revoked.IsZero() {
					t.Errorf("a grant that was on its way lives on after the end: %v", err)
				}
				for _, answers := range []authz.AuthorizationID{"", waiting} {
					if _, err := late(t.Context(), answers); !errors.Is(err, authz.ErrConflict) {
						t.Errorf("a grant after the end: got %v, want ErrConflict", err)
					}
				}
				if p, err := db.Pending(t.Context(), waiting); err != nil || !p.Finished.IsZero() {
					t.Errorf("the request was finished and has no grant: %+v, %v", p, err)
				}
			})
		}
	})
}
