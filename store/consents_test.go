package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/broker"
	"hopnhat/authz/consent"
	"hopnhat/authz/grant"
	"hopnhat/authz/identity"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

var noon = time.Date(2026, 11, 23, 5, 0, 0, 123_456_000, time.UTC)

func account(t *testing.T, db *store.DB, name string) authz.Subject {
	t.Helper()
	subject := authz.Subject(authz.NewID())
	err := db.InsertAccount(t.Context(), identity.Account{
		Subject: subject, Kind: authz.Citizen, Person: authz.PersonID("person-" + name), Name: name, Level: 2, Created: noon,
	}, authz.PersonalNumber("0990000"+fmt.Sprintf("%05d", len(name)*100+int(name[0]))), factors()...)
	if err != nil {
		t.Fatal(err)
	}
	return subject
}

func agreed(subject authz.Subject, client authz.ClientID) (consent.Consent, consent.Version) {
	c := consent.Consent{
		ID: authz.ConsentID(authz.NewID()), Subject: subject, Client: client, Purpose: "land.mortgage", Registry: "land",
	}
	v := consent.Version{
		State: consent.Approved, Attributes: []authz.AttributeID{"land.address", "land.area"},
		Offered: []authz.AttributeID{"land.address", "land.area", "land.owners"}, Basis: authz.BasisConsent,
		Frequency: "2/day", DataLife: "P30D", ValidUntil: noon.AddDate(0, 0, 30), TextHash: "h1", Locale: "vi", Channel: "web",
		ACR: "urn:vn:gov:eid:auth-level:2", Session: "s", Principal: authz.Herself(subject), At: noon,
	}
	return c, v
}

func withdrawn(c consent.Consent, at time.Time) consent.Version {
	return consent.Version{
		Consent: c.ID, Number: c.Version + 1, State: consent.Withdrawn, Attributes: c.Attributes, Offered: c.Offered, Basis: c.Basis,
		Frequency: c.Frequency,
		DataLife:  c.DataLife, ValidUntil: c.ValidUntil, TextHash: c.TextHash, Locale: "vi", Channel: "web",
		Principal: authz.Herself(c.Subject), At: at,
	}
}

func TestAConsentIsOneRowAndEveryStepAVersion(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		an := account(t, db, "An")
		c, v := agreed(an, "land-app")
		first, err := db.Approve(ctx, c, v)
		if err != nil {
			t.Fatal(err)
		}
		if first.ID != c.ID || first.Version != 1 || first.State != consent.Approved || !first.ValidUntil.Equal(v.ValidUntil) ||
			!first.At.Equal(noon) {
			t.Fatalf("got %+v", first)
		}
		if err := db.Withdraw(ctx, first, withdrawn(first, noon.Add(time.Minute))); err != nil {
			t.Fatal(err)
		}
		if err := db.Withdraw(ctx, first, withdrawn(first, noon.Add(time.Minute))); !errors.Is(err, authz.ErrConflict) {
			t.Fatalf("withdrawing twice: got %v, want ErrConflict", err)
		}
		again, v2 := agreed(an, "land-app")
		v2.Attributes = v2.Attributes[:1]
		second, err := db.Approve(ctx, again, v2)
		if err != nil {
			t.Fatal(err)
		}
		if second.ID != first.ID || second.Version != 3 || len(second.Attributes) != 1 || len(second.Offered) != 3 {
			t.Fatalf("agreeing again: got %+v, want version 3 of the same consent with one attribute", second)
		}
		versions, err := db.Versions(ctx, first.ID)
		if err != nil {
			t.Fatal(err)
		}
		var states []consent.State
		for i, v := range versions {
			states = append(states, v.State)
			if v.Number != i+1 || v.Actor != an || len(v.Offered) != 3 {
				t.Fatalf("version %d: got %+v", i+1, v)
			}
		}
		if want := []consent.State{consent.Approved, consent.Withdrawn, consent.Approved}; !slices.Equal(states, want) {
			t.Fatalf("got %v, want %v", states, want)
		}
		if len(versions[0].Attributes) != 2 {
			t.Fatalf("the first version was changed: %+v", versions[0])
		}
		all, err := db.Consents(ctx, an, "")
		if err != nil || len(all) != 1 {
			t.Fatalf("got %d consents, %v; want one", len(all), err)
		}
	})
}

func TestAConsentOfAnotherPersonIsNotFound(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		an, binh := account(t, db, "An"), account(t, db, "Bình")
		c, v := agreed(an, "land-app")
		saved, err := db.Approve(t.Context(), c, v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Consent(t.Context(), binh, saved.ID); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("got %v, want ErrNotFound", err)
		}
		if all, err := db.Consents(t.Context(), binh, ""); err != nil || len(all) != 0 {
			t.Fatalf("got %v, %v; want nothing", all, err)
		}
		if all, err := db.Consents(t.Context(), an, "tax-app"); err != nil || len(all) != 0 {
			t.Fatalf("got %v, %v; want nothing with another app", all, err)
		}
	})
}

func TestRacingApprovalsGetVersionsOfTheirOwn(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		an := account(t, db, "An")
		var racing sync.WaitGroup
		var mu sync.Mutex
		numbers := map[int]int{}
		for range 8 {
			racing.Go(func() {
				c, v := agreed(an, "land-app")
				saved, err := db.Approve(context.Background(), c, v)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				numbers[saved.Version]++
				mu.Unlock()
			})
		}
		racing.Wait()
		for n := 1; n <= 8; n++ {
			if numbers[n] != 1 {
				t.Fatalf("got versions %v, want 1 to 8 once each", numbers)
			}
		}
	})
}

func TestAFailedTransactionLeavesNoConsent(t *testing.T) {
	boom := errors.New("boom")
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		an := account(t, db, "An")
		err := db.Tx(t.Context(), func(ctx context.Context) error {
			c, v := agreed(an, "land-app")
			if _, err := db.Approve(ctx, c, v); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if all, err := db.Consents(t.Context(), an, ""); err != nil || len(all) != 0 {
			t.Fatalf("got %v, %v; want nothing", all, err)
		}
	})
}

func TestConsentsExpireInBoundedBatches(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		an := account(t, db, "An")
		var last consent.Consent
		for i := range 5 {
			c, v := agreed(an, authz.ClientID(fmt.Sprintf("app-%d", i)))
			v.ValidUntil = noon.Add(time.Duration(i) * time.Minute)
			saved, err := db.Approve(ctx, c, v)
			if err != nil {
				t.Fatal(err)
			}
			last = saved
		}
		now := noon.Add(3 * time.Minute) // four are over, at that very instant too
		service := &consent.Consents{
			Catalogue: consent.Load(), Store: db, Evidence: &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1"},
		}
		for _, want := range []int{3, 1, 0} {
			got, err := service.Expire(ctx, now, 3)
			if err != nil || got != want {
				t.Fatalf("got %d, %v; want %d", got, err, want)
			}
		}
		events, err := db.Find(ctx, audit.Query{Type: audit.ConsentExpired})
		if err != nil || len(events) != 4 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		if e := events[0].Event; e.Consent.Version != 2 || e.Person.Pseudonym != "pseudonym-in-evidence-of-"+string(an) ||
			e.Asked.Client == "" || e.Consent.Channel != "clock" {
			t.Errorf("got version %d of %q at %q", e.Consent.Version, e.Person.Pseudonym, e.Asked.Client)
		}
		kept, err := db.Consent(ctx, an, last.ID)
		if err != nil || kept.State != consent.Approved {
			t.Fatalf("the one in time: got %v, %v", kept.State, err)
		}
		all, _ := db.Consents(ctx, an, "app-0")
		versions, err := db.Versions(ctx, all[0].ID)
		if err != nil || len(versions) != 2 || versions[1].State != consent.Expired || versions[1].Actor != "" {
			t.Fatalf("got %+v, %v; want a second version by the clock", versions, err)
		}
	})
}

func insertGrant(t *testing.T, db *store.DB, subject authz.Subject, client authz.ClientID, details ...authz.Release) authz.GrantID {
	t.Helper()
	id := authz.GrantID(authz.NewID())
	err := db.PlantGrant(t.Context(), grant.Grant{
		ID: id, ClientID: client, Principal: authz.Herself(subject), Session: "s", Profile: authz.FAPI2, Scope: []string{"openid"}, Details: details, Level: 2,
		Methods: []string{"pwd", "otp"}, AuthTime: noon, Created: noon, Expires: time.Now().Add(time.Hour),
		CodeHash: []byte(id), CodeExpires: noon.Add(time.Minute), RefreshSalt: []byte("salt"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.RedeemCode(t.Context(), id, authz.Confirmation{JKT: "jkt"}, noon, none); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestLiveReadsGrantAccountAndConsentInOneQuery(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		an := account(t, db, "An")
		c, v := agreed(an, "land-app")
		saved, err := db.Approve(ctx, c, v)
		if err != nil {
			t.Fatal(err)
		}
		id := insertGrant(t, db, an, "land-app", authz.Release{
			Type: authz.ReleaseType, Registry: "land", Purpose: "land.mortgage", Attributes: v.Attributes, Basis: authz.BasisConsent,
			ConsentReference: saved.Reference(), ValidUntil: v.ValidUntil,
		})
		before := db.Stats()
		p, err := db.Live(ctx, id, "land", "land.mortgage")
		if err != nil {
			t.Fatal(err)
		}
		if after := db.Stats(); after.Queries-before.Queries != 1 || after.Commits != before.Commits {
			t.Fatalf("reading a permission cost %d queries and %d commits, want 1 and 0", after.Queries-before.Queries, after.Commits-before.Commits)
		}
		if p.Unredeemed || !p.Proofed.Equal(noon) || !p.AuthTime.Equal(noon) {
			t.Fatalf("got unredeemed %v, proofed %v, signed in %v", p.Unredeemed, p.Proofed, p.AuthTime)
		}
		fresh := grant.Grant{
			ID: "fresh", ClientID: "land-app", Principal: authz.Herself(an), Profile: authz.FAPI2, Created: noon,
			Expires: time.Now().Add(time.Hour), AuthTime: noon,
			CodeHash: []byte("fresh"), CodeExpires: noon.Add(time.Minute), RefreshSalt: []byte("salt"),
		}
		if err := db.PlantGrant(ctx, fresh); err != nil {
			t.Fatal(err)
		}
		if p, err := db.Live(ctx, "fresh", "land", "land.mortgage"); err != nil || p.GrantLive || !p.Unredeemed {
			t.Fatalf("before its redemption: %+v, %v", p, err)
		}
		if err := db.Revoke(ctx, "fresh", "test", noon); err != nil {
			t.Fatal(err)
		}
		if p, err := db.Live(ctx, "fresh", "land", "land.mortgage"); err != nil || p.GrantLive || p.Unredeemed {
			t.Fatalf("revoked: %+v, %v", p, err)
		}
		if !p.GrantLive || p.Actor != an || p.Client != "land-app" || p.Person != "person-An" || p.Level != 2 || p.Account != 2 ||
			p.Locked || len(p.Details) != 1 {
			t.Fatalf("got %+v", p)
		}
		if p.Consent == nil || p.Consent.Reference() != saved.Reference() || p.Consent.Basis != authz.BasisConsent ||
			!p.Consent.Live(noon) || len(p.Consent.Attributes) != 2 {
			t.Fatalf("got consent %+v", p.Consent)
		}

		for _, do := range []struct { // in this order: a locked account's grants are not live
			name   string
			change func() error
			want   func(broker.Permission) bool
		}{
			{
				"withdrawn",
				func() error { return db.Withdraw(ctx, saved, withdrawn(saved, noon)) },
				func(p broker.Permission) bool {
					return p.Consent.State == consent.Withdrawn && p.Consent.Version == 2 && p.GrantLive
				},
			},
			{
				"locked",
				func() error { return db.Lock(ctx, an, "own request", noon) },
				func(p broker.Permission) bool { return p.Locked && !p.GrantLive },
			},
		} {
			if err := do.change(); err != nil {
				t.Fatal(err)
			}
			if p, err := db.Live(ctx, id, "land", "land.mortgage"); err != nil || !do.want(p) {
				t.Fatalf("%s: got %+v, %v", do.name, p, err)
			}
		}
		if p, err := db.Live(ctx, id, "tax", "tax.income-proof"); err != nil || p.Consent != nil {
			t.Fatalf("another purpose: got %+v, %v; want no consent", p.Consent, err)
		}
		if _, err := db.Live(ctx, "none", "land", "land.mortgage"); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("no grant: got %v, want ErrNotFound", err)
		}
	})
}

// TestLiveFindsTheEventOfTheConsent: the newest by which it was given, among many of releases
// on it, and whether its place is noted.
func TestLiveFindsTheEventOfTheConsent(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		an := account(t, db, "An")
		c, v := agreed(an, "land-app")
		saved, err := db.Approve(t.Context(), c, v)
		if err != nil {
			t.Fatal(err)
		}
		id := insertGrant(t, db, an, "land-app", authz.Release{Type: authz.ReleaseType, Registry: "land", Purpose: "land.mortgage"})
		if p, err := db.Live(t.Context(), id, "land", "land.mortgage"); err != nil || p.Agreed != nil {
			t.Fatalf("without an event: %+v, %v", p.Agreed, err)
		}
		scribe := &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1"}
		write := func(action audit.Action, version int) string {
			t.Helper()
			written, err := scribe.Write(t.Context(), audit.Act{
				Action: action, App: clinic, Subject: an, Consent: audit.Consent{ID: saved.ID, Version: version, Text: saved.TextHash},
				Reason: audit.Reason{Purpose: "land.mortgage", Basis: authz.BasisConsent},
				Data:   audit.Data{Registry: "land", Attributes: v.Attributes}, Decision: audit.Decision{Code: "released"},
			})
			if err != nil {
				t.Fatal(err)
			}
			return written[0].Event.ID
		}
		write(audit.Agree, 1)
		if saved, err = db.Approve(t.Context(), c, v); err != nil || saved.Version != 2 {
			t.Fatalf("agreed anew: %+v, %v", saved, err)
		}
		newest := write(audit.Agree, 2)
		release := write(audit.Release, 2)
		for _, logged := range []bool{false, true} {
			p, err := db.Live(t.Context(), id, "land", "land.mortgage")
			if err != nil || p.Agreed == nil {
				t.Fatalf("got %+v, %v", p.Agreed, err)
			}
			if g := p.Agreed; g.ID != newest || g.Version != 2 || g.Consent != string(saved.ID) || g.Logged != logged {
				t.Errorf("got %+v, want event %s, logged %v", g, newest, logged)
			}
			open, err := db.UnloggedReleases(t.Context(), saved.ID, "another")
			if want := !logged; err != nil || (len(open) == 1 && open[0].Event.ID == release) != want {
				t.Errorf("releases without a place: %v, %v", open, err)
			}
			if g := p.Agreed.Given; g.Client != string(clinic.ID) || g.Purpose != "land.mortgage" || g.Registry != "land" ||
				g.Text != saved.TextHash || g.Pseudonym == "" || len(g.Attributes) != len(v.Attributes) {
				t.Errorf("what was agreed to is %+v", g)
			}
			if err := db.NotePlaces(t.Context(), "o", map[string]uint64{newest: 4, release: 5}, false); err != nil {
				t.Fatal(err)
			}
		}
		// Who sets a consent back that was withdrawn has it in the database, and the event ends it.
		write(audit.Withdraw, 3)
		if p, err := db.Live(t.Context(), id, "land", "land.mortgage"); err != nil || p.Agreed != nil || p.Consent == nil {
			t.Errorf("a withdrawn consent rests on %+v, %v", p.Agreed, err)
		}
		run := "INSERT INTO events (id, at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from, canonical, salt, sequence) " +
			"SELECT 'ffffffff-0000-7000-8000-000000000001', at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from, " +
			"canonical, salt, sequence FROM events WHERE id = ?"
		if _, err := db.Pool().ExecContext(t.Context(), db.Bind(run), newest); err != nil {
			t.Fatal(err)
		}
		if p, err := db.Live(t.Context(), id, "land", "land.mortgage"); err != nil || p.Agreed != nil {
			t.Errorf("a withdrawn consent rests on a row that was added: %+v, %v", p.Agreed, err)
		}
		if _, err := db.Pool().ExecContext(t.Context(), "DELETE FROM consent_versions"); err == nil {
			t.Error("the versions of a consent were deleted")
		}
	})
}

// TestAFalseEventOfAConsentIsPassedOver: who may add rows and places stops no release by a row
// that says it is the newest event of its consent, and gives that event no place.
func TestAFalseEventOfAConsentIsPassedOver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		an := account(t, db, "An")
		c, v := agreed(an, "land-app")
		saved, err := db.Approve(t.Context(), c, v)
		if err != nil {
			t.Fatal(err)
		}
		id := insertGrant(t, db, an, "land-app", authz.Release{Type: authz.ReleaseType, Registry: "land", Purpose: "land.mortgage"})
		scribe := &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1"}
		written, err := scribe.Write(t.Context(), audit.Act{
			Action: audit.Agree, App: clinic, Subject: an, Consent: audit.Consent{ID: saved.ID, Version: saved.Version},
			Reason: audit.Reason{Purpose: "land.mortgage", Basis: authz.BasisConsent},
			Data:   audit.Data{Registry: "land", Attributes: v.Attributes},
			Detail: audit.Detail{Text: commitment.UntilText(v.ValidUntil)},
		})
		if err != nil {
			t.Fatal(err)
		}
		genuine := written[0].Event.ID
		run := func(sql string, args ...any) {
			t.Helper()
			if _, err := db.Pool().ExecContext(t.Context(), db.Bind(sql), args...); err != nil {
				t.Fatal(err)
			}
		}
		invent := func(id, canonical, mac string) {
			t.Helper()
			const columns = "at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from, salt, sequence"
			run("INSERT INTO events (id, "+columns+", canonical, mac, mac_key) SELECT ?, "+columns+", "+canonical+", "+mac+
				" FROM events WHERE id = ?", id, genuine)
		}
		check := func(when string, logged bool) {
			t.Helper()
			p, err := db.Live(t.Context(), id, "land", "land.mortgage")
			if err != nil || p.Agreed == nil || p.Agreed.ID != genuine || p.Agreed.Logged != logged || !p.Agreed.Until.Equal(v.ValidUntil) {
				t.Errorf("%s: %+v, %v", when, p.Agreed, err)
			}
		}
		check("as it is", false)
		invent("ffffffff-0000-7000-8000-000000000001", "canonical", "NULL, NULL")
		check("a newer row without a MAC", false)
		invent("ffffffff-0000-7000-8000-000000000002", "replace(canonical, '\"version\":1', '\"version\":9')", "mac, mac_key")
		invent("ffffffff-0000-7000-8000-000000000003", "'x'", "salt, mac_key")
		check("newer rows with a wrong MAC", false)
		for i, mac := range []any{nil, []byte("thirty-two bytes that are no MAC")} {
			run("INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at, mac) VALUES ('a', ?, ?, 1, false, ?, ?)", i, genuine, noon, mac)
		}
		check("with places that no server noted", false)
		if err := db.NotePlaces(t.Context(), "a", map[string]uint64{genuine: 4}, false); err != nil {
			t.Fatal(err)
		}
		check("with its place", true)
		// A row without a MAC of a later version counts, as the release before writes it; not one
		// that was decided before what has a MAC.
		run("UPDATE consents SET version = 2 WHERE id = ?", string(saved.ID))
		for _, row := range []struct {
			at   time.Time
			want bool
		}{{written[0].Event.When.Decided.Add(-time.Hour), false}, {written[0].Event.When.Decided.Add(time.Hour), true}} {
			db.TrustRows(nil)
			if _, err := scribe.Write(t.Context(), audit.Act{
				Action: audit.Agree, App: clinic, Subject: an, Consent: audit.Consent{ID: saved.ID, Version: 2}, At: row.at,
				Reason: audit.Reason{Purpose: "land.mortgage", Basis: authz.BasisConsent},
				Data:   audit.Data{Registry: "land", Attributes: v.Attributes},
			}); err != nil {
				t.Fatal(err)
			}
			db.TrustRows(storetest.Rows())
			if p, err := db.Live(t.Context(), id, "land", "land.mortgage"); err != nil || p.Agreed != nil != row.want {
				t.Errorf("a row without a MAC, decided at %v: %+v, %v", row.at, p.Agreed, err)
			}
		}
		run("UPDATE consents SET version = 1 WHERE id = ?", string(saved.ID))
		// However many there are, what a release reads is bounded.
		flood := func(version int) {
			t.Helper()
			run("WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 3000) INSERT INTO events (id, at, type, client_id, pseudonym, "+
				"purpose, registry, permit, consent, canonical, salt, mac, mac_key, tag) SELECT 'ffffffff-000"+strconv.Itoa(version)+
				"-7000-8000-' || CAST(100000000000 + n AS text), at, CASE WHEN n % 2 = 0 THEN type ELSE 'consent.withdrawn' END, client_id, pseudonym, purpose, registry, permit, consent, canonical, "+
				"salt, CASE WHEN n % 3 = 0 THEN NULL ELSE salt END, mac_key, "+strconv.Itoa(version)+" * 10000 + n FROM events, g WHERE id = ?",
				genuine)
		}
		flood(1)
		before := db.Stats()
		check("with thousands of newer rows", true)
		if read := db.Stats().Queries - before.Queries; read > 3 {
			t.Errorf("a release reads by %d statements", read)
		}
		if err := db.Withdraw(t.Context(), saved, withdrawn(saved, noon)); err != nil {
			t.Fatal(err)
		}
		if _, err := scribe.Write(t.Context(), audit.Act{
			Action: audit.Withdraw, App: clinic, Subject: an, Consent: audit.Consent{ID: saved.ID, Version: saved.Version + 1},
			Reason: audit.Reason{Purpose: "land.mortgage", Basis: authz.BasisConsent},
			Data:   audit.Data{Registry: "land", Attributes: v.Attributes},
		}); err != nil {
			t.Fatal(err)
		}
		flood(2)
		run("UPDATE consents SET state = 'approved', version = ? WHERE id = ?", saved.Version, string(saved.ID))
		if p, err := db.Live(t.Context(), id, "land", "land.mortgage"); err != nil || p.Consent == nil || p.Agreed != nil {
			t.Errorf("a consent that was withdrawn and set back, behind thousands of newer rows: %+v, %v", p.Agreed, err)
		}
	})
}

// TestAgreeingAnewDoesNotBringBackWhatWasWithdrawn: the consent is approved again
// in a later version, and says from which version on grants count.
func TestAgreeingAnewDoesNotBringBackWhatWasWithdrawn(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		an := account(t, db, "An")
		c, v := agreed(an, "land-app")
		first, err := db.Approve(ctx, c, v)
		if err != nil {
			t.Fatal(err)
		}
		id := insertGrant(t, db, an, "land-app")
		ended := func() int {
			t.Helper()
			p, err := db.Live(ctx, id, "land", "land.mortgage")
			if err != nil || p.Consent == nil || p.Consent.State != consent.Approved {
				t.Fatalf("got %+v, %v; want an approved consent", p.Consent, err)
			}
			return p.Consent.Ended
		}
		if got := ended(); got != 0 {
			t.Fatalf("nothing has ended, but got version %d", got)
		}
		second, err := db.Approve(ctx, c, v) // superseded: no end
		if err != nil {
			t.Fatal(err)
		}
		if got := ended(); got != 0 {
			t.Fatalf("a superseded version ends nothing, but got version %d", got)
		}
		if err := db.Withdraw(ctx, second, withdrawn(second, noon)); err != nil {
			t.Fatal(err)
		}
		third, err := db.Approve(ctx, c, v)
		if err != nil {
			t.Fatal(err)
		}
		if got := ended(); first.Version != 1 || third.Version != 4 || got != 3 {
			t.Fatalf("versions %d and %d, ended with %d, want 1, 4 and 3", first.Version, third.Version, got)
		}
	})
}

func TestACodeThatWasNotRedeemedGivesNoLiveGrant(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		an := account(t, db, "An")
		id := authz.GrantID(authz.NewID())
		if err := db.PlantGrant(t.Context(), grant.Grant{
			ID: id, ClientID: "land-app", Principal: authz.Herself(an), Profile: authz.FAPI2, Created: noon, AuthTime: noon,
			Expires: time.Now().Add(time.Hour), CodeHash: []byte("c"), CodeExpires: noon,
		}); err != nil {
			t.Fatal(err)
		}
		if p, err := db.Live(t.Context(), id, "land", "land.mortgage"); err != nil || p.GrantLive {
			t.Fatalf("got %v, %v; want a grant that is not live", p.GrantLive, err)
		}
	})
}

func TestOfRacingUsesNoMoreThanTheLimitPass(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		soon := time.Now().Add(time.Hour)
		for _, limit := range []int{1, 5} {
			var racing sync.WaitGroup
			var mu sync.Mutex
			passed, usedUp := 0, 0
			for range 20 {
				racing.Go(func() {
					err := db.CountUse(context.Background(), broker.Use{
						Permission: fmt.Sprintf("consent-%d#1", limit), Day: "2026-11-23", Limit: limit, Expires: soon,
					})
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						passed++
					case errors.Is(err, broker.ErrUsedUp):
						usedUp++
					default:
						t.Error(err)
					}
				})
			}
			racing.Wait()
			if passed != limit || usedUp != 20-limit {
				t.Fatalf("limit %d: %d passed, %d were refused", limit, passed, usedUp)
			}
		}
		other := broker.Use{Permission: "consent-1#1", Day: "2026-11-24", Limit: 1, Expires: soon}
		if err := db.CountUse(t.Context(), other); err != nil {
			t.Fatalf("another day: %v", err)
		}
		if n, err := db.PurgeUses(t.Context(), soon.Add(time.Second), 2); err != nil || n != 2 {
			t.Fatalf("purging: got %d, %v; want the two of the batch", n, err)
		}
	})
}

// A count whose time is over begins anew, with the time of the use that begins it;
// until then a use does not move it.
func TestACountBeginsAnewWhenItsTimeIsOver(t *testing.T) {
	for _, open := range []func(testing.TB, func() time.Time) *store.DB{storetest.SQLite, storetest.PostgreSQL} {
		now := noon
		db := open(t, func() time.Time { return now })
		use := func() error {
			return db.CountUse(t.Context(), broker.Use{Permission: "of:an/app/p/r", Limit: 1, Expires: now.AddDate(0, 0, 7)})
		}
		for _, row := range []struct {
			day  int
			want error
		}{{0, nil}, {1, broker.ErrUsedUp}, {6, broker.ErrUsedUp}, {7, nil}, {8, broker.ErrUsedUp}, {13, broker.ErrUsedUp}, {14, nil}} {
			now = noon.AddDate(0, 0, row.day)
			if err := use(); !errors.Is(err, row.want) {
				t.Errorf("day %d: got %v, want %v", row.day, err, row.want)
			}
		}
	}
}
