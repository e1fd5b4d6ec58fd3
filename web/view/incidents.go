package view

import "time"

// IncidentKind is what is wrong in the evidence, as in authz/audit/reconcile.
type IncidentKind string

// IncidentKinds lists all kinds that have a text.
func IncidentKinds() []IncidentKind {
	return []IncidentKind{
		"leaf-without-row", "row-without-leaf", "other-commitment", "place-twice", "place-not-genuine", "not-genuine", "number-missing", "number-twice",
		"counter-differs", "role-unexplained", "app-unexplained", "resource-unexplained", "consent-unexplained", "incident-unexplained",
		"link-unexplained", "enrolment-unexplained", "state-not-genuine", "province-log", "choice-unexplained",
		"too-many",
	}
}

// Key is the text in the catalogue that names the kind; What is the one that says what it
// means.
func (k IncidentKind) Key() string { return "incident.kind." + string(k.known()) }

// What is the text in the catalogue that says what a kind means.
func (k IncidentKind) What() string { return "incident.what." + string(k.known()) }

func (k IncidentKind) known() IncidentKind {
	for _, one := range IncidentKinds() {
		if one == k {
			return k
		}
	}
	return "other"
}

// IncidentState is what has become of an incident.
type IncidentState string

// The states.
const (
	IncidentOpen     IncidentState = "open"
	IncidentProposed IncidentState = "proposed"
	IncidentClosed   IncidentState = "closed"
)

// Key is the text in the catalogue.
func (s IncidentState) Key() string { return "incident.state." + string(s) }

// IncidentRow is one incident in a list.
type IncidentRow struct {
	ID, URL string
	Kind    IncidentKind
	State   IncidentState
	// Found is when it was found first, Seen when last, and Node by which node.
	Found, Seen time.Time
	Node        string
	// About is the place, event, app or API it is about.
	About string
}

// Incidents lists what is wrong in the evidence, the newest first.
type Incidents struct {
	Rows []IncidentRow
	// All says that closed ones are listed too; OtherURL lists the others.
	All          bool
	OtherURL     string
	Newer, Older string
}

func (Incidents) page() string { return "Incidents" }

// IncidentWord is what one of the two said who close an incident.
type IncidentWord struct {
	By, Reason string
	At         time.Time
}

// IncidentProblem says why a word was not taken.
type IncidentProblem string

// The problems.
const (
	IncidentReason IncidentProblem = "reason" // there is none
	IncidentLong   IncidentProblem = "long"
	IncidentNumber IncidentProblem = "number" // it may hold the number of a person
	IncidentText   IncidentProblem = "text"   // it holds a character that is no part of a text
	IncidentSame   IncidentProblem = "same"   // the second is the first
	IncidentMoved  IncidentProblem = "moved"  // somebody else was first
)

// Key is the text in the catalogue.
func (p IncidentProblem) Key() string { return "incident.problem." + string(p) }

// IncidentMore says more of an incident: a word of authz/audit/reconcile with its numbers,
// two at most.
type IncidentMore struct {
	Word    string
	Numbers []int
}

// IncidentWords lists the words that have a text.
func IncidentWords() []string {
	return []string{
		"altered", "and-after", "columns", "counted", "counted-anew", "given-again", "gone", "misplaced", "no-event", "no-seal", "not-as-said",
		"not-counted", "row-altered", "unreadable", "unsealed",
	}
}

// Key is the text in the catalogue.
func (m IncidentMore) Key() string { return "incident.more." + m.Word }

// IncidentDetail is one incident. Form posts the field reason, and the field step: propose or
// close.
type IncidentDetail struct {
	Incident IncidentRow
	// Event is the id of the event it is about, and EventURL its page; Pseudonym the person
	// it is about. Each is empty where it is about none.
	Event, EventURL, Pseudonym string
	// More says more, and Text what is said in no words of ours, as by a later release.
	More *IncidentMore
	Text string
	// Proposal and Confirmation are nil while nobody has said them.
	Proposal, Confirmation *IncidentWord
	Form                   Form
	// Mine says that whoever looks proposed it herself, so another one has to confirm.
	Mine    bool
	Reason  string
	Problem IncidentProblem
	BackURL string
}

func (IncidentDetail) page() string { return "IncidentDetail" }

// Banner says on each page of the console that incidents are open.
type Banner struct {
	Open int
	URL  string
}
