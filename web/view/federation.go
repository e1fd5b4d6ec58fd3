package view

import "time"

// SubordinateState is where the enrolment of an entity stands.
type SubordinateState string

// The states. Of one that is ended the terms were in force until their end.
const (
	SubordinateProposed  SubordinateState = "proposed"
	SubordinateActive    SubordinateState = "active"
	SubordinateEnded     SubordinateState = "ended"
	SubordinateSuspended SubordinateState = "suspended"
	SubordinateRevoked   SubordinateState = "revoked"
)

// SubordinateStates lists them.
func SubordinateStates() []SubordinateState {
	return []SubordinateState{SubordinateProposed, SubordinateActive, SubordinateEnded, SubordinateSuspended, SubordinateRevoked}
}

// Key is the text in the catalogue.
func (s SubordinateState) Key() string { return "subordinate." + string(s) }

// SubordinateRow is one entity in a list.
type SubordinateRow struct {
	ID, URL, Organization string
	State                 SubordinateState
	Level                 int
	Until                 time.Time // zero where nothing was ever in force
	// Waits says that a proposal waits for a second person.
	Waits bool
}

// Subordinates lists the entities below this one. The search is a GET of URL with the fields
// q, a part of the address, and state.
type Subordinates struct {
	URL, Query string
	States     []StateChoice
	Rows       []SubordinateRow
	Next       string
	// ProposeURL leads to the form of a proposal; empty where this server has no
	// subordinates. TrustURL asks whether somebody is trusted.
	ProposeURL, TrustURL string
}

func (Subordinates) page() string { return "Subordinates" }

// StateChoice is one option of the search.
type StateChoice struct {
	State    SubordinateState
	Selected bool
}

// Terms are what was agreed with an entity, or is proposed.
type Terms struct {
	Organization, Agreement string
	Level                   int
	Types                   []string
	Intermediate            bool
	Until                   time.Time
	// Keys are the thumbprints (RFC 7638) that two people compare.
	Keys []string
	// Metadata, Policy and Constraints are JSON; empty for none.
	Metadata, Policy, Constraints string
	// Digest names the terms.
	Digest string
	// By proposed them, At that time, with a reason Why. Approved is who approved them; empty
	// while they wait.
	By, Approved, Why string
	At                time.Time
}

// Rehearsed is what an approval would do to others.
type Rehearsed struct {
	// Known says that something is known of the federation, KnownAt since when.
	Known   bool
	KnownAt time.Time
	// Judged entities could be reached; Before and After of them are trusted.
	Judged, Before, After int
	// Harmed counts the effects that are no gains. Digest names them; empty for none.
	Harmed  int
	Digest  string
	Effects []Effect
	// More effects are not shown.
	More int
}

// EffectKind is what would become of an entity.
type EffectKind string

// EffectKinds lists those that have a text.
func EffectKinds() []EffectKind {
	return []EffectKind{"lost", "role-lost", "mark-lost", "altered", "gained"}
}

// Key is the text in the catalogue.
func (k EffectKind) Key() string { return "effect." + string(k) }

// Effect is what would become of one entity.
type Effect struct {
	Subject string
	Kind    EffectKind
	// Section is that of OpenID Federation 1.0; empty unless trust is lost. Advice says who has
	// to do what.
	Section string
	Advice  Words
	// From are the superiors by whose statement trust is lost.
	From    []string
	Changes []Change
	// Marks are those that count no more.
	Marks []string
}

// Change is one of the metadata of an entity, with the rule that makes it another.
type Change struct {
	Name, Operator, Value, Before, After string
	From                                 []string
}

// FederationProblem says why a step was not taken.
type FederationProblem string

// FederationProblems lists those that have a text.
func FederationProblems() []FederationProblem {
	return []FederationProblem{"reason", "same", "way", "moved", "harms", "step", "date", "entity", "fetch", "terms"}
}

// Key is the text in the catalogue.
func (p FederationProblem) Key() string { return "federation.problem." + string(p) }

// SubordinateDetail is one entity. Each form posts the field step: approve with the hidden
// fields terms and effects; suspend and revoke with reason; renew with until and reason.
type SubordinateDetail struct {
	ID    string
	State SubordinateState
	// By is who brought it there, at Since, with the reason Why.
	By, Why string
	Since   time.Time
	// InForce are terms that were approved, Proposal those that wait; nil for none.
	InForce, Proposal *Terms
	// Rehearsed is of the proposal; nil without one.
	Rehearsed *Rehearsed
	// Mine says that whoever looks proposed it, OtherWay that it was proposed by a command.
	Mine, OtherWay bool
	// Steps that may be taken.
	CanSuspend, CanRenew, CanRevoke bool
	Approve, Suspend, Renew, Revoke Form
	// Reason is what was typed; Problem says why the step was not taken, and Said what the
	// rule says of it, in English.
	Reason  string
	Problem FederationProblem
	Said    string
	BackURL string
	// TrustURL leads to what others judge of it.
	TrustURL string
}

func (SubordinateDetail) page() string { return "SubordinateDetail" }

// TrustRule is a rule that a chain has to keep, as in federation/trust.
type TrustRule string

// TrustRules lists those that have a text.
func TrustRules() []TrustRule {
	return []TrustRule{
		"length", "form", "issued", "unexpired", "first", "between", "link", "no-loop", "hint", "anchor", "own-key", "next-key", "pinned-key",
		"path", "naming", "policies", "complies",
	}
}

// Key is the text in the catalogue.
func (r TrustRule) Key() string { return "trust.rule." + string(r) }

// TrustLink is a statement of a chain.
type TrustLink struct {
	Issuer, Subject string
	// Own says that the entity says this about itself.
	Own   bool
	Until time.Time
	// Keys are the thumbprints of those that it states.
	Keys []string
	// Failed says that a check of this statement failed.
	Failed bool
}

// TrustCheck is one check of a chain.
type TrustCheck struct {
	Rule TrustRule
	// Section is that of OpenID Federation 1.0, About the statement, empty for the chain.
	Section, About string
	Saw            string
	Passed         bool
}

// TrustMark is a trust mark of an entity. Error says, in English, why it does not count.
type TrustMark struct {
	Type, Issuer string
	Counts       bool
	Error        string
}

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
	Chain  []TrustLink
	Checks []TrustCheck
	Steps  []Change
	Marks  []TrustMark
}

func (TrustExplained) page() string { return "TrustExplained" }

// Propose is the form by which an entity is proposed. It posts entity, organization,
// agreement, level, until, policy and reason.
type Propose struct {
	Form                                           Form
	Entity, Organization, Agreement, Level, Policy string
	Until, Reason                                  string
	Problem                                        FederationProblem
	Said                                           string
	BackURL                                        string
}

func (Propose) page() string { return "Propose" }
