package reconcile

import (
	"slices"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
)

// Agreement is a consent as it stands in the database, beside the newest genuine event by which
// it was given or ended.
type Agreement struct {
	ID string
	// Pseudonym is the person in the evidence.
	Pseudonym                       string
	Client, Purpose, Registry, Text string
	Version                         int
	Approved                        bool
	Until                           time.Time
	Attributes                      []string
	// Newest is that event, nil if there is none: such a consent lets nothing go.
	Newest *audit.Event
	// Erased says that an event of the person was erased: what is missing may be that one.
	Erased bool
}

// Differs reports whether a consent is not as its newest event says. One that is approved has to
// be as it was given; any other must not be given by its newest event.
func (a Agreement) Differs() bool {
	e := a.Newest
	if e == nil {
		return false
	}
	given := e.Type == audit.ConsentApproved
	if (given != a.Approved || given && e.Consent.Version < a.Version) && a.Erased {
		return false
	}
	if !given || !a.Approved {
		return given || a.Approved
	}
	attributes := make([]string, len(e.Data.Attributes))
	for i, one := range e.Data.Attributes {
		attributes[i] = string(one)
	}
	until := commitment.ParseUntil(e.Detail.Text)
	return e.Consent.Version != a.Version || e.Person.Pseudonym != a.Pseudonym || string(e.Asked.Client) != a.Client ||
		string(e.Reason.Purpose) != a.Purpose || string(e.Data.Registry) != a.Registry || e.Consent.Text != a.Text ||
		!slices.Equal(sorted(attributes), sorted(a.Attributes)) || !until.IsZero() && a.Until.Sub(until).Abs() > time.Microsecond
}

func sorted(all []string) []string { return slices.Compact(slices.Sorted(slices.Values(all))) }

// Agreements tells of the consents that are not as their newest events say.
func Agreements(all []Agreement, tell func(Finding)) {
	for _, a := range all {
		if a.Differs() {
			tell(Finding{
				Kind: ConsentUnexplained, Object: commitment.Bounded(a.ID), Pseudonym: a.Pseudonym, Event: a.Newest.ID,
				Text: NotAsSaid.with(),
			})
		}
	}
}
