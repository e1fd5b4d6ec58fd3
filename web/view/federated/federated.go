// Package federated has what pages about the federation show: the states of enrolments, terms,
// what a change would do, and chains with their checks. The pages are in package view.
package federated

import (
	"time"

	"hopnhat/authz"
)

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
	Advice  authz.LocalizedText
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
	return []FederationProblem{"reason", "same", "way", "moved", "harms", "unrehearsed", "unexplained", "step", "date", "entity", "fetch", "terms"}
}

// Key is the text in the catalogue.
func (p FederationProblem) Key() string { return "federation.problem." + string(p) }

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

// BranchRow is a subordinate of a trust anchor, with all that is below it.
type BranchRow struct {
	Entity, URL      string
	Trusted, Refused int
	// FirstEnd is when the first chain ends, by the statement of Issuer about Subject; zero
	// where nobody is trusted.
	FirstEnd        time.Time
	Issuer, Subject string
	// OneKey counts entities that have announced no next key.
	OneKey int
	// Unreachable and Weak are the first of those that did not answer, or sign with a weak
	// algorithm.
	Unreachable, Weak []string
}

// Trust says whether an entity is trusted, and why not.
type Trust struct {
	URL, Entity string
	// Time is the time of the question as it was typed, empty for now; BadTime says that it is
	// none, or to come. Then is the answer about a time that is past.
	Time    string
	BadTime bool
	Then    *Then
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
	Advice authz.LocalizedText
	Error  string
	// Chain is drawn from the anchor down.
	Chain  []TrustLink
	Checks []TrustCheck
	Steps  []Change
	Marks  []TrustMark
}

// Then says what each node knew of an entity at a time.
type Then struct {
	At    time.Time
	Nodes []ThenNode
}

// ThenNode is what one node knew. Where it was not looking, nobody can say what it would have
// found; what it had found before is told beside.
type ThenNode struct {
	Node string
	// Looked says that it had walked through the federation shortly before. Known says that it had
	// found the entity, Gone that it found it no more.
	Looked, Known, Trusted, Gone bool
	// Since is when it found the verdict first; Before and After are its walks around the time,
	// zero for none.
	Since, Before, After   time.Time
	Anchor, Marks, Section string
	Error                  string
	Advice                 authz.LocalizedText
	// Chain is drawn from the anchor down.
	Chain []TrustLink
}

// Forecast says what threatens the federation.
type Forecast struct {
	// Known says that something is known here, KnownAt since when.
	Known                                         bool
	KnownAt                                       time.Time
	Trusted, Refused, Unreachable, OneKey, Weakly int
	FirstEnd                                      time.Time
	Rows                                          []BranchRow
	// More branches are not shown.
	More    int
	BackURL string
}
