package store_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/session"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestSignInsAndSignOutsAreOnRecord: each is one event, by at most one statement in the
// commit that is there anyway.
func TestSignInsAndSignOutsAreOnRecord(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		an, binh := holder(t, db, "099000000005"), holder(t, db, "099000000006")
		scribe := &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1"}
		sessions := session.New(db, scribe, session.Limits{}, true, time.Now)
		apps := directory{}
		begin := func(ctx context.Context, who authz.Subject, before *session.Session) session.Session {
			t.Helper()
			var began session.Session
			if err := db.Tx(ctx, func(ctx context.Context) (err error) {
				began, err = sessions.Begin(ctx, apps, session.SignIn{Subject: who, Methods: []string{"pwd", "otp"}, At: time.Now(), Secret: authz.NewSecret()}, before)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return began
		}
		var first, second session.Session
		for _, row := range []struct {
			name string
			do   func(ctx context.Context) error
			want []string // of whom, and what
		}{
			{"a sign-in", func(ctx context.Context) error { first = begin(ctx, an, nil); return nil }, []string{"an sign-in"}},
			{"again, in the same browser", func(ctx context.Context) error { begin(ctx, an, &first); return nil }, []string{"an sign-in"}},
			{"another person in it", func(ctx context.Context) error { second = begin(ctx, binh, &first); return nil }, []string{"an sign-out.replaced", "binh sign-in"}},
			{"signed out", func(ctx context.Context) error {
				_, err := sessions.End(ctx, apps, binh, second.ID, session.SignedOut)
				return err
			}, []string{"binh sign-out"}},
			{"a session of hers that is over", func(ctx context.Context) error {
				if _, err := sessions.End(ctx, apps, binh, second.ID, session.SignedOut); err == nil {
					t.Error("ended twice")
				}
				return nil
			}, nil},
			{"everywhere, of two sessions", func(ctx context.Context) error {
				begin(ctx, an, nil)
				begin(ctx, an, nil)
				_, err := sessions.EndAll(ctx, apps, an, session.AllEnded)
				return err
			}, []string{"an sign-in", "an sign-in", "an sign-out.everywhere"}},
			{"everywhere, of none", func(ctx context.Context) error {
				_, err := sessions.EndAll(ctx, apps, an, session.AllEnded)
				return err
			}, []string{"an sign-out.everywhere"}},
			{"by an operator, whose tool records it", func(ctx context.Context) error {
				begin(ctx, an, nil)
				_, err := sessions.EndAll(ctx, apps, an, session.ByOperator)
				return err
			}, []string{"an sign-in"}},
		} {
			before, err := db.Find(t.Context(), audit.Query{Limit: 500})
			if err != nil {
				t.Fatal(err)
			}
			if err := row.do(t.Context()); err != nil {
				t.Fatalf("%s: %v", row.name, err)
			}
			after, err := db.Find(t.Context(), audit.Query{Limit: 500})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range after[:len(after)-len(before)] {
				who := map[string]string{"pseudonym-in-evidence-of-" + string(an): "an", "pseudonym-in-evidence-of-" + string(binh): "binh"}[r.Event.Person.Pseudonym]
				got = append(got, who+" "+r.Event.Detail.Action)
				if r.Event.Type == audit.SignedIn && (!slices.Equal(r.Event.Detail.Methods, []string{"otp", "pwd"}) || r.Event.Levels.ACR != authz.AuthenticationLevel(2).ACR()) {
					t.Errorf("%s: %v, %q", row.name, r.Event.Detail.Methods, r.Event.Levels.ACR)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, row.want) {
				t.Errorf("%s: got %q, want %q", row.name, got, row.want)
			}
		}

		t.Run("one statement, no commit", func(t *testing.T) {
			count := func(scribe session.Evidence) store.Stats {
				sessions := session.New(db, scribe, session.Limits{}, true, time.Now)
				before := db.Stats()
				if err := db.Tx(t.Context(), func(ctx context.Context) error {
					_, err := sessions.Begin(ctx, apps, session.SignIn{Subject: an, Methods: []string{"pwd", "otp"}, At: time.Now(), Secret: authz.NewSecret()}, nil)
					return err
				}); err != nil {
					t.Fatal(err)
				}
				after := db.Stats()
				return store.Stats{Queries: after.Queries - before.Queries, Commits: after.Commits - before.Commits}
			}
			without, with := count(unwritten{}), count(scribe)
			if with.Queries != without.Queries+1 || with.Commits != without.Commits {
				t.Errorf("%+v without the event, %+v with it", without, with)
			}
		})
	})
}

// unwritten is evidence that nobody keeps.
type unwritten struct{}

func (unwritten) Write(context.Context, ...audit.Act) ([]audit.Written, error) { return nil, nil }
