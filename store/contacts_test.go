package store_test

import (
	"testing"
	"time"

	"hopnhat/authz/identity"
	"hopnhat/keys/file"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

func TestContactsAreOneOfAKindAndSealed(t *testing.T) {
	material, err := file.Open(file.Options{Dir: t.TempDir(), Make: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { material.Close() })
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		an, binh := account(t, db, "An"), account(t, db, "Binh")
		contacts := &identity.Contacts{Store: db, Keys: material}
		both := map[identity.ContactKind]bool{identity.Email: true, identity.Phone: true}
		set := func(kind identity.ContactKind, value string, verified bool) {
			t.Helper()
			var at time.Time
			if verified {
				at = noon
			}
			if err := contacts.Set(ctx, an, kind, value, at); err != nil {
				t.Fatal(err)
			}
		}
		set(identity.Email, "old@example.vn", true)
		set(identity.Email, "an@example.vn", true)
		set(identity.Phone, "+84000000017", false)
		got, err := contacts.Verified(ctx, "person-An", both)
		if err != nil || len(got) != 1 || got[identity.Email] != "an@example.vn" {
			t.Fatalf("got %v, %v: want the newest e-mail address, and no number that was not verified", got, err)
		}
		set(identity.Phone, "+84000000017", true)
		if got, err = contacts.Verified(ctx, "person-An", map[identity.ContactKind]bool{identity.Phone: true}); err != nil || len(got) != 1 || got[identity.Phone] != "+84000000017" {
			t.Fatalf("got %v, %v: want the number alone", got, err)
		}
		if got, err = contacts.Verified(ctx, "person-Binh", both); err != nil || len(got) != 0 {
			t.Fatalf("another person has %v, %v", got, err)
		}
		stored, err := db.Contacts(ctx, "person-An")
		if err != nil || len(stored) != 2 || string(stored[0].Sealed) == "an@example.vn" || !stored[0].Verified.Equal(noon) {
			t.Fatalf("stored %v, %v", stored, err)
		}
		// Moved to another account, or altered, it does not open.
		moved := stored[0]
		moved.Subject = binh
		if err := db.SaveContact(ctx, moved); err != nil {
			t.Fatal(err)
		}
		if got, err := contacts.Verified(ctx, "person-Binh", both); err == nil {
			t.Fatalf("another's contact opened: %v", got)
		}
		// Wrapped anew: only in the place of what was read.
		if err := db.ReplaceContact(ctx, stored[0], []byte("fresh")); err != nil {
			t.Fatal(err)
		}
		if err := db.ReplaceContact(ctx, stored[0], []byte("late")); err != nil {
			t.Fatal(err)
		}
		if stored, err = db.Contacts(ctx, "person-An"); err != nil || string(stored[0].Sealed) != "fresh" {
			t.Fatalf("stored %q, %v", stored[0].Sealed, err)
		}
	})
}
