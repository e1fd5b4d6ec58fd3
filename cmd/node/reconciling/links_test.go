package reconciling_test

import (
	"slices"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/identity"
	"hopnhat/cmd/node/reconciling"
	"hopnhat/federation/upstream"
	"hopnhat/federation/upstream/flow"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// linked makes a link as a server does, and has it removed if that is wanted.
func (tab *table) linked(t *testing.T, subject string, number authz.PersonalNumber, removed bool) {
	t.Helper()
	scribe := &audit.Scribe{Rows: tab.db, Pseudonyms: names{}, Site: "dc1"}
	who := authz.Subject("of-" + subject)
	if err := tab.db.InsertAccount(t.Context(), identity.Account{
		Subject: who, Kind: authz.Citizen, Person: authz.PersonID("person-" + subject), Name: "Trần Thị Mẫu An", Level: 2, Created: epoch,
	}, number); err != nil {
		t.Fatal(err)
	}
	b := upstream.Bond{
		ID: authz.NewID(), Account: who, Alias: "vneid", Issuer: "https://vneid.example", Subject: subject, Level: 2, Made: epoch,
	}
	state, err := flow.State(b)
	if err != nil {
		t.Fatal(err)
	}
	act := audit.Act{
		Action: audit.UpstreamLinked, Subject: who, At: epoch, Salt: audit.NewSalt(), Detail: audit.Detail{Object: b.ID, Text: "vneid"},
	}
	act.Payload.Digest = act.Salt.PayloadDigest(state)
	if err := tab.db.Upstreams.InsertBond(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := scribe.Write(t.Context(), act); err != nil {
		t.Fatal(err)
	}
	if !removed {
		return
	}
	if _, err := tab.db.Upstreams.EndBond(t.Context(), who, b.ID, epoch); err != nil {
		t.Fatal(err)
	}
	act.Action, act.Salt, act.Payload = audit.UpstreamUnlinked, audit.Salt{}, audit.Payload{}
	if _, err := scribe.Write(t.Context(), act); err != nil {
		t.Fatal(err)
	}
}

// strangers are the links that a look finds, by the person at the provider whom they name.
func (tab *table) strangers(t *testing.T) (all []string) {
	t.Helper()
	found, _ := tab.look(t)
	for _, f := range found {
		if f.Kind != reconcile.LinkUnexplained {
			continue
		}
		var subject string
		if err := tab.db.Pool().QueryRowContext(
			t.Context(), tab.db.Bind("SELECT provider_subject FROM upstream_links WHERE id = ?"), f.Object,
		).Scan(&subject); err != nil {
			t.Fatal(err)
		}
		all = append(all, subject)
	}
	slices.Sort(all)
	return all
}

// TestALinkIsAsItsEventsSay: whoever makes, ends, reopens or alters one in the database past the
// evidence is found, and nobody is taken for one who did.
func TestALinkIsAsItsEventsSay(t *testing.T) {
	set := func(subject, what string) string {
		return "UPDATE upstream_links SET " + what + " WHERE provider_subject = '" + subject + "'"
	}
	for _, row := range []struct {
		name, sql string
		want      []string // the persons there of the links that are found
	}{
		{"nobody did", "SELECT 1", nil},
		{"one is made", set("made", "ended_at = made_at") + "; INSERT INTO upstream_links (id, account, alias, issuer, provider_subject, level, by_number, made_at)" +
			" SELECT 'invented', account, alias, issuer, 'insider', level, by_number, made_at FROM upstream_links WHERE provider_subject = 'made'", []string{"insider", "made"}},
		{"one is ended", set("made", "ended_at = made_at"), []string{"made"}},
		{"one is reopened", set("removed", "ended_at = NULL"), []string{"removed"}},
		{"one is of another person there", set("made", "provider_subject = 'insider'"), []string{"insider"}},
		{"one is of another account", set("other", "ended_at = made_at") + "; " + set("made", "account = 'of-other'"), []string{"made", "other"}},
		{"one is of another issuer", set("made", "issuer = 'https://evil.example'"), []string{"made"}},
		{"one is of a higher level", set("made", "level = 4"), []string{"made"}},
		{"its event is deleted", "DELETE FROM events WHERE type = 'account.factor-changed'", []string{"made", "other", "removed"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				tab := fill(t, db, 1)
				tab.e.Links = reconciling.Links(tab.e.Source, db.Upstreams, names{})
				tab.linked(t, "made", "099201000001", false)
				tab.linked(t, "removed", "099201000002", true)
				tab.linked(t, "other", "099201000003", false)
				tab.unguard(t)
				for one := range strings.SplitSeq(row.sql, "; ") {
					tab.run(t, one)
				}
				if got := tab.strangers(t); !slices.Equal(got, row.want) {
					t.Errorf("found are %v, want %v", got, row.want)
				}
			})
		})
	}
}

// TestAnErasedEventOfALinkIsNoFinding: what the link rested on is gone by an order.
func TestAnErasedEventOfALinkIsNoFinding(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tab := fill(t, db, 1)
		tab.e.Links = reconciling.Links(tab.e.Source, db.Upstreams, names{})
		tab.linked(t, "made", "099201000001", false)
		found, err := db.Find(t.Context(), audit.Query{Type: audit.FactorChanged, Limit: 1})
		if err != nil || len(found) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		tab.erased(t, found[0])
		if got := tab.strangers(t); len(got) != 0 {
			t.Errorf("found are %v", got)
		}
	})
}
