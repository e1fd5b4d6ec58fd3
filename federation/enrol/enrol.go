package enrol

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
)

// State is where a subordinate stands.
type State string

// The states. An entity that was revoked can be proposed anew.
const (
	Proposed  State = "proposed" // nothing is stated of it yet
	Active    State = "active"
	Suspended State = "suspended"
	Revoked   State = "revoked"
)

// Refusals of a step.
var (
	// ErrSamePerson is of whoever approves what she proposed, at whichever machine.
	ErrSamePerson = errors.New("who proposed it cannot approve it: a second person has to")
	// ErrOtherWay is of whoever approves at a page what was proposed by a command, or the
	// other way round: the two names of one person there have nothing in common.
	ErrOtherWay = errors.New("it was proposed another way, so nobody can tell the two persons apart: approve it where it was proposed, or propose it again")
	// ErrOtherTerms is of an approval of other terms than those that wait.
	ErrOtherTerms = errors.New("what waits for approval is not what was looked at")
	// ErrStep is of a step that does not follow from the state.
	ErrStep = errors.New("the step does not follow from where the enrolment stands")
)

// Proposal is what somebody wants to become the terms.
type Proposal struct {
	Terms Terms     `json:"terms"`
	By    string    `json:"by"`
	At    time.Time `json:"at"`
	Why   string    `json:"why,omitempty"`
}

// Subordinate is the record of one entity. The zero value but for its ID is one that was
// never proposed.
type Subordinate struct {
	ID    federation.EntityID `json:"-"`
	State State               `json:"-"`
	// Terms are in force while the state is active, until they end.
	Terms Terms `json:"terms"`
	// ProposedBy and ApprovedBy are the two who brought the terms into force.
	ProposedBy string `json:"proposed_by,omitempty"`
	ApprovedBy string `json:"approved_by,omitempty"`
	// Since is when the state was entered, By who did it, and Why the reason given.
	Since time.Time `json:"since"`
	By    string    `json:"by"`
	Why   string    `json:"why,omitempty"`
	// History are the newest events, as far as the nodes that took the steps kept them: see
	// [Subordinate.Events].
	History []Event `json:"history,omitempty"`
	// Proposal waits for a second person.
	Proposal *Proposal `json:"proposal,omitempty"`
	// Revision counts the changes; storage compares it.
	Revision int `json:"-"`
}

// InForce reports whether statements are issued about it at a time.
func (s Subordinate) InForce(now time.Time) bool {
	return s.State == Active && now.Before(s.Terms.Until)
}

// Propose puts terms before a second person. What is in force stays so until she approves;
// a proposal that waited is replaced. issuer is who would state them.
func (s Subordinate) Propose(issuer federation.EntityID, t Terms, by, why string, now time.Time) (Subordinate, error) {
	if err := person(by, why, false); err != nil {
		return s, err
	}
	if err := t.Check(issuer, s.ID, now); err != nil {
		return s, err
	}
	s.Proposal = &Proposal{Terms: t, By: by, At: now.UTC(), Why: why}
	if s.State == "" {
		s.State, s.Since, s.By, s.Why = Proposed, now.UTC(), by, why
	}
	return s, nil
}

// Renew proposes the terms in force with another end.
func (s Subordinate) Renew(issuer federation.EntityID, until time.Time, by, why string, now time.Time) (Subordinate, error) {
	if s.State != Active && s.State != Suspended {
		return s, fmt.Errorf("%w: %s is %s, and only what is active or suspended is renewed", ErrStep, s.ID, s.named())
	}
	t := s.Terms
	t.Until = until
	return s.Propose(issuer, t, by, why, now)
}

// samePerson reports whether two names are of one person: the part before an @ names her,
// and what follows the machine at which she works.
func samePerson(a, b string) bool {
	a, _, _ = strings.Cut(a, "@")
	b, _, _ = strings.Cut(b, "@")
	return a == b
}

// sameWay reports whether two names are of one kind, which is what stands before a colon.
func sameWay(a, b string) bool {
	kind := func(name string) string {
		before, _, found := strings.Cut(name, ":")
		if !found {
			return ""
		}
		return before
	}
	return kind(a) == kind(b)
}

// Approve brings what was proposed into force. seen is the digest of the terms that she
// looked at, so that nobody puts others in their place meanwhile. The proposal is checked
// again: it may have waited long.
func (s Subordinate) Approve(issuer federation.EntityID, seen, by string, now time.Time) (Subordinate, error) {
	p := s.Proposal
	switch {
	case p == nil:
		return s, fmt.Errorf("%w: nothing is proposed for %s", ErrStep, s.ID)
	case samePerson(by, p.By):
		return s, ErrSamePerson
	case !sameWay(by, p.By):
		return s, ErrOtherWay
	case seen != p.Terms.Digest():
		return s, fmt.Errorf("%w: look at %s again; the terms that wait are %s", ErrOtherTerms, s.ID, p.Terms.Digest())
	}
	if err := person(by, p.Why, false); err != nil {
		return s, err
	}
	if err := p.Terms.Check(issuer, s.ID, now); err != nil {
		return s, err
	}
	s.History = s.happened(now, s.approved(p.Terms, now)...)
	s.State, s.Terms, s.ProposedBy, s.ApprovedBy, s.Proposal = Active, p.Terms, p.By, by, nil
	s.Since, s.By, s.Why = now.UTC(), by, p.Why
	return s, nil
}

// Suspend stops statements until a renewal is approved. One person can, at once.
func (s Subordinate) Suspend(by, why string, now time.Time) (Subordinate, error) {
	if s.State != Active {
		return s, fmt.Errorf("%w: %s is %s, and only what is active is suspended", ErrStep, s.ID, s.named())
	}
	return s.end(Suspended, by, why, now)
}

// Revoke ends the enrolment, and takes away what is proposed. One person can, at once.
func (s Subordinate) Revoke(by, why string, now time.Time) (Subordinate, error) {
	if s.State == "" || s.State == Revoked {
		return s, fmt.Errorf("%w: %s is %s", ErrStep, s.ID, s.named())
	}
	return s.end(Revoked, by, why, now)
}

func (s Subordinate) end(state State, by, why string, now time.Time) (Subordinate, error) {
	if err := person(by, why, true); err != nil {
		return s, err
	}
	if s.ApprovedBy != "" {
		s.History = s.happened(now, map[State]EventKind{Suspended: Suspension, Revoked: Revocation}[state])
	}
	s.State, s.Since, s.By, s.Why, s.Proposal = state, now.UTC(), by, why, nil
	return s, nil
}

// named is the state in a sentence.
func (s Subordinate) named() string {
	if s.State == "" {
		return "not enrolled"
	}
	return string(s.State)
}

// person checks who takes a step, and the reason where one is wanted.
func person(by, why string, wanted bool) error {
	switch {
	case by == "":
		return fmt.Errorf("%w: nobody is named who takes it", ErrStep)
	case wanted && strings.TrimSpace(why) == "":
		return fmt.Errorf("%w: a reason is wanted", ErrStep)
	}
	return CheckReason(why)
}

// CheckReason checks a reason that stands in the evidence: a text of 200 bytes at most that
// carries no number of a person. The error wraps ErrStep.
func CheckReason(why string) error {
	if why != "" && (len(why) > maxText || authz.CheckFreeText(why) != nil) {
		return fmt.Errorf("%w: the reason is longer than %d bytes, not a text, or carries the number of a person", ErrStep, maxText)
	}
	return nil
}
