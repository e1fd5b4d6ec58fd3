package reconciling_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/erasure"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/consent"
	"hopnhat/cmd/node/reconciling"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// erased has the row of an event erased by an order, as an operator does.
func (tab *table) erased(t *testing.T, r audit.Recorded) {
	t.Helper()
	act, err := erasure.Tombstone(r, "order 12")
	if err != nil {
		t.Fatal(err)
	}
	scribe := &audit.Scribe{Rows: tab.db, Pseudonyms: names{}, Site: "dc1"}
	if _, err := scribe.Write(t.Context(), act); err != nil {
		t.Fatal(err)
	}
	tab.unguard(t)
	tab.run(t, "DELETE FROM events WHERE id = ?", r.Event.ID)
}

// consented gives a consent as a server does, and has it withdrawn if that is wanted.
func (tab *table) consented(t *testing.T, subject authz.Subject, purpose authz.PurposeID, withdrawn bool) authz.ConsentID {
	t.Helper()
	scribe := &audit.Scribe{Rows: tab.db, Pseudonyms: names{}, Site: "dc1"}
	v := consent.Version{
		State: consent.Approved, Attributes: []authz.AttributeID{"land.area", "land.plot"}, Offered: []authz.AttributeID{"land.area", "land.plot"},
		Basis: authz.BasisConsent, ValidUntil: epoch.Add(240*time.Hour + 123456789), TextHash: "t", Channel: "web", At: epoch,
		Principal: authz.Herself(subject),
	}
	c, err := tab.db.Approve(t.Context(), consent.Consent{
		ID: authz.ConsentID(authz.NewID()), Subject: subject, Client: "app", Purpose: purpose, Registry: "land",
	}, v)
	if err != nil {
		t.Fatal(err)
	}
	act := audit.Act{
		Action: audit.Agree, App: &authz.Client{ID: "app"}, Subject: subject, At: epoch,
		Reason:  audit.Reason{Purpose: purpose, Basis: authz.BasisConsent},
		Consent: audit.Consent{ID: c.ID, Version: c.Version, Text: c.TextHash},
		Data:    audit.Data{Registry: "land", Attributes: v.Attributes}, Detail: audit.Detail{Text: commitment.UntilText(v.ValidUntil)},
	}
	if _, err := scribe.Write(t.Context(), act); err != nil {
		t.Fatal(err)
	}
	if !withdrawn {
		return c.ID
	}
	v.Consent, v.Number, v.State = c.ID, c.Version+1, consent.Withdrawn
	if err := tab.db.Withdraw(t.Context(), c, v); err != nil {
		t.Fatal(err)
	}
	act.Action, act.Consent.Version, act.Detail = audit.Withdraw, v.Number, audit.Detail{}
	if _, err := scribe.Write(t.Context(), act); err != nil {
		t.Fatal(err)
	}
	return c.ID
}

// TestAConsentIsAsItsNewestEventSays: whoever gives, ends, prolongs or widens one in the database
// past the evidence is found, and nobody is taken for one who did.
func TestAConsentIsAsItsNewestEventSays(t *testing.T) {
	given, ended := func(which string) string { return "UPDATE consents SET " + which + " WHERE purpose = 'given'" },
		func(which string) string { return "UPDATE consents SET " + which + " WHERE purpose = 'ended'" }
	for _, row := range []struct {
		name, sql string
		want      []string // the purposes of the consents that are found
	}{
		{"nobody did", "SELECT 1", nil},
		{"one is prolonged", given("valid_until = '2036-01-01 00:00:00+00:00'"), []string{"given"}},
		{"one is shortened", given("valid_until = '2026-12-01 00:00:00+00:00'"), []string{"given"}},
		{"one is ended", given("state = 'withdrawn', version = 2"), []string{"given"}},
		{"one is widened", given("attributes = 'land.area land.plot land.value'"), []string{"given"}},
		{"one is narrowed", given("attributes = 'land.area'"), []string{"given"}},
		{"one is another's", given("subject = 'chi'"), []string{"given"}},
		{"one is for another app", given("client_id = 'other'"), []string{"given"}},
		{"one is of another text", given("text_hash = 'u'"), []string{"given"}},
		{"one that was withdrawn is set back", ended("state = 'approved', version = 1"), []string{"ended"}},
		{"one that was withdrawn is approved in a version of its own", ended("state = 'approved', version = 3"), []string{"ended"}},
		{"one that nobody gave lets nothing go", "INSERT INTO consents (id, subject, client_id, purpose, registry, version, state, attributes, offered, basis, frequency," +
			" data_life, valid_until, text_hash, locale, at) SELECT 'invented', subject, client_id, 'p', registry, version, state, attributes, offered, basis," +
			" frequency, data_life, valid_until, text_hash, locale, at FROM consents WHERE purpose = 'given'", nil},
		{"events that are false are passed over", "INSERT INTO events (" + copied + ") SELECT 'ffffffff-0000-7000-8000-000000000001', at, 'consent.withdrawn', client_id," +
			" pseudonym, purpose, registry, permit, consent, visible_from, canonical, salt, sequence, mac, mac_key FROM events WHERE purpose = 'given'", nil},
		{"the release before gave it anew", "UPDATE consents SET state = 'approved', version = 3 WHERE purpose = 'ended'; INSERT INTO events (" + copied +
			") SELECT 'ffffffff-0000-7000-8000-000000000003', at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from," +
			" replace(replace(canonical, '\"version\":1', '\"version\":3'), id, 'ffffffff-0000-7000-8000-000000000003'), salt, NULL, NULL, NULL" +
			" FROM events WHERE purpose = 'ended' AND type = 'consent.approved'", nil},
		{"one is widened, and a row without a MAC of a higher version says so", given("attributes = 'land.area land.plot land.value', version = 2") +
			"; INSERT INTO events (" + copied + ") SELECT 'ffffffff-0000-7000-8000-000000000004', at, type, client_id, pseudonym, purpose, registry, permit," +
			" consent, visible_from, replace(replace(replace(canonical, '\"version\":1', '\"version\":2'), id, 'ffffffff-0000-7000-8000-000000000004')," +
			" '\"land.plot\"', '\"land.plot\",\"land.value\"'), salt, NULL, NULL, NULL FROM events WHERE purpose = 'given'" +
			"; INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at) VALUES ('" + origin + "', 0, 'ffffffff-0000-7000-8000-000000000004'," +
			" 1, false, '2026-11-30 12:00:00+00:00')", []string{"given"}},
		{"its event is deleted", "DELETE FROM events WHERE type = 'consent.withdrawn'", []string{"ended"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				tab := fill(t, db, 1)
				tab.e.Agreements = reconciling.Agreements(tab.e.Source, db.Leaves.Book, names{}, tab.e.Leaf)
				ids := map[string]string{}
				for _, purpose := range []authz.PurposeID{"given", "ended", "other"} {
					ids[string(tab.consented(t, "an", purpose, purpose == "ended"))] = string(purpose)
				}
				tab.unguard(t)
				for _, one := range strings.Split(row.sql, "; ") {
					tab.run(t, one)
				}
				if strings.HasPrefix(row.name, "the release before") { // its node logged what it wrote
					r, err := db.Get(t.Context(), "ffffffff-0000-7000-8000-000000000003")
					if err != nil {
						t.Fatal(err)
					}
					leaf, err := audit.Leaf(r.Event, r.Salt)
					if err != nil {
						t.Fatal(err)
					}
					tab.log = append(tab.log, leaf)
					tab.run(t, "INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at) VALUES (?, 1, ?, 1, false, ?)", origin, r.Event.ID, epoch)
				}
				found, _ := tab.look(t)
				var got []string
				for _, f := range found {
					if f.Kind == reconcile.ConsentUnexplained {
						got = append(got, ids[f.Object])
					}
				}
				if !slices.Equal(got, row.want) {
					t.Errorf("found are %v, want %v: %+v", got, row.want, found)
				}
			})
		})
	}
}

// TestAnErasedEventOfAConsentIsNoFinding: what the consent rested on is gone by an order.
func TestAnErasedEventOfAConsentIsNoFinding(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tab := fill(t, db, 1)
		tab.e.Agreements = reconciling.Agreements(tab.e.Source, db.Leaves.Book, names{}, tab.e.Leaf)
		id := tab.consented(t, "an", "ended", true)
		found, err := db.Find(t.Context(), audit.Query{Type: audit.ConsentWithdrawn, Limit: 1})
		if err != nil || len(found) != 1 || found[0].Event.Consent.ID != id {
			t.Fatalf("%+v, %v", found, err)
		}
		tab.erased(t, found[0])
		told, _ := tab.look(t)
		for _, f := range told {
			if f.Kind == reconcile.ConsentUnexplained {
				t.Errorf("found: %+v", f)
			}
		}
	})
}
