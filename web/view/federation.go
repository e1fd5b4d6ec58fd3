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
	// WeatherURL leads to what threatens the federation.
	WeatherURL string
}

func (Subordinates) page() string { return "Subordinates" }

// SubordinateDetail is one entity. Each form posts the field step: approve with the hidden fields
// terms and effects, and with reason where nothing was rehearsed; suspend and revoke with reason;
// renew with until and reason.
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
// with the fields id and at, empty for now.
type TrustExplained struct{ federated.Trust }

func (TrustExplained) page() string { return "TrustExplained" }

// Weather says what threatens the federation, what ends first before the rest.
type Weather struct{ federated.Forecast }

func (Weather) page() string { return "Weather" }

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
