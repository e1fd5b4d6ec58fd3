package losses

import (
	"context"
	"slices"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/identity"
	"hopnhat/federation/upstream"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

type names struct{}

func (names) Audit(_ context.Context, subject authz.Subject) (string, error) {
	return "pseudonym-of-" + string(subject), nil
}

// TestALinkThatWasRemoved: a database that was restored from before the removal of a link with
// another provider has it ended again, once, by an event that names the lost one.
func TestALinkThatWasRemoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, an := t.Context(), authz.Subject(authz.NewID())
		if err := db.InsertAccount(ctx, identity.Account{
			Subject: an, Kind: authz.Citizen, Person: "person-an", Name: "Trần Thị Mẫu An", Level: 2, Created: now(),
		}, "099201000001"); err != nil {
			t.Fatal(err)
		}
		bond := upstream.Bond{
			ID: authz.NewID(), Account: an, Alias: "vneid", Issuer: "https://vneid.example", Subject: "1", Level: 2, Made: now(),
		}
		if err := db.Upstreams.InsertBond(ctx, bond); err != nil {
			t.Fatal(err)
		}
		l := &Losses{DB: db, Scribe: &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1"}}
		lost := Lost{Sealed: audit.Sealed{Event: audit.Event{
			ID: authz.NewID(), Type: audit.FactorChanged, Detail: audit.Detail{Action: string(audit.UpstreamUnlinked), Object: bond.ID},
		}}}
		e := newEndings()
		if e.note(lost); len(e.links) != 1 {
			t.Fatal("the removal of a link is not noted")
		}
		if did, err := l.link(ctx, bond.ID, lost); err != nil || !did {
			t.Fatalf("got %v, %v", did, err)
		}
		if list, err := db.Upstreams.Bonds(ctx, an); err != nil || len(list) != 0 {
			t.Errorf("links: %+v, %v", list, err)
		}
		if did, err := l.link(ctx, bond.ID, lost); err != nil || did {
			t.Errorf("again: got %v, %v", did, err)
		}
		found, err := db.Find(ctx, audit.Query{Pseudonym: "pseudonym-of-" + string(an), Limit: 5})
		if err != nil || len(found) != 1 || found[0].Event.Detail.Object != bond.ID ||
			!slices.Equal(found[0].Event.Decision.Determining, []string{named(lost.Event.ID)}) {
			t.Errorf("evidence: got %+v, %v", found, err)
		}
	})
}
