// Package reconcile holds what is recorded against itself, so that nobody who can write to
// the database, or to the log's folder, changes, hides or invents evidence unseen: each
// leaf has its row or the tombstone of its row, each row its leaf within [Within], the
// numbers of each person are without gap, counters agree, and each role, app, API, consent, link
// with another provider, enrolment and trust mark is as the newest event of it says.
//
// Everything here is a function of streams: nothing is read or written, and what is kept in
// memory does not grow with the streams. What it finds becomes an incident
// ([hopnhat/authz/audit/incident]); that nothing is found changes nothing.
package reconcile

import (
	"fmt"
	"time"
)

// Within is the time in which a row has its leaf: another site leaves ten minutes to the
// site of an event, and the sweep of a recorder comes each minute.
const Within = 15 * time.Minute

// Kind is what is wrong.
type Kind string

// The kinds.
const (
	LeafWithoutRow      Kind = "leaf-without-row"     // an event was deleted
	RowWithoutLeaf      Kind = "row-without-leaf"     // an event is not in the log, or not where it says
	OtherCommitment     Kind = "other-commitment"     // the row is not what the log has at its place
	PlaceTwice          Kind = "place-twice"          // two events say they have one place
	PlaceForged         Kind = "place-not-genuine"    // a place that no server noted, and that is not the event's
	NotGenuine          Kind = "not-genuine"          // a row was altered or invented
	NumberMissing       Kind = "number-missing"       // a person's numbers have a gap
	NumberTwice         Kind = "number-twice"         // two events of a person have one number
	CounterDiffers      Kind = "counter-differs"      // the log counted otherwise
	RoleUnexplained     Kind = "role-unexplained"     // a role that no event gave, or took
	AppUnexplained      Kind = "app-unexplained"      // an app that is not as its newest event says
	ResourceUnexplained Kind = "resource-unexplained" // an API that is not as its newest event says
	ConsentUnexplained  Kind = "consent-unexplained"  // a consent that is not as its newest event says
	LinkUnexplained     Kind = "link-unexplained"     // a link with another provider that is not as its events say
	// EnrolmentUnexplained is of an enrolment in the federation or a trust mark.
	EnrolmentUnexplained Kind = "enrolment-unexplained"
	StateForged          Kind = "state-not-genuine"    // a row that says what became of the evidence, and that no server wrote so
	ProvinceLog          Kind = "province-log"         // a province's log is not what it was
	ChoiceUnexplained    Kind = "choice-unexplained"   // a choice of a province that no event explains
	IncidentUnexplained  Kind = "incident-unexplained" // an incident that was closed, deleted or added without its event
)

// Finding is one thing that is wrong. It names persons by pseudonym only.
type Finding struct {
	Kind Kind
	// Origin and Index are a place in the log, where the finding is about one.
	Origin string
	Index  uint64
	// Event is the id of the event, and Pseudonym the person it is about, where known.
	Event, Pseudonym string
	// Object is what else it is about: a role, an app, an API, an hour of a counter.
	Object string
	// Number is a person's number that is missing or there twice.
	Number int64
	// Text says more, and names nobody: a [Word] with its numbers.
	Text string
}

// Key is the same for what is the same finding at another time.
func (f Finding) Key() string {
	switch f.Kind {
	case LeafWithoutRow, PlaceTwice, ProvinceLog:
		return fmt.Sprintf("%s %s#%d", f.Kind, f.Origin, f.Index)
	case PlaceForged:
		return fmt.Sprintf("%s %s#%d of %s", f.Kind, f.Origin, f.Index, f.Event)
	case NumberMissing, NumberTwice:
		return fmt.Sprintf("%s %s#%d", f.Kind, f.Pseudonym, f.Number)
	case RoleUnexplained, ChoiceUnexplained:
		return fmt.Sprintf("%s %s of %s", f.Kind, f.Object, f.Pseudonym)
	case CounterDiffers, AppUnexplained, ResourceUnexplained, ConsentUnexplained, LinkUnexplained, IncidentUnexplained,
		EnrolmentUnexplained, StateForged:
		return fmt.Sprintf("%s %s", f.Kind, f.Object)
	}
	return fmt.Sprintf("%s %s", f.Kind, f.Event)
}

// Said is what evidence says of a finding: nothing that names a person.
func (f Finding) Said() string {
	switch f.Kind {
	case LeafWithoutRow, PlaceTwice, PlaceForged, ProvinceLog:
		return f.Key()
	case NumberMissing, NumberTwice:
		return fmt.Sprintf("%s #%d", f.Kind, f.Number)
	case RoleUnexplained, ChoiceUnexplained,
		CounterDiffers, AppUnexplained, ResourceUnexplained, ConsentUnexplained, LinkUnexplained, IncidentUnexplained,
		EnrolmentUnexplained, StateForged:
		return fmt.Sprintf("%s %s", f.Kind, f.Object)
	}
	return fmt.Sprintf("%s %s", f.Kind, f.Event)
}
