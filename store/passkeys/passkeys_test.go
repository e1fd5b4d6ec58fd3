package passkeys_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/authn/passkey"
	"hopnhat/authz/identity"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestManyAtOnce: of any number of passkeys that come at once a person has the most that one may
// have, and of any number of answers to one challenge one is taken.
func TestManyAtOnce(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		at := time.Unix(1_796_000_000, 0)
		account := identity.Account{Subject: "an", Kind: "citizen", Person: "an", Name: "An", Level: 2, Created: at}
		if err := db.InsertAccount(t.Context(), account, "099304000017"); err != nil {
			t.Fatal(err)
		}
		var added, spent atomic.Int64
		var all sync.WaitGroup
		for i := range 3 * passkey.Most {
			all.Go(func() {
				h := passkey.Held{
					ID: authn.FactorID(authz.NewID()), Subject: "an", Credential: fmt.Append(nil, "credential ", i), Key: []byte("key"),
					MAC: []byte("mac"),
				}
				switch err := db.Tx(t.Context(), func(ctx context.Context) error {
					if err := db.Passkeys.HoldAccount(ctx, "an"); err != nil {
						return err
					}
					if has, err := db.Passkeys.PasskeysOf(ctx, "an"); err != nil || len(has) >= passkey.Most {
						return errors.Join(err, authz.ErrNotFound)
					}
					return db.Passkeys.InsertPasskey(ctx, passkey.Passkey{Held: h, Name: "x", Added: at})
				}); {
				case err == nil:
					added.Add(1)
				case !errors.Is(err, authz.ErrNotFound):
					t.Error(err)
				}
				switch err := db.Passkeys.SpendChallenge(t.Context(), []byte("digest of a challenge"), at.Add(time.Minute)); {
				case err == nil:
					spent.Add(1)
				case !errors.Is(err, authn.ErrUsed):
					t.Error(err)
				}
			})
		}
		all.Wait()
		list, err := db.Passkeys.PasskeysOf(t.Context(), "an")
		if err != nil || added.Load() != passkey.Most || len(list) != passkey.Most || spent.Load() != 1 {
			t.Errorf("%d added, %d listed, a challenge spent %d times, %v", added.Load(), len(list), spent.Load(), err)
		}
	})
}

// TestRemoved: a passkey that was removed is found by nobody and has no name, and its credential
// is nobody else's.
func TestRemoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		at := time.Unix(1_796_000_000, 0)
		for i, who := range []authz.Subject{"an", "chi"} {
			account := identity.Account{Subject: who, Kind: "citizen", Person: authz.PersonID(who), Name: "An", Level: 2, Created: at}
			if err := db.InsertAccount(t.Context(), account, authz.PersonalNumber(fmt.Sprint("09930400001", i))); err != nil {
				t.Fatal(err)
			}
		}
		h := passkey.Held{ID: "p1", Subject: "an", Credential: []byte("c"), Key: []byte("key"), Counter: 7, MAC: []byte("mac")}
		if err := db.Passkeys.InsertPasskey(t.Context(), passkey.Passkey{Held: h, Name: "Điện thoại", Added: at}); err != nil {
			t.Fatal(err)
		}
		held, err := db.Passkeys.Passkey(t.Context(), []byte("c"))
		if err != nil || held.Subject != "an" || held.Counter != 7 || string(held.Key) != "key" ||
			string(held.MAC) != "mac" || string(held.Credential) != "c" {
			t.Errorf("got %+v, %v", held, err)
		}
		if err := db.Passkeys.RemovePasskey(t.Context(), "chi", "p1", at); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("removed by another person: %v", err)
		}
		if err := db.Passkeys.RemovePasskey(t.Context(), "an", "p1", at); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Passkeys.Passkey(t.Context(), []byte("c")); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if _, err := db.Passkeys.PasskeyOwner(t.Context(), "p1"); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("owner: got %v", err)
		}
		var kept int
		err = db.Reader(t.Context()).Raw("SELECT length(p.name) + 1 - count(r.passkey) FROM passkeys p LEFT JOIN passkey_removals r ON r.passkey = p.id WHERE p.id = 'p1' GROUP BY p.name").Scan(&kept).Error
		if err != nil || kept != 0 {
			t.Errorf("its name is kept, or its removal is not: %d, %v", kept, err)
		}
		h.ID, h.Subject = "p2", "chi"
		if err := db.Passkeys.InsertPasskey(t.Context(), passkey.Passkey{Held: h, Added: at}); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("the credential of another person: got %v", err)
		}
	})
}
