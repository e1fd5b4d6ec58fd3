package upstreams_test

import (
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/federation/upstream"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// eventColumns are those of events that a row is copied with.
const eventColumns = "id, at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from, canonical, salt, sequence, mac, mac_key"

// TestALinkThatNoEventExplains signs nobody in, however it came into the database: by a row that an
// insider of a node or of the database wrote, altered or set back, with or without an event that he
// made beside it.
func TestALinkThatNoEventExplains(t *testing.T) {
	const (
		own = "INSERT INTO upstream_links (id, account, alias, issuer, provider_subject, level, by_number, made_at)" +
			" SELECT 'own', account, alias, issuer, 'insider', level, by_number, made_at FROM upstream_links WHERE provider_subject = '1'"
		ended = "UPDATE upstream_links SET ended_at = made_at WHERE provider_subject = '1'"
		forge = "INSERT INTO events (" + eventColumns + ") SELECT 'ffffffff-0000-7000-8000-000000000001', at, type, client_id, pseudonym, purpose," +
			" registry, permit, consent, visible_from, replace(replace(canonical, (SELECT id FROM upstream_links WHERE provider_subject = '1'), 'own'), id," +
			" 'ffffffff-0000-7000-8000-000000000001'), salt, sequence, "
		// More rows of hers than anybody would read, which say that they are newer.
		flood = "WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 20500) INSERT INTO events (" + eventColumns + ")" +
			" SELECT 'ffffffff-0000-7000-8000-' || CAST(100000000000 + n AS text), at, type, client_id, pseudonym, purpose, registry, permit, consent," +
			" visible_from, canonical, salt, NULL, NULL, NULL FROM events, g WHERE type = 'account.factor-changed'"
		from = " FROM events WHERE type = 'account.factor-changed' AND canonical LIKE '%upstream.linked%'"
	)
	for _, row := range []struct {
		name, does string
		subject    string // who signs in there
		want       upstream.Reason
	}{
		{"nobody did anything", "SELECT 1", "1", ""},
		{"many rows are added to her events", flood, "1", ""},
		{"a link to his own person there", ended + "; " + own, "insider", upstream.Unlinked},
		{"with an event that carries no MAC", ended + "; " + own + "; " + forge + "NULL, NULL" + from, "insider", upstream.Unlinked},
		{"with an event that carries the MAC of another", ended + "; " + own + "; " + forge + "mac, mac_key" + from, "insider", upstream.Unlinked},
		{"hers is of another person there", "UPDATE upstream_links SET provider_subject = 'insider'", "insider", upstream.Unlinked},
		{"hers is of another account", "UPDATE upstream_links SET account = (SELECT subject FROM accounts WHERE subject <> account)", "1", upstream.Unlinked},
		{"hers is of a higher level", "UPDATE upstream_links SET level = 4", "1", upstream.Unlinked},
		{"hers was not made by the number", "UPDATE upstream_links SET by_number = NOT by_number", "1", upstream.Unlinked},
		{"the event of hers is deleted", "DELETE FROM events WHERE type = 'account.factor-changed'", "1", upstream.Unlinked},
	} {
		t.Run(row.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				w := newWorld(t, db)
				w.account("099201000001", 2)
				w.account("099201000002", 2)
				if _, err := w.signIn("1", "099201000001"); err != nil {
					t.Fatal(err)
				}
				w.insider(row.does)
				_, err := w.signIn(row.subject, "")
				if reason(err) != row.want || (err == nil) != (row.want == "") {
					t.Errorf("got %v, want %q", err, row.want)
				}
			})
		})
	}
}

// TestAReopenedLink signs nobody in: an event says that it ended.
func TestAReopenedLink(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		an := w.account("099201000001", 2)
		if _, err := w.signIn("1", "099201000001"); err != nil {
			t.Fatal(err)
		}
		bonds, err := w.Bonds(t.Context(), an)
		if err != nil || len(bonds) != 1 {
			t.Fatal(bonds, err)
		}
		if err := w.Unlink(t.Context(), w.here(an), bonds[0].ID); err != nil {
			t.Fatal(err)
		}
		w.insider("UPDATE upstream_links SET ended_at = NULL")
		if _, err := w.signIn("1", ""); reason(err) != upstream.Unlinked {
			t.Errorf("got %v", err)
		}
		list, err := w.sessions.List(t.Context(), an)
		if err != nil || len(list) != 1 {
			t.Errorf("sessions: %+v, %v, want hers here alone", list, err)
		}
	})
}

// insider does what who has the database can, triggers or not.
func (w *world) insider(statements string) {
	w.t.Helper()
	drop := "DROP TRIGGER events_erased; "
	if w.db.Dialect() == store.PostgreSQL {
		drop = "ALTER TABLE events DISABLE TRIGGER USER; "
	}
	for one := range strings.SplitSeq(drop+statements, "; ") {
		if _, err := w.db.Pool().ExecContext(w.t.Context(), one); err != nil {
			w.t.Fatalf("%s: %v", one, err)
		}
	}
}

// TestLinksStanding: all links are read, page by page, those that ended among them.
func TestLinksStanding(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		var ended int
		for i, number := range []authz.PersonalNumber{"099201000001", "099201000002", "099201000003"} {
			who := w.account(number, 2)
			if _, err := w.signIn(string(number), number); err != nil {
				t.Fatal(err)
			}
			if bonds, err := w.Bonds(t.Context(), who); i == 1 {
				if err != nil || w.Unlink(t.Context(), w.here(who), bonds[0].ID) != nil {
					t.Fatal(bonds, err)
				}
			}
		}
		seen, after := map[string]bool{}, ""
		for {
			page, err := db.Upstreams.Standing(t.Context(), after, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range page {
				if seen[one.Subject] = true; one.Ended {
					ended++
				}
			}
			if len(page) < 2 {
				break
			}
			after = page[1].ID
		}
		if len(seen) != 3 || ended != 1 {
			t.Errorf("read %v, %d ended", seen, ended)
		}
	})
}
