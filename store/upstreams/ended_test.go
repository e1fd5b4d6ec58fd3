package upstreams_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/session"
	"hopnhat/federation/upstream"
	"hopnhat/federation/upstream/flow"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// faulty is a store, and sessions, of which one method fails, or is told of before it is called.
type faulty struct {
	flow.Store
	flow.Sessions

	fails map[string]bool
	begun func() // called in the transaction in which a session begins
}

func (f *faulty) fault(method string) error {
	if f.fails[method] {
		return authz.ErrUnavailable
	}
	return nil
}

func (f *faulty) Spend(ctx context.Context, once clientauth.Assertion) error {
	return errors.Join(f.Store.Spend(ctx, once), f.fault("Spend"))
}

func (f *faulty) EndBond(ctx context.Context, account authz.Subject, id string, at time.Time) (upstream.Bond, error) {
	b, err := f.Store.EndBond(ctx, account, id, at)
	return b, errors.Join(err, f.fault("EndBond"))
}

func (f *faulty) SessionsBy(ctx context.Context, bond string) ([]flow.Begun, error) {
	list, err := f.Store.SessionsBy(ctx, bond)
	return list, errors.Join(err, f.fault("SessionsBy"))
}

func (f *faulty) SessionsOf(ctx context.Context, issuer, subject, there string) ([]flow.Begun, error) {
	list, err := f.Store.SessionsOf(ctx, issuer, subject, there)
	return list, errors.Join(err, f.fault("SessionsOf"))
}

func (f *faulty) Begin(ctx context.Context, clients session.Clients, in session.SignIn, before *session.Session) (session.Session, error) {
	if f.begun != nil {
		f.begun()
	}
	return f.Sessions.Begin(ctx, clients, in, before)
}

func (f *faulty) End(
	ctx context.Context, clients session.Clients, subject authz.Subject, id authz.SessionID, because session.Because,
) ([]session.Notified, error) {
	list, err := f.Sessions.End(ctx, clients, subject, id, because)
	return list, errors.Join(err, f.fault("End"))
}

// withFaults is a world whose store and sessions may fail.
func withFaults(t *testing.T, db *store.DB) (*world, *faulty) {
	t.Helper()
	w := newWorld(t, db)
	f := &faulty{Store: db.Upstreams, Sessions: w.sessions, fails: map[string]bool{}}
	clock := func() time.Time { return w.now }
	w.Engine = flow.New(flow.Options{
		Issuer: "https://id.example", List: w.Engine.Providers(), Providers: w.there, Store: f, Sessions: f, Clients: noApps{},
		Evidence: &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1", Now: clock}, Pseudonyms: names{}, Now: clock,
	})
	return w, f
}

// signIn signs somebody in by VNeID, with her number.
func (w *world) signIn(subject string, number authz.PersonalNumber) (authz.SessionID, error) {
	w.t.Helper()
	out, err := w.Finish(w.t.Context(), w.begin("vneid", nil, w.code("vneid", subject, number, 2)))
	if err != nil {
		return "", err
	}
	return out.Began.ID, nil
}

func (w *world) live(who authz.Subject) (ids []authz.SessionID) {
	w.t.Helper()
	list, err := w.sessions.List(w.t.Context(), who)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

// TestALogoutTokenAfterAnError: a token that could not be followed is good still; when it was, no
// more (OpenID Connect Back-Channel Logout 1.0 §2.6 (8)).
func TestALogoutTokenAfterAnError(t *testing.T) {
	for _, failing := range []string{"Spend", "SessionsOf", "End"} {
		t.Run(failing, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				w, f := withFaults(t, db)
				an := w.account("099201000001", 2)
				if _, err := w.signIn("1", "099201000001"); err != nil {
					t.Fatal(err)
				}
				w.there.ends["token"] = upstream.End{Subject: "1", ID: "j", Expires: w.now.Add(time.Hour)}
				f.fails[failing] = true
				if _, err := w.Ended(t.Context(), w.Provider("vneid"), "token"); !errors.Is(err, authz.ErrUnavailable) {
					t.Fatalf("got %v", err)
				}
				f.fails[failing] = false
				if _, err := w.Ended(t.Context(), w.Provider("vneid"), "token"); err != nil || len(w.live(an)) != 0 {
					t.Fatalf("sent again: got %v, live %v", err, w.live(an))
				}
				again, err := w.signIn("1", "099201000001")
				if err != nil {
					t.Fatal(err)
				}
				_, err = w.Ended(t.Context(), w.Provider("vneid"), "token")
				if reason(err) != upstream.Untrue || !slices.Contains(w.live(an), again) {
					t.Errorf("§2.6 (8): sent once more: got %v, live %v", err, w.live(an))
				}
			})
		})
	}
}

// TestAnUnlinkAfterAnError: where the database fails the link stands as it did, and she removes it
// by trying again; the sessions by it end then.
func TestAnUnlinkAfterAnError(t *testing.T) {
	for _, failing := range []string{"EndBond", "SessionsBy", "End"} {
		t.Run(failing, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				w, f := withFaults(t, db)
				an := w.account("099201000001", 2)
				if _, err := w.signIn("1", "099201000001"); err != nil {
					t.Fatal(err)
				}
				me := w.here(an)
				bonds, err := w.Bonds(t.Context(), an)
				if err != nil || len(bonds) != 1 {
					t.Fatal(bonds, err)
				}
				f.fails[failing] = true
				if err := w.Unlink(t.Context(), me, bonds[0].ID); !errors.Is(err, authz.ErrUnavailable) {
					t.Fatalf("got %v", err)
				}
				if list, err := w.Bonds(t.Context(), an); err != nil || len(list) != 1 {
					t.Fatalf("after an error: links %+v, %v", list, err)
				}
				f.fails[failing] = false
				if err := w.Unlink(t.Context(), me, bonds[0].ID); err != nil || !slices.Equal(w.live(an), []authz.SessionID{me.ID}) {
					t.Errorf("again: got %v, live %v", err, w.live(an))
				}
			})
		})
	}
}

// TestARemovedLinkIsNotMadeByTheNumber: who removed a link is linked with that provider by nobody
// but herself, whoever has her account there.
func TestARemovedLinkIsNotMadeByTheNumber(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		an := w.account("099201000001", 2)
		if _, err := w.signIn("1", "099201000001"); err != nil {
			t.Fatal(err)
		}
		me := w.here(an)
		refusedBoth := func(when string) {
			t.Helper()
			for _, row := range []struct{ name, subject string }{{"the person there whom she was linked with", "1"}, {"another person there", "2"}} {
				if _, err := w.signIn(row.subject, "099201000001"); reason(err) != upstream.Unlinked {
					t.Errorf("%s, %s: got %v", when, row.name, err)
				}
			}
			if got := w.actions(an); got[len(got)-1] != "upstream.refused" {
				t.Errorf("%s: evidence: got %v", when, got)
			}
		}
		unlink := func() {
			t.Helper()
			bonds, err := w.Bonds(t.Context(), an)
			if err != nil || len(bonds) != 1 {
				t.Fatal(bonds, err)
			}
			if err := w.Unlink(t.Context(), me, bonds[0].ID); err != nil {
				t.Fatal(err)
			}
		}
		unlink()
		refusedBoth("after she removed it")
		out, err := w.Finish(t.Context(), w.begin("vneid", me, w.code("vneid", "2", "099201000001", 2)))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Confirm(t.Context(), w.Provider("vneid"), out.Proof, me); err != nil {
			t.Fatalf("she links it anew: got %v", err)
		}
		if _, err := w.signIn("2", "099201000001"); err != nil {
			t.Errorf("by the new link: got %v", err)
		}
		if _, err := w.signIn("1", "099201000001"); reason(err) != upstream.Elsewhere {
			t.Errorf("the person there of the old link: got %v", err)
		}
		unlink()
		refusedBoth("after she removed it again")
	})
}

// TestNoSessionOutlivesItsLink: a link that is removed while a sign-in by it goes on waits for
// that, and ends its session too.
func TestNoSessionOutlivesItsLink(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w, f := withFaults(t, db)
		an := w.account("099201000001", 2)
		if _, err := w.signIn("1", "099201000001"); err != nil {
			t.Fatal(err)
		}
		me := w.here(an)
		bonds, err := w.Bonds(t.Context(), an)
		if err != nil || len(bonds) != 1 {
			t.Fatal(bonds, err)
		}
		var meanwhile error
		f.begun = func() { // the transaction of the sign-in is open, and the link was read in it
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			meanwhile = w.Unlink(ctx, me, bonds[0].ID)
		}
		if _, err := w.signIn("1", ""); err != nil {
			t.Fatal(err)
		}
		f.begun = nil
		if meanwhile != nil {
			if err := w.Unlink(t.Context(), me, bonds[0].ID); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.live(an); !slices.Equal(got, []authz.SessionID{me.ID}) {
			t.Errorf("live after the link was removed: %v, want hers here alone, %s; in between: %v", got, me.ID, meanwhile)
		}
	})
}

// TestALogoutThereByAnEndedLink: a logout token that names the person ends the session from which
// she removed the link, and those by a link before it.
func TestALogoutThereByAnEndedLink(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		an := w.account("099201000001", 2)
		out, err := w.Finish(t.Context(), w.begin("vneid", nil, w.code("vneid", "1", "099201000001", 2)))
		if err != nil {
			t.Fatal(err)
		}
		me := out.Began
		bonds, err := w.Bonds(t.Context(), an)
		if err != nil || len(bonds) != 1 {
			t.Fatal(bonds, err)
		}
		if err := w.Unlink(t.Context(), me, bonds[0].ID); err != nil || !slices.Equal(w.live(an), []authz.SessionID{me.ID}) {
			t.Fatalf("got %v, live %v", err, w.live(an))
		}
		w.there.ends["another"] = upstream.End{Subject: "2", ID: "i", Expires: w.now.Add(time.Hour)}
		if ended, err := w.Ended(t.Context(), w.Provider("vneid"), "another"); err != nil || ended != 0 {
			t.Errorf("of another person: %d ended, %v", ended, err)
		}
		w.there.ends["token"] = upstream.End{Subject: "1", ID: "j", Expires: w.now.Add(time.Hour)}
		if ended, err := w.Ended(t.Context(), w.Provider("vneid"), "token"); err != nil || ended != 1 || len(w.live(an)) != 0 {
			t.Errorf("%d ended, %v, live %v", ended, err, w.live(an))
		}
	})
}

// TestARefusedLinkIsHers: she sees among what happened to her account that a link was refused.
func TestARefusedLinkIsHers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		an := w.account("099201000001", 2)
		w.account("099201000002", 2)
		me := w.here(an)
		if _, err := w.Finish(t.Context(), w.begin("vneid", me, w.code("vneid", "1", "099201000002", 2))); reason(err) != upstream.Another {
			t.Fatalf("got %v", err)
		}
		query := audit.Query{Pseudonym: "pseudonym-of-" + string(an), Limit: 10}
		found, err := db.FindVisible(t.Context(), query, audit.OfTheAccount, w.now)
		if err != nil || !slices.ContainsFunc(found, func(r audit.Recorded) bool {
			return r.Event.Detail.Action == string(audit.UpstreamRefused) && r.Event.Detail.Text == string(upstream.Another)
		}) {
			t.Errorf("she sees %+v, %v", found, err)
		}
	})
}
