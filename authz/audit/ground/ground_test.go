package ground

import (
	"errors"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
)

var decided = time.Date(2026, 11, 23, 7, 48, 0, 0, time.UTC)

func base(kind audit.Type) audit.Event {
	return audit.Event{
		ID: authz.NewID(), Type: kind, Asked: audit.Asked{Client: "so-dat"},
		Person: audit.Person{Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g"},
		Reason: audit.Reason{Purpose: "land.mortgage", Basis: authz.BasisConsent}, Consent: audit.Consent{ID: "c1", Version: 2},
		Data: audit.Data{Registry: "land", Attributes: []authz.AttributeID{"land.parcel"}}, When: audit.When{Decided: decided, Site: "dc1"},
	}
}

// disclosed shows some groups of an event, all if none is named.
func disclosed(t *testing.T, e audit.Event, hidden ...commitment.Group) commitment.Disclosure {
	t.Helper()
	canonical, err := e.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	id, kind, groups, err := commitment.Split(canonical)
	if err != nil {
		t.Fatal(err)
	}
	var show []commitment.Group
	for _, g := range commitment.Groups() {
		if len(hidden) == 0 || hidden[0] != g {
			show = append(show, g)
		}
	}
	return commitment.Disclose(id, kind, groups, commitment.Salt{}, show...)
}

// TestWhatAReleaseSharesWithItsConsent: a consent that the release names is not enough.
func TestWhatAReleaseSharesWithItsConsent(t *testing.T) {
	for _, row := range []struct {
		name   string
		given  func(e *audit.Event)
		of     func(e *audit.Event)
		hidden []commitment.Group // of the release
		holds  bool
	}{
		{name: "all is the same", holds: true},
		{name: "given a year before", given: func(e *audit.Event) { e.When.Decided = decided.AddDate(-1, 0, 0) }, holds: true},
		{name: "given a moment after, by another clock", given: func(e *audit.Event) { e.When.Decided = decided.Add(time.Minute) }, holds: true},
		{name: "given ten days after the release", given: func(e *audit.Event) { e.When.Decided = decided.AddDate(0, 0, 10) }},
		{name: "it ended after the release", given: func(e *audit.Event) { e.Detail.Text = commitment.UntilText(decided.Add(time.Hour)) }, holds: true},
		{name: "it had ended a day before", given: func(e *audit.Event) { e.Detail.Text = commitment.UntilText(decided.AddDate(0, 0, -1)) }},
		{name: "its text says something else", given: func(e *audit.Event) { e.Detail.Text = "valid-until:1999" }, holds: true},
		{name: "of another person", given: func(e *audit.Event) { e.Person.Pseudonym = "z0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g" }},
		{name: "for another app", given: func(e *audit.Event) { e.Asked.Client = "thue" }},
		{name: "for another purpose", given: func(e *audit.Event) { e.Reason.Purpose = "tax" }},
		{name: "of another register", given: func(e *audit.Event) { e.Data.Registry = "tax" }},
		{name: "another consent", given: func(e *audit.Event) { e.Consent.ID = "c2" }},
		{name: "another version", given: func(e *audit.Event) { e.Consent.Version = 3 }},
		{name: "a refusal", given: func(e *audit.Event) { e.Type = audit.ConsentDeclined }},
		{name: "an app that acts for the one agreed with", of: func(e *audit.Event) {
			e.Asked.Client, e.Detail = "cong-chung", audit.Detail{Action: "acting-for", Object: "so-dat", Count: 1}
		}, holds: true},
		{name: "an app that acts for another one", of: func(e *audit.Event) {
			e.Detail = audit.Detail{Action: "acting-for", Object: "thue", Count: 1}
		}},
		{name: "a release that names none", of: func(e *audit.Event) { e.Decision.Determining = nil }},
		{name: "the person is withheld", hidden: []commitment.Group{commitment.Person}},
		{name: "the time is withheld", hidden: []commitment.Group{commitment.When}},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := base(audit.ConsentApproved)
			if row.given != nil {
				row.given(&e)
			}
			given := disclosed(t, e)
			r := base(audit.ReleasePermitted)
			r.Decision = audit.Decision{
				Permit: true, Determining: []string{commitment.Reference{ID: given.ID, Commitment: given.Commitment()}.String()},
			}
			if row.of != nil {
				row.of(&r)
			}
			if err := Check(disclosed(t, r, row.hidden...), given); (err == nil) != row.holds || err != nil && !errors.Is(err, ErrOther) {
				t.Errorf("got %v, want it to hold: %v", err, row.holds)
			}
		})
	}
}

// TestTheConsentIsTheOneThatIsNamed: another event that says the same is not it.
func TestTheConsentIsTheOneThatIsNamed(t *testing.T) {
	given, other := disclosed(t, base(audit.ConsentApproved)), disclosed(t, base(audit.ConsentApproved))
	r := base(audit.ReleasePermitted)
	r.Decision = audit.Decision{
		Permit: true, Determining: []string{commitment.Reference{ID: given.ID, Commitment: given.Commitment()}.String()},
	}
	if err := Check(disclosed(t, r), other); !errors.Is(err, ErrOther) {
		t.Errorf("got %v", err)
	}
}
