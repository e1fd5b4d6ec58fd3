package store_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/registration"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// iat keeps an initial access token with so many uses.
func iat(t *testing.T, db *store.DB, uses int) registration.Initial {
	t.Helper()
	i := registration.Initial{
		ID: authz.NewID(), UsesLeft: uses, Created: midday, Expires: midday.Add(time.Hour),
		Policy: registration.Policy{Profile: authz.FAPI2, Owner: authz.LocalizedText{VI: "Sở Mẫu"}, Scopes: []string{"openid"}, Declarations: []authz.Declaration{{Purpose: "land.mortgage"}}},
	}
	if err := db.InsertInitialToken(t.Context(), i, authz.HashSecret(i.ID)); err != nil {
		t.Fatal(err)
	}
	return i
}

// TestRegistrations: what the registration endpoint is promised, on both
// databases.
func TestRegistrations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		i := iat(t, db, 1)
		t.Run("an initial access token is found by its digest, whole", func(t *testing.T) {
			got, err := db.InitialToken(ctx, authz.HashSecret(i.ID))
			if err != nil || !reflect.DeepEqual(got, i) {
				t.Fatalf("got %+v, %v, want %+v", got, err, i)
			}
			if _, err := db.InitialToken(ctx, authz.HashSecret("other")); !errors.Is(err, authz.ErrNotFound) {
				t.Fatalf("another's: %v", err)
			}
		})
		t.Run("of many that want the last use one gets it", func(t *testing.T) {
			var won, lost atomic.Int32
			var group sync.WaitGroup
			for range 20 {
				group.Go(func() {
					switch err := db.SpendInitialToken(ctx, i.ID, midday); {
					case err == nil:
						won.Add(1)
					case errors.Is(err, authz.ErrConflict):
						lost.Add(1)
					}
				})
			}
			group.Wait()
			if won.Load() != 1 || lost.Load() != 19 {
				t.Fatalf("%d won, %d lost", won.Load(), lost.Load())
			}
		})
		t.Run("a dead initial access token is not spent", func(t *testing.T) {
			late := iat(t, db, 5)
			if err := db.SpendInitialToken(ctx, late.ID, midday.Add(time.Hour)); !errors.Is(err, authz.ErrConflict) {
				t.Errorf("expired: %v", err)
			}
			if err := db.RevokeInitialToken(ctx, late.ID, midday); err != nil {
				t.Fatal(err)
			}
			if err := db.SpendInitialToken(ctx, late.ID, midday); !errors.Is(err, authz.ErrConflict) {
				t.Errorf("revoked: %v", err)
			}
		})
		c := &authz.Client{
			ID: "self", Name: authz.LocalizedText{VI: "Tự"}, Profile: authz.FAPI2, Keys: authz.Keys{JWKS: []byte("{}")},
			Authentication: authz.Authentication{SecretHash: []byte("h")}, CreatedAt: midday,
		}
		kept := registration.Registration{
			Client: c.ID, Initial: i.ID, Token: []byte("one"), Statement: "s", Created: midday, Updated: midday,
		}
		insert := func() error {
			return db.Tx(ctx, func(ctx context.Context) error { return db.InsertRegistration(ctx, c, kept) })
		}
		t.Run("an app is registered once", func(t *testing.T) {
			if err := insert(); err != nil {
				t.Fatal(err)
			}
			if err := insert(); !errors.Is(err, authz.ErrConflict) {
				t.Fatalf("twice: %v", err)
			}
			got, r, err := db.Registration(ctx, c.ID)
			if err != nil || got.Name != c.Name || r.Initial != i.ID || string(r.Token) != "one" || r.Statement != "s" ||
				!reflect.DeepEqual(r.Policy, i.Policy) {
				t.Fatalf("got %+v, %+v, %v", got, r, err)
			}
		})
		replace := func(r registration.Registration, read string) error {
			if _, now, err := db.Registration(ctx, c.ID); err == nil {
				r.Revision = now.Revision
			}
			return db.Tx(ctx, func(ctx context.Context) error { return db.ReplaceRegistration(ctx, c, r, []byte(read)) })
		}
		next := kept
		next.Token, next.Previous, next.Updated = []byte("two"), []byte("one"), midday.Add(time.Minute)
		t.Run("an update needs the token that was read, and keeps the one before until the new one is used", func(t *testing.T) {
			if err := replace(next, "other"); !errors.Is(err, authz.ErrConflict) {
				t.Fatalf("another's token: %v", err)
			}
			if err := replace(next, "one"); err != nil {
				t.Fatal(err)
			}
			if _, r, _ := db.Registration(ctx, c.ID); string(r.Token) != "two" || string(r.Previous) != "one" {
				t.Fatalf("got %q, %q", r.Token, r.Previous)
			}
			if err := db.SettleRegistration(ctx, c.ID, []byte("two")); err != nil {
				t.Fatal(err)
			}
			if _, r, _ := db.Registration(ctx, c.ID); r.Previous != nil {
				t.Fatalf("still there: %q", r.Previous)
			}
		})
		t.Run("an update does not enable what an operator disabled", func(t *testing.T) {
			disabled := *c
			disabled.Disabled = true
			if err := db.SaveClient(ctx, &disabled); err != nil {
				t.Fatal(err)
			}
			if err := replace(next, "two"); !errors.Is(err, authz.ErrConflict) {
				t.Fatalf("got %v", err)
			}
		})
		t.Run("nor does it undo what changed since it was read", func(t *testing.T) {
			enabled := *c
			enabled.Disabled = false
			if err := db.SaveClient(ctx, &enabled); err != nil {
				t.Fatal(err)
			}
			_, before, err := db.Registration(ctx, c.ID)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.SaveClient(ctx, &enabled); err != nil {
				t.Fatal(err)
			}
			next.Revision = before.Revision
			if err := db.Tx(
				ctx, func(ctx context.Context) error { return db.ReplaceRegistration(ctx, c, next, []byte("two")) },
			); !errors.Is(err, registration.ErrMeanwhile) {
				t.Fatalf("got %v", err)
			}
		})
		t.Run("an app that ended has no grants, keys or token, and keeps its name", func(t *testing.T) {
			for range 3 {
				g := issued(t, db)
				if err := db.Revoke(ctx, g.ID, "x", midday); err != nil {
					t.Fatal(err)
				}
			}
			mine := issuedTo(t, db, c.ID)
			others := issuedTo(t, db, "another")
			if err := db.Tx(ctx, func(ctx context.Context) error { return db.EndClient(ctx, c.ID, midday) }); err != nil {
				t.Fatal(err)
			}
			if n, err := db.EndGrants(ctx, c.ID, "client_deleted", midday, 10); n != 1 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			if g, _ := db.Grant(ctx, mine.ID); g.Revoked.IsZero() || g.CodeSpent.IsZero() {
				t.Error("its grant lives")
			}
			if g, _ := db.Grant(ctx, others.ID); !g.Revoked.IsZero() {
				t.Error("another app's grant was revoked")
			}
			got, err := db.Client(ctx, c.ID)
			if err != nil || !got.Disabled || got.Ended.IsZero() || got.Name != c.Name || got.JWKS != nil || got.SecretHash != nil {
				t.Fatalf("got %+v, %v", got, err)
			}
			if _, _, err := db.Registration(ctx, c.ID); !errors.Is(err, authz.ErrNotFound) {
				t.Errorf("got %v", err)
			}
		})
	})
}
