// Package ground tells by what two events say of themselves on which consent a release rests,
// and whether the event of a consent is of that release. It knows neither log nor database.
package ground

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"hopnhat/authz/audit/commitment"
)

// Kind is what a proof of a release says of the consent that it rests on; empty where it says
// nothing, as of an event that is no release.
type Kind string

// The kinds.
const (
	Proved   Kind = "proved"   // the event by which it was given is shown, with its place
	Unproved Kind = "unproved" // it is not: it was erased, is in a log of another site, or is not named
	None     Kind = "none"     // the legal basis is not consent
)

const (
	release      = "release.permitted" // the type of an event that rests on a ground
	consentBasis = "LB-CONSENT"        // the legal basis of a release on consent
	actingFor    = "acting-for"        // the detail of a release to an app that acts for the one agreed with
)

// ErrOther means that the events do not belong together, or do not show what tells it.
var ErrOther = errors.New("the consent is not the one that the release rests on")

// skew is how far the clocks of two nodes may differ.
const skew = 5 * time.Minute

// Of tells which kind a proof of an event can be, and the event by which the consent was given,
// if it names one. ErrOther says that what tells it is not shown.
func Of(d commitment.Disclosure) (Kind, commitment.Reference, error) {
	if d.Type != release {
		return "", commitment.Reference{}, nil
	}
	var reason struct {
		Basis string `json:"basis"`
	}
	var decision struct {
		Determining []string `json:"determining"`
	}
	if err := read(d, map[commitment.Group]any{commitment.Reason: &reason, commitment.Decision: &decision}); err != nil {
		return "", commitment.Reference{}, err
	}
	for _, text := range decision.Determining {
		if r, ok := commitment.ParseReference(text); ok {
			return Proved, r, nil
		}
	}
	if reason.Basis == consentBasis {
		return Unproved, commitment.Reference{}, nil
	}
	return None, commitment.Reference{}, nil
}

// read reads groups that are shown.
func read(d commitment.Disclosure, groups map[commitment.Group]any) error {
	for group, into := range groups {
		shown, ok := d.Shown(group)
		if !ok {
			return fmt.Errorf("%w: group %q of event %s is not shown", ErrOther, group, d.ID)
		}
		if err := json.Unmarshal(shown, into); err != nil {
			return fmt.Errorf("%w: group %q of event %s: %w", ErrOther, group, d.ID, err)
		}
	}
	return nil
}

// said is what has to be the same of a release and its consent.
type said struct {
	Person  struct{ Pseudonym string }
	Asked   struct{ Client string }
	Reason  struct{ Purpose string }
	Data    struct{ Registry string }
	Consent struct {
		Consent string
		Version int
	}
	Detail struct{ Action, Object, Text string }
	When   struct{ Decided time.Time }
}

func sayings(d commitment.Disclosure) (s said, err error) {
	err = read(d, map[commitment.Group]any{
		commitment.Person: &s.Person, commitment.Asked: &s.Asked, commitment.Reason: &s.Reason, commitment.Data: &s.Data,
		commitment.Consent: &s.Consent, commitment.Detail: &s.Detail, commitment.When: &s.When,
	})
	return s, err
}

// Check returns an error unless an event is that by which the consent of a release was given: the
// one that the release names, of the same person, app, purpose, register and version of the
// consent, not given after the release, and not over by then, where its event says when it ends.
// That it was not withdrawn in between it does not tell.
func Check(of, given commitment.Disclosure) error {
	_, reference, err := Of(of)
	if err != nil {
		return err
	}
	if given.Type != commitment.GroundType || given.ID != reference.ID || given.Commitment() != reference.Commitment {
		return fmt.Errorf("%w: it names event %s", ErrOther, reference.ID)
	}
	r, err := sayings(of)
	if err != nil {
		return err
	}
	c, err := sayings(given)
	if err != nil {
		return err
	}
	app := r.Asked.Client
	if r.Detail.Action == actingFor { // another app acts for the one that she agreed with
		app = r.Detail.Object
	}
	for _, one := range []struct {
		what string
		same bool
	}{
		{"person", r.Person.Pseudonym == c.Person.Pseudonym},
		{"app", app == c.Asked.Client},
		{"purpose", r.Reason.Purpose == c.Reason.Purpose},
		{"register", r.Data.Registry == c.Data.Registry},
		{"version of the consent", r.Consent == c.Consent && c.Consent.Consent != ""},
	} {
		if !one.same {
			return fmt.Errorf("%w: it is of another %s", ErrOther, one.what)
		}
	}
	if c.When.Decided.After(r.When.Decided.Add(skew)) {
		return fmt.Errorf("%w: it was given after the release", ErrOther)
	}
	if until := commitment.ParseUntil(c.Detail.Text); !until.IsZero() && r.When.Decided.After(until.Add(skew)) {
		return fmt.Errorf("%w: it had ended before the release", ErrOther)
	}
	return nil
}
