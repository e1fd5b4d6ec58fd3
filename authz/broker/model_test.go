package broker

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/consent"
)

// The promise of the product as a machine: people agree, withdraw, are locked
// and unlocked, grants are revoked, time passes, parts fail, and apps ask. After
// each step everything released is on record and in the log, and rests on a
// consent version that was approved at that time, or on a basis that needs none;
// and what anyone ended releases nothing more.
func TestEverythingReleasedRestsOnAConsentOfItsTime(t *testing.T) {
	released, refusals := 0, map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		n := found(t)
		asks := []struct {
			app          authz.ClientID
			wanted, body string
		}{
			{"land-app", wantLand, askLand},
			{"land-app", wantLand, `{"registry":"land","purpose":"land.mortgage","attributes":["land.certificate_no","land.encumbrance"]}`},
			{"land-app", wantName, askName},
			{"tax-app", wantTax, askTax},
		}
		people := []authz.Subject{"an", "binh", "con"}
		var grants []authz.GrantID
		revoked := map[authz.GrantID]bool{}
		person := func(t *rapid.T) authz.Subject { return rapid.SampledFrom(people).Draw(t, "person") }
		app := func(t *rapid.T) authz.ClientID {
			return rapid.SampledFrom([]authz.ClientID{"land-app", "tax-app"}).Draw(t, "app")
		}
		t.Repeat(map[string]func(*rapid.T){
			"agree": func(t *rapid.T) {
				a := rapid.SampledFrom(asks).Draw(t, "what")
				grants = append(grants, n.agree(person(t), a.app, a.wanted))
			},
			"withdraw": func(t *rapid.T) { _ = n.withdraw(person(t), app(t)) },
			"lock":     func(t *rapid.T) { n.state.locked[person(t)] = true },
			"unlock":   func(t *rapid.T) { delete(n.state.locked, person(t)) },
			"revoke": func(t *rapid.T) {
				if len(grants) > 0 {
					g := rapid.SampledFrom(grants).Draw(t, "grant")
					n.revoke(g)
					revoked[g] = true
				}
			},
			"time": func(t *rapid.T) {
				n.now = n.now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 24 * time.Hour, 8 * 24 * time.Hour}).Draw(t, "passes"))
			},
			"ask": func(t *rapid.T) {
				if len(grants) == 0 {
					return
				}
				g, a := rapid.SampledFrom(grants).Draw(t, "grant"), rapid.SampledFrom(asks).Draw(t, "what")
				if rapid.IntRange(0, 4).Draw(t, "race") == 0 {
					n.during["tx"] = func() { _ = n.withdraw(n.state.grants[g].Subject, a.app) }
				}
				if rapid.IntRange(0, 4).Draw(t, "fault") == 0 {
					n.fault = rapid.SampledFrom([]string{
						"client", "live", "register", "before record", "after record", "before commit", "after commit", "before append", "after append",
					}).Draw(t, "at")
				}
				got := n.ask(g, a.app, a.body)
				n.check(got, a.body)
				subject := n.state.grants[g].Subject
				if got.status == 200 {
					released++
					switch {
					case revoked[g], n.state.locked[subject], n.state.grants[g].Client != a.app:
						t.Fatalf("released to %s about %s: revoked %v, locked %v", a.app, subject, revoked[g], n.state.locked[subject])
					case subject == "con" && got.release.Basis == authz.BasisConsent:
						t.Fatal("released on a child's consent")
					}
				} else {
					refusals[got.problem.Code]++
				}
				n.fault = "" // one that did not come is over
				delete(n.during, "tx")
			},
			"": func(t *rapid.T) { n.invariant(t) },
		})
	})
	if released == 0 || refusals["consent-withdrawn"] == 0 || refusals["account-locked"] == 0 || refusals["unavailable"] == 0 {
		t.Fatalf("the machine never saw what it is about: %d released, refused %v", released, refusals)
	}
}

// invariant looks at the whole evidence: each permit has an approved version of
// its time that no withdrawal came before; versions only ever grow.
func (n *nation) invariant(t *rapid.T) {
	perDay := map[string]int{}
	for id, row := range n.state.rows {
		e := row.Event
		if e.ID != id || e.Check() != nil {
			t.Fatalf("event %s is no evidence", id)
		}
		if e.Type != audit.ReleasePermitted {
			continue
		}
		if e.Reason.Consent == "" {
			continue
		}
		versions := n.state.versions[e.Reason.Consent]
		v := versions[e.Reason.ConsentVersion-1]
		if v.State != consent.Approved || e.When.Decided.Before(v.At) || !e.When.Decided.Before(v.ValidUntil) {
			t.Fatalf("a release at %s on version %d: %s from %s to %s", e.When.Decided, v.Number, v.State, v.At, v.ValidUntil)
		}
		for _, a := range e.Data.Attributes {
			if !slices.Contains(v.Attributes, a) {
				t.Fatalf("%s was released on a version that does not cover it", a)
			}
		}
		if e.Reason.ConsentVersion < len(versions) && versions[e.Reason.ConsentVersion].At.Before(e.When.Decided) {
			t.Fatalf("a release at %s on a version that ended at %s", e.When.Decided, versions[e.Reason.ConsentVersion].At)
		}
		if e.Reason.Purpose == "tax.income-proof" {
			perDay[string(e.Reason.Consent)+e.When.Decided.In(hanoi).Format(time.DateOnly)+string(rune(e.Reason.ConsentVersion))]++
		}
	}
	for key, count := range perDay {
		if count > 2 {
			t.Fatalf("%d releases of 2/day: %q", count, key)
		}
	}
	live := map[[4]string]int{}
	for id, c := range n.state.current {
		versions := n.state.versions[id]
		if len(versions) != c.Version || versions[c.Version-1].State != c.State {
			t.Fatalf("consent %s is at version %d of %d", id, c.Version, len(versions))
		}
		for i, v := range versions {
			if v.Number != i+1 || i > 0 && v.State == consent.Withdrawn && versions[i-1].State != consent.Approved {
				t.Fatalf("version %d of %s is out of order", v.Number, id)
			}
		}
		live[[4]string{string(c.Subject), string(c.Client), string(c.Purpose), string(c.Registry)}]++
	}
	for key, count := range live {
		if count > 1 {
			t.Fatalf("%d consents of one kind: %v", count, key)
		}
	}
	if all, err := n.Consents(context.Background(), "an", ""); err != nil || len(all) > len(n.state.current) {
		t.Fatalf("got %d, %v", len(all), err)
	}
}
