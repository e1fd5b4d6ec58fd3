package losses

import (
	"slices"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/authn/passkey"
	"hopnhat/authz/identity"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestAPasskeyThatWasRemoved: a database that was restored from before the removal of a passkey
// has it removed again, once, by an event that names the lost one.
func TestAPasskeyThatWasRemoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, an := t.Context(), authz.Subject(authz.NewID())
		if err := db.InsertAccount(ctx, identity.Account{
			Subject: an, Kind: authz.Citizen, Person: "person-an", Name: "Trần Thị Mẫu An", Level: 2, Created: now(),
		}, "099201000001"); err != nil {
			t.Fatal(err)
		}
		one := passkey.Held{ID: authn.FactorID(authz.NewID()), Subject: an, Credential: []byte("c"), Key: []byte("key"), MAC: []byte("mac")}
		if err := db.Passkeys.InsertPasskey(ctx, passkey.Passkey{Held: one, Name: "x", Added: now()}); err != nil {
			t.Fatal(err)
		}
		l := &Losses{DB: db, Scribe: &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1"}}
		lost := Lost{Sealed: audit.Sealed{Event: audit.Event{
			ID: authz.NewID(), Type: audit.FactorChanged,
			Detail: audit.Detail{Action: string(audit.PasskeyRemoved), Object: string(one.ID)},
		}}}
		e := newEndings()
		if e.note(lost); len(e.passkeys) != 1 {
			t.Fatal("the removal of a passkey is not noted")
		}
		if did, err := l.passkey(ctx, one.ID, lost); err != nil || !did {
			t.Fatalf("got %v, %v", did, err)
		}
		if did, err := l.passkey(ctx, one.ID, lost); err != nil || did {
			t.Errorf("again: got %v, %v", did, err)
		}
		found, err := db.Find(ctx, audit.Query{Pseudonym: "pseudonym-of-" + string(an), Limit: 5})
		if err != nil || len(found) != 1 || found[0].Event.Detail.Object != string(one.ID) ||
			!slices.Equal(found[0].Event.Decision.Determining, []string{named(lost.Event.ID)}) {
			t.Errorf("evidence: got %+v, %v", found, err)
		}
	})
}
