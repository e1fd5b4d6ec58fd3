package broker

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/calendar"
	"hopnhat/authz/consent"
)

// walk is the promise of the product as a machine: people agree, withdraw, are
// locked and unlocked, grants are revoked, time passes, parts fail, and apps ask.
// After each step everything released is on record and in the log, and rests on a
// consent version that was approved at that time, or on a basis that needs none;
// and what anyone ended releases nothing more.
type walk struct {
	*nation
	grants   []authz.GrantID
	revoked  map[authz.GrantID]bool
	released int
	refusals map[string]int
}

func setOut(t interface {
	Errorf(string, ...any)
	Fatal(...any)
},
) *walk {
	return &walk{nation: found(t), revoked: map[authz.GrantID]bool{}, refusals: map[string]int{}}
}

// wish is what an app may ask for: what it wants agreed to, and what it then asks.
type wish struct {
	app          authz.ClientID
	wanted, body string
}

var wishes = []wish{
	{"land-app", wantLand, askLand},
	{"land-app", wantLand, `{"registry":"land","purpose":"land.mortgage","attributes":["land.certificate_no","land.encumbrance"]}`},
	{"land-app", wantName, askName},
	{"tax-app", wantTax, askTax},
}

// faults are the effects that can fail on the way of a release.
var faults = []string{
	"client", "live", "register", "before record", "after record", "before commit", "after commit", "before append", "after append",
}

func (w *walk) agreeTo(person authz.Subject, a wish) authz.GrantID {
	g := w.agree(person, a.app, a.wanted)
	w.grants = append(w.grants, g)
	return g
}

func (w *walk) revokes(g authz.GrantID) {
	w.revoke(g)
	w.revoked[g] = true
}

// asks asks on a grant, with a withdrawal on the way of it or a part that fails.
func (w *walk) asks(g authz.GrantID, a wish, race bool, fault string) {
	subject := w.state.grants[g].Actor
	if race {
		w.during["tx"] = func() { _ = w.withdraw(subject, a.app) }
	}
	w.fault = fault
	got := w.ask(g, a.app, a.body)
	w.check(got, a.body)
	w.fault = "" // one that did not come is over
	delete(w.during, "tx")
	if got.status != 200 {
		w.refusals[got.problem.Code]++
		return
	}
	w.released++
	switch {
	case w.revoked[g], w.state.locked[subject], w.state.grants[g].Client != a.app:
		w.t.Errorf("released to %s about %s: revoked %v, locked %v", a.app, subject, w.revoked[g], w.state.locked[subject])
	case subject == "con" && got.release.Basis == authz.BasisConsent:
		w.t.Errorf("released on a child's consent")
	}
}

func TestEverythingReleasedRestsOnAConsentOfItsTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := setOut(t)
		person := func(t *rapid.T) authz.Subject {
			return rapid.SampledFrom([]authz.Subject{"an", "binh", "con"}).Draw(t, "person")
		}
		t.Repeat(map[string]func(*rapid.T){
			"agree": func(t *rapid.T) { w.agreeTo(person(t), rapid.SampledFrom(wishes).Draw(t, "what")) },
			"withdraw": func(t *rapid.T) {
				_ = w.withdraw(person(t), rapid.SampledFrom([]authz.ClientID{"land-app", "tax-app"}).Draw(t, "app"))
			},
			"lock":   func(t *rapid.T) { w.state.locked[person(t)] = true },
			"unlock": func(t *rapid.T) { delete(w.state.locked, person(t)) },
			"revoke": func(t *rapid.T) {
				if len(w.grants) > 0 {
					w.revokes(rapid.SampledFrom(w.grants).Draw(t, "grant"))
				}
			},
			"time": func(t *rapid.T) {
				w.now = w.now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 24 * time.Hour, 8 * 24 * time.Hour}).Draw(t, "passes"))
			},
			"ask": func(t *rapid.T) {
				if len(w.grants) == 0 {
					return
				}
				fault := ""
				if rapid.IntRange(0, 4).Draw(t, "fault") == 0 {
					fault = rapid.SampledFrom(faults).Draw(t, "at")
				}
				w.asks(rapid.SampledFrom(w.grants).Draw(t, "grant"), rapid.SampledFrom(wishes).Draw(t, "what"), rapid.IntRange(0, 4).Draw(t, "race") == 0, fault)
			},
			"": func(t *rapid.T) { w.invariant(t) },
		})
	})
}

// What the machine is about it can come to: each is a walk of a few steps, which is
// not left to chance.
func TestTheMachineComesToWhatItIsAbout(t *testing.T) {
	for _, row := range []struct {
		name string
		walk func(w *walk, g authz.GrantID)
		code string // empty: released
	}{
		{"a release", func(w *walk, g authz.GrantID) { w.asks(g, wishes[0], false, "") }, ""},
		{"a consent withdrawn", func(w *walk, g authz.GrantID) {
			must(w.nation, w.withdraw("an", "land-app"))
			w.asks(g, wishes[0], false, "")
		}, "consent-withdrawn"},
		{"a withdrawal on the way", func(w *walk, g authz.GrantID) { w.asks(g, wishes[0], true, "") }, "consent-withdrawn"},
		{"a withdrawal on the way whose leaf fails", func(w *walk, g authz.GrantID) {
			w.asks(g, wishes[0], true, "before append")
		}, "consent-withdrawn"},
		{"a locked account", func(w *walk, g authz.GrantID) { w.state.locked["an"] = true; w.asks(g, wishes[0], false, "") }, "account-locked"},
		{"a revoked grant", func(w *walk, g authz.GrantID) { w.revokes(g); w.asks(g, wishes[0], false, "") }, "grant-ended"},
		{"a part that fails", func(w *walk, g authz.GrantID) { w.asks(g, wishes[0], false, "before append") }, "unavailable"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := setOut(t)
			row.walk(w, w.agreeTo("an", wishes[0]))
			if row.code == "" && w.released != 1 || row.code != "" && w.refusals[row.code] != 1 {
				t.Fatalf("%d released, refused %v", w.released, w.refusals)
			}
		})
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
		if e.Consent.ID == "" {
			continue
		}
		versions := n.state.versions[e.Consent.ID]
		v := versions[e.Consent.Version-1]
		if v.State != consent.Approved || e.When.Decided.Before(v.At) || !e.When.Decided.Before(v.ValidUntil) {
			t.Fatalf("a release at %s on version %d: %s from %s to %s", e.When.Decided, v.Number, v.State, v.At, v.ValidUntil)
		}
		for _, a := range e.Data.Attributes {
			if !slices.Contains(v.Attributes, a) {
				t.Fatalf("%s was released on a version that does not cover it", a)
			}
		}
		if e.Consent.Version < len(versions) && versions[e.Consent.Version].At.Before(e.When.Decided) {
			t.Fatalf("a release at %s on a version that ended at %s", e.When.Decided, versions[e.Consent.Version].At)
		}
		if e.Reason.Purpose == "tax.income-proof" {
			perDay[string(e.Consent.ID)+e.When.Decided.In(calendar.Hanoi).Format(time.DateOnly)+string(rune(e.Consent.Version))]++
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
