package reconcile

import (
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
)

// Link is a link with a person at another provider as it stands in the database, beside the
// genuine events of it.
type Link struct {
	ID string
	// Pseudonym is the person in the evidence.
	Pseudonym string
	// State is what the event that made it commits to ([change.State]).
	State []byte
	Ended bool
	// Made is the event by which it was made, Over one by which it ended; nil if there is none.
	Made, Over *audit.Recorded
	// Erased says that an event of the person was erased: what is missing may be that one.
	Erased bool
}

// Stands reports whether a link goes on as the event says that made it, and by no event has
// ended. Nobody signs in by another.
func (l Link) Stands() bool {
	return !l.Ended && l.Over == nil && l.Made != nil && l.Made.Fault == "" && l.Made.Event.Person.Pseudonym == l.Pseudonym &&
		l.Made.Event.Payload.Digest == l.Made.Salt.PayloadDigest(l.State)
}

// Differs reports whether a link is not as its events say. One that has ended lets nobody in,
// whoever made it: an event has to say that it ended.
func (l Link) Differs() bool {
	switch {
	case l.Ended:
		return l.Over == nil && !l.Erased
	case l.Made == nil:
		return !l.Erased
	}
	return !l.Stands()
}

// Links tells of the links that are not as their events say.
func Links(all []Link, tell func(Finding)) {
	for _, l := range all {
		if !l.Differs() {
			continue
		}
		f := Finding{Kind: LinkUnexplained, Object: commitment.Bounded(l.ID), Pseudonym: l.Pseudonym, Text: NoEvent.with()}
		if l.Made != nil {
			f.Event, f.Text = l.Made.Event.ID, NotAsSaid.with()
		}
		tell(f)
	}
}
