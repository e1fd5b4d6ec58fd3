package view

import (
	"time"

	"hopnhat/web/view/plain"
)

// Timeline is "Ai đã xem dữ liệu của tôi": every release of the person's data,
// newest first, refused ones too.
type Timeline struct {
	Releases []Release
	// Apps are the apps to filter by; the field of the filter is app, sent by GET
	// to FilterURL.
	Apps      []Choice
	FilterURL string
	Filtered  bool
	Total     int
	// Questioned says that an open incident is about what is recorded of her.
	Questioned bool
	// Newer and Older are pages beside this one, empty at an end.
	Newer, Older string
}

func (Timeline) page() string { return "Timeline" }

// Days groups the releases by day in Vietnam, in their order.
func (t Timeline) Days() []Day {
	var days []Day
	for _, r := range t.Releases {
		if n := len(days); n > 0 && plain.Day(days[n-1].Date) == plain.Day(r.At) {
			days[n-1].Releases = append(days[n-1].Releases, r)
			continue
		}
		days = append(days, Day{r.At, []Release{r}})
	}
	return days
}

// Day is one day of a timeline.
type Day struct {
	Date     time.Time
	Releases []Release
}

// Release is one release, permitted or refused.
type Release struct {
	ID  string
	URL string
	At  time.Time
	App App
	// ActsFor is the app she dealt with, where App acts for it; empty where App
	// acts for itself.
	ActsFor Words
	// Exchanged is set where no data left: App got access on behalf of ActsFor.
	Exchanged bool
	// Look is set where no data left: an auditor looked at what is recorded of her.
	Look       Look
	Purpose    Words
	Registry   Words
	Attributes []Item
	Basis      Words
	Permitted  bool
	// Refusal says why, where it was refused.
	Refusal Words
	// Fault is set where the record is no evidence; then nothing else but ID and At is.
	Fault RecordFault
	// ConsentURL leads to the consent it rests on, empty on another basis.
	ConsentURL string
	// Questioned says that an open incident is about it.
	Questioned bool
}

// Look is how an auditor looked at what is recorded of a person, empty where none did.
type Look string

// The ways: by her pseudonym, at one event, and taken away as a file.
const (
	LookSearched Look = "searched"
	LookOpened   Look = "opened"
	LookExported Look = "exported"
)

// Key is the text in the catalogue.
func (l Look) Key() string { return "look." + string(l) }

// Released reports whether data left, or were refused.
func (r Release) Released() bool { return !r.Exchanged && r.Look == "" }

// ReleaseDetail is everything about one release.
type ReleaseDetail struct {
	Release       Release
	Citation      string
	CaseReference string
	// Consent and ConsentVersion are empty on another basis.
	Consent        string
	ConsentVersion int
	// Level is the authentication level of the session, 0 if there was none.
	Level       int
	Code        string   // the decision's stable code
	Determining []string // ids of the rules that decided
	RequestID   string
	Proof       Proof
	// Looked is the event that an auditor opened, and LookedURL shows it; empty where
	// she opened none.
	Looked, LookedURL string
	BackURL           string
}

func (ReleaseDetail) page() string { return "ReleaseDetail" }

// Proof is an event's place in the release log.
type Proof struct {
	// Logged is false while the place is not yet known (seconds at most).
	Logged bool
	Index  uint64
	Origin string // name of the log
	// URL downloads the proof file; empty shows none.
	URL string
	// File is the name it is saved under.
	File string
	// Key is the log's verifier key, with which the printed command is checked; empty
	// if it is not known.
	Key string
}
