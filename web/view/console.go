package view

import (
	"slices"
	"time"
)

// EventType is a kind of event as in authz/audit, for example release.permitted.
type EventType string

// EventTypes lists the kinds that have a text.
func EventTypes() []EventType {
	return []EventType{
		"release.permitted", "release.refused", "release.unanswered",
		"consent.approved", "consent.declined", "consent.withdrawn", "consent.superseded", "consent.suspended",
		"consent.expired", "consent.ended",
		"session.signed-in", "session.refused", "session.signed-out",
		"grant.exchanged", "grant.ended",
		"account.locked", "account.unlocked", "account.factor-changed",
		"auditor.query", "auditor.looked", "auditor.export", "admin.action", "evidence.erased",
	}
}

// Key is the text in the catalogue; that of a kind we do not know says so, since
// a log outlives the release that wrote it.
func (t EventType) Key() string {
	if !slices.Contains(EventTypes(), t) {
		return "event.other"
	}
	return "event." + string(t)
}

// SearchProblem says which field of the search form is invalid.
type SearchProblem string

// The problems.
const (
	SearchRange     SearchProblem = "range"     // ends before it begins
	SearchTime      SearchProblem = "time"      // not a time
	SearchPseudonym SearchProblem = "pseudonym" // not shaped as one
	SearchUnknown   SearchProblem = "unknown"   // a choice that is none
)

// Field is the id of the field that is wrong.
func (p SearchProblem) Field() string {
	switch p {
	case SearchPseudonym:
		return "pseudonym"
	case SearchUnknown:
		return "client"
	}
	return "from"
}

// Key is the text in the catalogue.
func (p SearchProblem) Key() string { return "search.problem." + string(p) }

// Search is the auditor's search. The form is posted to URL with the fields
// pseudonym, client, purpose, type, decision (permit, refuse), from and to
// (2006-01-02T15:04, time of Vietnam; the browser shows them as its user is used
// to): what is looked for is in no address.
type Search struct {
	URL       string
	Pseudonym string
	Clients   []Choice
	Purposes  []Choice
	Types     []TypeChoice
	Permitted bool // decision=permit is selected
	Refused   bool // decision=refuse is selected
	From, To  string
	Problem   SearchProblem
	// Results is nil before the first search.
	Results *Results
	// ExportURL leads to the export of what was found.
	ExportURL string
}

func (Search) page() string { return "Search" }

// TypeChoice is one kind of event in the form.
type TypeChoice struct {
	Type     EventType
	Selected bool
}

// Results is one page of what was found.
type Results struct {
	Rows []EventRow
	// Total counts all that match; More says that there are at least so many.
	Total int
	More  bool
	// Permitted, Refused and People count within the total.
	Permitted, Refused, People int
	Newer, Older               string
	// QueryURL is the record of this very search.
	QueryURL string
}

// EventRow is one event in a table.
type EventRow struct {
	ID         string
	URL        string
	At         time.Time
	Type       EventType
	App        Words
	Client     string
	Pseudonym  string
	Purpose    Words
	Registry   Words
	Attributes int
	Basis      string
	Permit     bool
	// Decided is false for events that permit or refuse nothing.
	Decided bool
	Code    string
	Index   uint64
	Logged  bool
	// Late says that the log took it long after the decision.
	Late bool
	// Fault is set where the record is no evidence.
	Fault RecordFault
}

// EventDetail is everything recorded of one event.
type EventDetail struct {
	Event   EventRow
	Groups  []Group
	Proof   Proof
	BackURL string
}

func (EventDetail) page() string { return "EventDetail" }

// GroupName is a part of an event as in authz/audit: asked, person, reason,
// data, decision, when.
type GroupName string

// GroupNames lists the parts.
func GroupNames() []GroupName {
	return []GroupName{"asked", "person", "reason", "data", "decision", "when"}
}

// Key is the text in the catalogue.
func (g GroupName) Key() string { return "group." + string(g) }

// Group is one part of an event; parts can be shown one without the others.
type Group struct {
	Name  GroupName
	Facts []Fact
}

// Fact is one recorded member: its name in the canonical form, its value, and
// what it means, where the catalogue of purposes knows it.
type Fact struct {
	Name    string
	Value   string
	Meaning Words
}

// FactNames are the members that have a name in words, too.
func FactNames() []string {
	return []string{
		"client", "name", "owner", "grant", "request_id",
		"pseudonym", "kind", "relation", "actor",
		"purpose", "basis", "citation", "consent", "consent_version", "no_consent",
		"registry", "attribute", "query",
		"permit", "code", "determining", "policy_hash", "acr", "account_level",
		"decided", "site", "latency_us",
		"type", "decision", "from", "to",
	}
}

// Key is the text that names the member in words, or empty.
func (f Fact) Key() string {
	if !slices.Contains(FactNames(), f.Name) {
		return ""
	}
	return "fact." + f.Name
}

// Export asks before a result set is exported. It posts to Form; field reason
// is free text without a person's number.
type Export struct {
	Form    Form
	Query   []Fact
	Count   int
	Limit   int
	TooMany bool
	// Missing says that the reason was left empty, Number that it holds twelve digits.
	Missing, Number bool
	BackURL         string
}

func (Export) page() string { return "Export" }
