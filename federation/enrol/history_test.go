package enrol_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"hopnhat/federation/enrol"
	"hopnhat/federation/federationtest"
)

// TestEvents: what happened to an enrolment, by the steps that were taken (Subordinate Events 1.0
// ID1 §2.3.3): a registration stands alone, and a change says what changed.
func TestEvents(t *testing.T) {
	e := federationtest.New(t, "https://danang.example.vn")
	agreed := terms(t, e)
	s, at := enrol.Subordinate{ID: e.ID}, now
	approve := func(next enrol.Terms) {
		t.Helper()
		var err error
		if s, err = s.Propose(us, next, "a", "", at); err == nil {
			s, err = s.Approve(us, digest(s), "b", at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var want []enrol.EventKind
	check := func(step string, more ...enrol.EventKind) {
		t.Helper()
		want = append(want, more...)
		var got []enrol.EventKind
		last := time.Time{}
		for _, event := range s.Events(at) {
			got = append(got, event.Kind)
			if event.At.Before(last) || event.At.After(at) {
				t.Errorf("%s: %s is of %s, after one of %s, at %s", step, event.Kind, event.At, last, at)
			}
			last = event.At
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", step, got, want)
		}
		at = at.Add(time.Hour)
	}
	check("never proposed")
	var err error
	if s, err = s.Propose(us, agreed, "a", "", at); err != nil {
		t.Fatal(err)
	}
	check("proposed")
	approve(agreed)
	check("approved", enrol.Registration)
	renewed := agreed
	renewed.Until = renewed.Until.Add(time.Hour)
	approve(renewed)
	check("renewed, and nothing else")
	changed := renewed
	changed.Keys = federationtest.New(t, e.ID).JWKS(t)
	approve(changed)
	check("other keys", enrol.KeysUpdate)
	changed.Organization = "Đà Nẵng mới"
	changed.Policy = json.RawMessage(`{"openid_relying_party":{"subject_type":{"value":"pairwise"}}}`)
	approve(changed)
	check("another name and policy", enrol.MetadataUpdate, enrol.PolicyUpdate)
	changed.Policy = json.RawMessage(`{"openid_relying_party": {"subject_type": {"value": "pairwise"}}}`)
	approve(changed)
	check("the policy with other spaces")
	changed.Constraints = json.RawMessage(`{"naming_constraints":{"permitted":[".danang.example.vn"]}}`)
	approve(changed)
	check("constraints", enrol.ConstraintsUpdate)
	if s, err = s.Suspend("b", "a reason", at); err != nil {
		t.Fatal(err)
	}
	check("suspended", enrol.Suspension)
	changed.Keys = agreed.Keys
	approve(changed)
	check("brought back with other keys: a registration alone", enrol.Registration)
	if s, err = s.Revoke("b", "a reason", at); err != nil {
		t.Fatal(err)
	}
	check("revoked", enrol.Revocation)
	approve(changed)
	check("enrolled anew", enrol.Registration)
	at = changed.Until
	check("ended", enrol.Expiration)
}

// TestEventsOfBefore: a record that was kept before events were has the state in which it is, and
// one that was never in force has none; of very many the newest are kept.
func TestEventsOfBefore(t *testing.T) {
	e := federationtest.New(t, "https://danang.example.vn")
	old := enrol.Subordinate{ID: e.ID, State: enrol.Active, Terms: terms(t, e), ProposedBy: "a", ApprovedBy: "b", Since: now}
	if got := old.Events(now); len(got) != 1 || got[0] != (enrol.Event{At: now, Kind: enrol.Registration}) {
		t.Errorf("active: %v", got)
	}
	s, err := old.Suspend("b", "a reason", now.Add(time.Hour))
	if got := s.Events(now.Add(time.Hour)); err != nil || len(got) != 2 || got[1].Kind != enrol.Suspension {
		t.Errorf("suspended after that: %v, %v", got, err)
	}
	never, err := enrol.Subordinate{ID: e.ID}.Propose(us, terms(t, e), "a", "", now)
	if err == nil {
		never, err = never.Revoke("b", "a reason", now)
	}
	if got := never.Events(now); err != nil || len(got) != 0 {
		t.Errorf("revoked before it was approved: %v, %v", got, err)
	}
	for range 300 {
		if s, err = s.Propose(us, old.Terms, "a", "", now); err == nil {
			s, err = s.Approve(us, digest(s), "b", now)
		}
		if err == nil {
			s, err = s.Suspend("b", "a reason", now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Events(now); len(got) != 200 || got[199].Kind != enrol.Suspension {
		t.Errorf("%d are kept", len(got))
	}
}
