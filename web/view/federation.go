package view

import (
	"time"

	"hopnhat/web/view/federated"
)

// Subordinates lists the entities below this one. The search is a GET of URL with the fields
// q, a part of the address, and state.
type Subordinates struct {
	URL, Query string
	States     []federated.StateChoice
	Rows       []federated.SubordinateRow
	Next       string
	// ProposeURL leads to the form of a proposal; empty where this server has no
	// subordinates. TrustURL asks whether somebody is trusted.
	ProposeURL, TrustURL string
}

func (Subordinates) page() string { return "Subordinates" }

// SubordinateDetail is one entity. Each form posts the field step: approve with the hidden
// fields terms and effects; suspend and revoke with reason; renew with until and reason.
type SubordinateDetail struct {
	ID    string
	State federated.SubordinateState
	// By is who brought it there, at Since, with the reason Why.
	By, Why string
	Since   time.Time
	// InForce are terms that were approved, Proposal those that wait; nil for none.
	InForce, Proposal *federated.Terms
	// Rehearsed is of the proposal; nil without one.
	Rehearsed *federated.Rehearsed
	// Mine says that whoever looks proposed it, OtherWay that it was proposed by a command.
	Mine, OtherWay bool
	// Steps that may be taken.
	CanSuspend, CanRenew, CanRevoke bool
	Approve, Suspend, Renew, Revoke Form
	// Reason is what was typed; Problem says why the step was not taken, and Said what the
	// rule says of it, in English.
	Reason  string
	Problem federated.FederationProblem
	Said    string
	BackURL string
	// TrustURL leads to what others judge of it.
	TrustURL string
}

func (SubordinateDetail) page() string { return "SubordinateDetail" }

// TrustExplained says whether an entity is trusted, and why not. The question is a GET of URL
// with the field id.
type TrustExplained struct {
	URL, Entity string
	// Malformed says that what was asked is no entity.
	Malformed bool
	// Known says that something is known here, KnownAt since when.
	Known   bool
	KnownAt time.Time
	// Asked and Found: there was a question, and statements that lead to a trust anchor.
	Asked, Found bool
	Trusted      bool
	Anchor       string
	Until        time.Time
	// Advice says who has to do what, and Error in English what failed.
	Advice Words
	Error  string
	// Chain is drawn from the anchor down.
	Chain  []federated.TrustLink
	Checks []federated.TrustCheck
	Steps  []federated.Change
	Marks  []federated.TrustMark
}

func (TrustExplained) page() string { return "TrustExplained" }

// Propose is the form by which an entity is proposed. It posts entity, organization,
// agreement, level, until, policy and reason.
type Propose struct {
	Form                                           Form
	Entity, Organization, Agreement, Level, Policy string
	Until, Reason                                  string
	Problem                                        federated.FederationProblem
	Said                                           string
	BackURL                                        string
}

func (Propose) page() string { return "Propose" }
