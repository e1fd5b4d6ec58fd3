package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/consent"
	"hopnhat/authz/grant"
	"hopnhat/authz/identity"
	"hopnhat/authz/session"
	"hopnhat/cmd/node"
	"hopnhat/conformance/harness/pgtest"
)

// backup copies the database as it is, while no process uses it, and gives what puts the copy
// in its place.
func (h *house) backup(t *testing.T) (restore func()) {
	t.Helper()
	if strings.HasSuffix(h.c.Database, ".db") {
		raw, err := os.ReadFile(h.c.Database)
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			t.Helper()
			for _, ending := range []string{"-wal", "-shm"} {
				if err := os.RemoveAll(h.c.Database + ending); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(h.c.Database, raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	cluster, err := url.Parse(h.c.Database)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(cluster.Path)
	base, kept := os.Getenv(pgtest.Env), name+"_kept"
	pgtest.Exec(t, base, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", kept, name))
	t.Cleanup(func() { pgtest.Exec(t, base, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", kept)) })
	return func() {
		t.Helper()
		pgtest.Exec(t, base, fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name))
		pgtest.Exec(t, base, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, kept))
	}
}

// on does something with what a tool opens.
func (h *house) on(t *testing.T, do func(ctx context.Context, b *node.Base) error) {
	t.Helper()
	b, err := node.Open(t.Context(), h.c)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(do(t.Context(), b), b.Close()); err != nil {
		t.Fatal(err)
	}
}

// person is one who agreed that an app of her own gets data.
type person struct {
	number  string
	subject authz.Subject
	app     *authz.Client
	grant   grant.Grant
	consent consent.Consent
}

// people are as many as there are ways to end something, and one more.
func (h *house) people(t *testing.T) (all []person) {
	t.Helper()
	h.on(t, func(ctx context.Context, b *node.Base) error {
		now := time.Now().UTC().Truncate(time.Second)
		for n := range len(endings) + 1 {
			p := person{
				number: fmt.Sprintf("0990000%05d", n), subject: authz.Subject(authz.NewID()),
				app: &authz.Client{ID: authz.ClientID(fmt.Sprint("app-", n)), Name: authz.LocalizedText{VI: "Đất đai", EN: "Land"}},
			}
			v := consent.Version{
				State: consent.Approved, Attributes: []authz.AttributeID{"land.area"}, Offered: []authz.AttributeID{"land.area"},
				Basis: authz.BasisConsent, Frequency: "2/day", DataLife: "P30D", ValidUntil: now.AddDate(0, 0, 30),
				TextHash: "h1", Locale: "vi", Channel: "web", Principal: authz.Herself(p.subject), At: now,
			}
			p.grant = grant.Grant{
				ID: authz.GrantID(authz.NewID()), ClientID: p.app.ID, Principal: authz.Herself(p.subject),
				Session: authz.SessionID(fmt.Sprint("s", n)), Profile: authz.FAPI2, Level: 2, AuthTime: now, Created: now,
				Expires: now.Add(time.Hour), CodeHash: fmt.Append(nil, "code", n),
				CodeExpires: now.Add(time.Minute), CodeSpent: now, RefreshSalt: []byte("salt"),
			}
			err := b.DB.InsertAccount(ctx, identity.Account{
				Subject: p.subject, Kind: authz.Citizen, Person: authz.PersonID(fmt.Sprint("person-", n)), Name: "An",
				Level: 2, Created: now,
			}, authz.PersonalNumber(p.number), authn.Held{
				ID: authn.FactorID(authz.NewID()), Kind: authn.PasswordFactor, Secret: []byte("hash"),
			})
			if err != nil {
				return err
			}
			p.consent, err = b.DB.Approve(ctx, consent.Consent{
				ID: authz.ConsentID(authz.NewID()), Subject: p.subject, Client: p.app.ID, Purpose: "land.mortgage", Registry: "land",
			}, v)
			err = errors.Join(err, b.DB.SaveClient(ctx, p.app),
				b.DB.InsertSession(ctx, session.Session{
					ID: p.grant.Session, Principal: p.grant.Principal, AuthTime: now, Level: 2, Created: now, Seen: now,
				}, []byte(p.grant.Session), nil),
				b.DB.InsertGrant(ctx, p.grant, ""), b.DB.GrantRole(ctx, p.subject, authz.Auditor, now))
			if err != nil {
				return err
			}
			all = append(all, p)
		}
		return nil
	})
	return all
}

// releases reports whether something could be released to the app of a person, and whether she
// is an auditor whom the pages let in.
func (h *house) releases(t *testing.T, p person) (may, audits bool) {
	t.Helper()
	h.on(t, func(ctx context.Context, b *node.Base) error {
		rolledBack := errors.New("this was no release")
		err := b.DB.Tx(ctx, func(ctx context.Context) error {
			if _, err := b.DB.NextNumber(ctx, "pseudonym-of-nobody", &audit.Hold{
				Grant: p.grant.ID, Consent: p.consent.ID, Version: p.consent.Version, Clients: []authz.ClientID{p.app.ID},
			}); err != nil {
				return err
			}
			return rolledBack
		})
		if may = errors.Is(err, rolledBack); !may && !errors.Is(err, authz.ErrConflict) {
			return err
		}
		audits, err = b.DB.HasRole(ctx, p.subject, authz.Auditor)
		return err
	})
	return may, audits
}

// endings are what ends that something is released, or a role.
var endings = []struct {
	name string
	does func(t *testing.T, h *house, p person)
	role bool // it ends the role alone
	both bool // it ends the role as well
}{
	{name: "a consent is withdrawn", does: func(t *testing.T, h *house, p person) {
		h.on(t, func(ctx context.Context, b *node.Base) error {
			c := &consent.Consents{Catalogue: b.Catalogue, Store: b.DB, Evidence: b.Scribe(), Outbox: b.DB, Now: time.Now}
			return c.Withdraw(ctx, consent.Withdrawal{
				Client: p.app, Principal: authz.Herself(p.subject), ID: p.consent.ID, Shown: p.consent.Reference(), Session: "s", Locale: "vi",
			})
		})
	}},
	{name: "an account is locked", both: true, does: func(t *testing.T, h *house, p person) {
		h.must(t, 0, "done", "account", "lock", p.number)
	}},
	{name: "a person is signed out", does: func(t *testing.T, h *house, p person) {
		h.must(t, 0, "done", "account", "sign-out", p.number)
	}},
	{name: "an app is disabled", does: func(t *testing.T, h *house, p person) {
		h.must(t, 0, "disabled", "client", "disable", string(p.app.ID))
	}},
	{name: "an app is deleted", does: func(t *testing.T, h *house, p person) {
		h.must(t, 0, "deleted", "client", "delete", string(p.app.ID), "--yes")
	}},
	{name: "a grant is given back", does: func(t *testing.T, h *house, p person) {
		h.on(t, func(ctx context.Context, b *node.Base) error {
			r := &grant.Recorder{Evidence: b.Scribe(), Store: b.DB, Now: time.Now}
			return r.End(ctx, &clientauth.Registered{Client: p.app}, &p.grant, audit.GrantGivenBack, "given back by the app")
		})
	}},
	{name: "a role is taken back", role: true, does: func(t *testing.T, h *house, p person) {
		h.must(t, 0, "no role", "account", "role", "revoke", p.number, "auditor")
	}},
}

// events are how many the database has, and how many of them name a lost one.
func (h *house) events(t *testing.T) (all, because int) {
	t.Helper()
	h.on(t, func(ctx context.Context, b *node.Base) error {
		for q := (audit.Query{Limit: 100}); ; {
			found, err := b.DB.Find(ctx, q)
			if err != nil {
				return err
			}
			for _, w := range found {
				q.Before = w.Event.ID
				if w.Fault != "" {
					t.Errorf("%v is not genuine: %s", w.Event, w.Fault)
				}
				names := append(w.Event.Decision.Determining, w.Event.Detail.Text)
				if slices.ContainsFunc(names, func(by string) bool { return strings.HasPrefix(by, "lost-event:") }) {
					because++
				}
			}
			if all += len(found); len(found) < q.Limit {
				return nil
			}
		}
	})
	return all, because
}

// TestWhatTheLogKnowsToHaveEnded: the database is restored from a copy that is older than the
// log. What ended since has ended when the server answers, each by an event that names the
// lost one, and once: what somebody decides afterwards stays. Then the rows are made again.
func TestWhatTheLogKnowsToHaveEnded(t *testing.T) {
	for dialect, database := range map[string]string{"sqlite": "", "postgres": pgtest.Database(t)} {
		t.Run(dialect, func(t *testing.T) {
			h := newHouse(t, database)
			people := h.people(t)
			restore := h.backup(t)
			for i, ending := range endings {
				ending.does(t, h, people[i])
			}
			h.record(t, 3)
			h.serve(t, func(string) {}) // whose sweep notes what the tools left
			all, _ := h.events(t)
			restore()
			for i, p := range people {
				if may, audits := h.releases(t, p); !may || !audits {
					t.Fatalf("person %d: after the restore nothing has ended: %v, %v", i, may, audits)
				}
			}
			h.must(t, 0, "run it with --write", "log", "restore-rows")

			looked := func() {
				t.Helper()
				for i, p := range people {
					may, audits := h.releases(t, p)
					if i == len(endings) {
						if !may || !audits {
							t.Errorf("what nobody ended has ended: %v, %v", may, audits)
						}
						continue
					}
					e := endings[i]
					if may != e.role || audits == (e.role || e.both) {
						t.Errorf("%s: something is released: %v, the role is there: %v", e.name, may, audits)
					}
				}
			}
			h.serve(t, func(string) { looked() })
			before, because := h.events(t)
			if because != len(endings) {
				t.Errorf("%d events name a lost one, want %d", because, len(endings))
			}
			h.serve(t, func(string) {})
			if again, _ := h.events(t); again != before {
				t.Errorf("a second start wrote %d events more", again-before)
			}
			h.must(t, 0, "done", "account", "unlock", people[1].number)
			h.serve(t, func(string) {})
			if err := h.locked(t, people[1]); err != nil {
				t.Error(err)
			}

			h.must(t, 0, "have their rows again", "log", "restore-rows", "--write")
			h.must(t, 0, "every entry of the log has its row", "log", "restore-rows", "--write")
			h.must(t, 0, "nothing is to be decided", "log", "accept-loss", "--reason", "none")
			// Rows of before the loss, of what was done because of it, and of three commands since.
			if now, _ := h.events(t); now < all+len(endings) {
				t.Errorf("%d events, of which %d were before the loss", now, all)
			}
			h.must(t, 0, "entries, whole", "log", "check")
			// Of apps, APIs and roles that have no event, as they are here, much is told.
			if _, out := h.run(t, "audit", "reconcile"); strings.Contains(out, "number-") || strings.Contains(out, "not-genuine") {
				t.Errorf("reconciliation says %s", out)
			}
		})
	}
}

func (h *house) locked(t *testing.T, p person) (err error) {
	t.Helper()
	h.on(t, func(ctx context.Context, b *node.Base) error {
		locked, failed := b.DB.Losses.Locked(ctx, p.subject)
		if locked {
			err = errors.New("the account that an operator unlocked is locked again")
		}
		return failed
	})
	return err
}

// TestADecisionComesAfterWhatEnded: who takes the lost rows as lost, or makes them again, before
// a server has started leaves nothing that goes on.
func TestADecisionComesAfterWhatEnded(t *testing.T) {
	for name, words := range map[string][]string{
		"accept-loss":  {"log", "accept-loss", "--reason", "nothing newer is left"},
		"restore-rows": {"log", "restore-rows", "--write"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "")
			people := h.people(t)
			restore := h.backup(t)
			endings[0].does(t, h, people[0])
			restore()
			h.must(t, 0, "1 consents ended", words...)
			if may, _ := h.releases(t, people[0]); may {
				t.Error("something is released on a consent that was withdrawn")
			}
		})
	}
}

// TestALockThatWasTakenBackIsNotDoneAgain: of a lock whose row is lost and which an operator
// took back since, nobody is locked again.
func TestALockThatWasTakenBackIsNotDoneAgain(t *testing.T) {
	h := newHouse(t, "")
	p := h.people(t)[0]
	restore := h.backup(t)
	h.must(t, 0, "done", "account", "lock", p.number)
	restore()
	h.must(t, 0, "done", "account", "lock", p.number) // by hand, as the page of what to do says
	h.must(t, 0, "done", "account", "unlock", p.number)
	h.serve(t, func(string) {
		if err := h.locked(t, p); err != nil {
			t.Error(err)
		}
	})
}

// TestAShardThatCannotBeReadKeepsNoOther from telling what ended: the consent log is damaged, the
// node starts, and what the release log knows to have ended has ended.
func TestAShardThatCannotBeReadKeepsNoOther(t *testing.T) {
	h := newHouse(t, "")
	people := h.people(t)
	restore := h.backup(t)
	const aGrant = 5
	endings[aGrant].does(t, h, people[aGrant])
	restore()
	if err := os.RemoveAll(filepath.Join(h.dir(t), ".state")); err != nil {
		t.Fatal(err)
	}
	h.serve(t, func(address string) {
		if parts := get(t, address); parts["log"] != "unavailable: consent-damaged" {
			t.Errorf("the parts are %v", parts)
		}
		if may, _ := h.releases(t, people[aGrant]); may {
			t.Error("something is released on a grant that was given back")
		}
	})
}
