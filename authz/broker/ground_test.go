package broker

import (
	"maps"
	"slices"
	"testing"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/policy"
)

// agreedIn is the event by which the only consent was given last.
func agreedIn(n *nation) audit.Recorded {
	var newest audit.Recorded
	for _, row := range n.state.rows {
		if row.Event.Type == audit.ConsentApproved && row.Event.ID > newest.Event.ID {
			newest = row
		}
	}
	return newest
}

// TestAReleaseNamesTheEventOfItsConsent: that of the version in force, by id and commitment;
// one on another basis names none, and so does a refusal.
func TestAReleaseNamesTheEventOfItsConsent(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	for range 2 {
		a := n.ask(grant, "land-app", askLand)
		if a.status != 200 {
			t.Fatalf("refused: %s", a.raw)
		}
		agreed := agreedIn(n)
		leaf, err := audit.Leaf(agreed.Event, agreed.Salt)
		if err != nil {
			t.Fatal(err)
		}
		named, ok := groundIn(n.state.rows[a.release.ID].Event.Decision.Determining)
		if !ok || named.ID != agreed.Event.ID || string(leaf[len(leaf)-32:]) != string(named.Commitment[:]) {
			t.Errorf("the release names %v, agreed was by %v", named, agreed.Event)
		}
		grant = n.agree("an", "land-app", wantLand) // the next version
	}
	own := n.ask(n.agree("binh", "land-app", wantName), "land-app", askName)
	if named, ok := groundIn(n.state.rows[own.release.ID].Event.Decision.Determining); ok {
		t.Errorf("a release without a consent names %v", named)
	}
}

// TestAConsentThatNoEventGaveLetsNothingGo: whoever writes a consent into the table, or takes
// its event away, gets nothing; agreeing again gives it anew.
func TestAConsentThatNoEventGaveLetsNothingGo(t *testing.T) {
	for name, meddle := range map[string]func(n *nation, agreed audit.Recorded){
		"the event is gone": func(n *nation, agreed audit.Recorded) { delete(n.state.rows, agreed.Event.ID) },
		"the event is of another version": func(n *nation, _ audit.Recorded) {
			for id, c := range maps.Clone(n.state.current) {
				c.Version++
				n.state.current[id] = c
			}
		},
		"it was prolonged in the table": func(n *nation, _ audit.Recorded) {
			for id, c := range maps.Clone(n.state.current) {
				c.ValidUntil = c.ValidUntil.AddDate(10, 0, 0)
				n.state.current[id] = c
			}
		},
		"the event is of another consent": func(n *nation, agreed audit.Recorded) {
			agreed.Event.Consent.ID = "another"
			n.state.rows[agreed.Event.ID] = agreed
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := found(t)
			grant := n.agree("an", "land-app", wantLand)
			meddle(n, agreedIn(n))
			if a := n.ask(grant, "land-app", askLand); a.status != 403 || a.problem.Code != string(policy.ConsentMissing) {
				t.Errorf("got %s", a.raw)
			}
			if a := n.ask(n.agree("an", "land-app", wantLand), "land-app", askLand); a.status != 200 {
				t.Errorf("after agreeing again: %s", a.raw)
			}
		})
	}
}

// TestTheConsentIsInTheLogBeforeTheRelease: a leaf of the consent that the log did not take is
// appended by the release, and a release whose consent has no place is not sent.
func TestTheConsentIsInTheLogBeforeTheRelease(t *testing.T) {
	for _, down := range []bool{false, true} {
		n := found(t)
		n.fault = "before append" // of the consent's leaf, which nobody waits for
		grant := n.agree("an", "land-app", wantLand)
		agreed := agreedIn(n)
		if slices.Contains(n.state.log, agreed.Event.ID) {
			t.Fatal("the log took the consent")
		}
		if down {
			n.fault = "before append"
		}
		a := n.ask(grant, "land-app", askLand)
		at, release := slices.Index(n.state.log, agreed.Event.ID), slices.Index(n.state.log, a.release.ID)
		switch {
		case down && (a.status != 503 || at >= 0 || len(n.state.log) > 0):
			t.Errorf("without a place of the consent: %s, the log holds %v", a.raw, n.state.log)
		case !down && (a.status != 200 || at < 0 || at > release):
			t.Errorf("%s: the consent stands at %d, the release at %d", a.raw, at, release)
		}
	}
}

// groundIn is the reference among what determined a decision.
func groundIn(determining []string) (r commitment.Reference, ok bool) {
	for _, one := range determining {
		if r, ok = commitment.ParseReference(one); ok {
			return r, true
		}
	}
	return commitment.Reference{}, false
}
