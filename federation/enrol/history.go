package enrol

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// EventKind is what happened to an enrolment (OpenID Federation Subordinate Events Endpoint 1.0,
// ID1 §2.3.3).
type EventKind string

// The kinds of events. ConstraintsUpdate and Expiration are none of the draft, which lets others be
// defined: the constraints of the statement changed; the enrolment ended and was not renewed.
const (
	Registration      EventKind = "registration"
	KeysUpdate        EventKind = "jwks_update"
	MetadataUpdate    EventKind = "metadata_update"
	PolicyUpdate      EventKind = "metadata_policy_update"
	ConstraintsUpdate EventKind = "constraints_update"
	Suspension        EventKind = "suspension"
	Revocation        EventKind = "revocation"
	Expiration        EventKind = "expiration"
)

// maxHistory is how many events of an entity are kept, the newest.
const maxHistory = 200

// Event is what happened at a time.
type Event struct {
	At   time.Time `json:"at"`
	Kind EventKind `json:"event"`
}

// Events are what happened to the enrolment until a time, the oldest first; none of one that was
// never in force. Of a record from before events were kept it is the state in which it was then.
func (s Subordinate) Events(now time.Time) []Event {
	all := slices.Clone(s.History)
	if len(all) == 0 && s.ApprovedBy != "" {
		kinds := map[State]EventKind{Active: Registration, Suspended: Suspension, Revoked: Revocation}
		all = append(all, Event{s.Since, kinds[s.State]})
	}
	if s.State == Active && !now.Before(s.Terms.Until) {
		all = append(all, Event{s.Terms.Until, Expiration})
	}
	return all
}

// happened is the record with more events.
func (s Subordinate) happened(now time.Time, kinds ...EventKind) []Event {
	all := s.Events(now)
	for _, kind := range kinds {
		all = append(all, Event{now.UTC(), kind})
	}
	return all[max(0, len(all)-maxHistory):]
}

// approved are the events of an approval: a registration alone, or what changed for one that is in
// force.
func (s Subordinate) approved(next Terms, now time.Time) []EventKind {
	if !s.InForce(now) {
		return []EventKind{Registration}
	}
	var kinds []EventKind
	for _, part := range []struct {
		kind          EventKind
		before, after any
	}{
		{KeysUpdate, s.Terms.Keys, next.Keys},
		{MetadataUpdate, s.Terms.supplied(), next.supplied()},
		{PolicyUpdate, s.Terms.Policy, next.Policy},
		{ConstraintsUpdate, s.Terms.limits(), next.limits()},
	} {
		if !bytes.Equal(canonical(part.before), canonical(part.after)) {
			kinds = append(kinds, part.kind)
		}
	}
	return kinds
}

// canonical is a value as JSON with its members in order; empty for nothing.
func canonical(value any) []byte {
	if raw, ok := value.(json.RawMessage); ok && len(raw) == 0 {
		return nil
	}
	raw, err := json.Marshal(value)
	var same any
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		err = d.Decode(&same)
	}
	if err == nil {
		raw, err = json.Marshal(same)
	}
	if err != nil { // Check refused it
		return nil
	}
	return raw
}
