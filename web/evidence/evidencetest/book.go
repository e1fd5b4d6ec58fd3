// Package evidencetest is evidence in memory, for tests of the pages that show it: events
// that are found as a database would find them, and a log that proves each of them.
package evidencetest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/consent"
	"hopnhat/web/evidence"
)

// Origin is the shard that is written now, Key its verifier key.
const (
	Origin = "log.example/release/dc1/2027q1"
	Key    = Origin + "+01234567+key"
)

// Book keeps events, the newest last. It is safe for concurrent use by handlers.
type Book struct {
	mu     sync.Mutex
	Events []audit.Recorded
	// Uses are those of consents.
	Uses map[authz.ConsentID]consent.Uses
	// Err is what every reading fails with, RecordErr every writing.
	Err, RecordErr error
	// Written are the events that were recorded here.
	Written []audit.Event
	// Exported is the last export.
	Exported proof.Found
	// Proofless makes the log prove nothing yet.
	Proofless bool
}

// Pseudonym is the name of a person in the evidence.
func Pseudonym(who authz.Subject) string {
	return string(who) + strings.Repeat("_", 43-len(who))
}

// Add puts an event into the book and into the log.
func (b *Book) Add(e audit.Event) audit.Event {
	if e.ID == "" {
		e.ID = authz.NewID()
	}
	b.Events = append(b.Events, audit.Recorded{Event: e, Index: uint64(len(b.Events)), Logged: true, Origin: Origin})
	return e
}

// Audit is [Pseudonym].
func (b *Book) Audit(_ context.Context, who authz.Subject) (string, error) {
	return Pseudonym(who), b.Err
}

// Get finds an event.
func (b *Book) Get(_ context.Context, id string) (audit.Recorded, error) {
	for _, r := range b.Events {
		if r.Event.ID == id {
			return r, b.Err
		}
	}
	return audit.Recorded{}, authz.ErrNotFound
}

func (b *Book) all(q audit.Query, keep func(audit.Event) bool) (out []audit.Recorded) {
	for _, r := range slices.Backward(b.Events) {
		e := r.Event
		switch {
		case q.Pseudonym != "" && e.Person.Pseudonym != q.Pseudonym, q.Client != "" && e.Asked.Client != q.Client,
			q.Purpose != "" && e.Reason.Purpose != q.Purpose, q.Type != "" && e.Type != q.Type, q.Before != "" && e.ID >= q.Before,
			q.Outcome == audit.Permitted && !e.Decision.Permit, q.Outcome == audit.Refused && e.Decision.Permit, !keep(e):
			continue
		}
		out = append(out, r)
	}
	return out
}

func firsts(found []audit.Recorded, limit int) []audit.Recorded {
	return found[:min(len(found), limit)]
}

func (b *Book) count(found []audit.Recorded) evidence.Counts {
	counts, people := evidence.Counts{Total: len(found)}, map[string]bool{}
	for _, r := range found {
		if people[r.Event.Person.Pseudonym] = true; r.Event.Decision.Permit {
			counts.Permitted++
		}
		if _, ever := r.Event.Visibility.SeenFrom(r.Event.When.Decided); !ever {
			counts.Concealed++
		}
	}
	counts.People = len(people)
	return counts
}

func always(audit.Event) bool { return true }

func visible(kinds []audit.Type, now time.Time) func(audit.Event) bool {
	return func(e audit.Event) bool {
		from, ever := e.Visibility.SeenFrom(e.When.Decided)
		return slices.Contains(kinds, e.Type) && ever && !now.Before(from)
	}
}

// Find finds events, the newest first.
func (b *Book) Find(_ context.Context, q audit.Query) ([]audit.Recorded, error) {
	return firsts(b.all(q, always), q.Limit), b.Err
}

// Count counts what Find finds over all pages.
func (b *Book) Count(_ context.Context, q audit.Query) (evidence.Counts, error) {
	q.Before = ""
	return b.count(b.all(q, always)), b.Err
}

// FindVisible finds what the person herself may see.
func (b *Book) FindVisible(_ context.Context, q audit.Query, kinds []audit.Type, now time.Time) ([]audit.Recorded, error) {
	return firsts(b.all(q, visible(kinds, now)), q.Limit), b.Err
}

// CountVisible counts what FindVisible finds over all pages.
func (b *Book) CountVisible(_ context.Context, q audit.Query, kinds []audit.Type, now time.Time) (evidence.Counts, error) {
	q.Before = ""
	return b.count(b.all(q, visible(kinds, now))), b.Err
}

// ClientsVisible are the apps in what FindVisible finds.
func (b *Book) ClientsVisible(_ context.Context, q audit.Query, kinds []audit.Type, now time.Time) (out []authz.ClientID, err error) {
	for _, r := range b.all(q, visible(kinds, now)) {
		if id := r.Event.Asked.Client; !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, b.Err
}

// UsesOf are the uses of consents.
func (b *Book) UsesOf(_ context.Context, ids []authz.ConsentID) (map[authz.ConsentID]consent.Uses, error) {
	out := map[authz.ConsentID]consent.Uses{}
	for _, id := range ids {
		if uses, ok := b.Uses[id]; ok {
			out[id] = uses
		}
	}
	return out, b.Err
}

// Scribe writes into the book.
func (b *Book) Scribe(now func() time.Time) *audit.Scribe {
	return &audit.Scribe{Rows: b, Pseudonyms: b, Site: "dc1", Now: now}
}

// Record stores events.
func (b *Book) Record(_ context.Context, events ...audit.Sealed) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.RecordErr != nil {
		return b.RecordErr
	}
	for _, e := range events {
		b.Written = append(b.Written, e.Event)
		b.Add(e.Event)
	}
	return nil
}

// RecordHolding is Record: nothing here changes meanwhile.
func (b *Book) RecordHolding(ctx context.Context, e audit.Sealed, _ audit.Hold) error {
	return b.Record(ctx, e)
}

// NextNumber is one more than there are events of the person.
func (b *Book) NextNumber(_ context.Context, pseudonym string, _ *audit.Hold) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := int64(1)
	for _, r := range b.Events {
		if r.Event.Person.Pseudonym == pseudonym {
			n++
		}
	}
	return n, b.RecordErr
}

// Tx calls at once.
func (b *Book) Tx(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }

// AfterCommit calls at once.
func (b *Book) AfterCommit(ctx context.Context, do func(ctx context.Context) error) error {
	return do(ctx)
}

// Proof proves an entry.
func (b *Book) Proof(_ context.Context, origin string, index uint64) (proof.Inclusion, string, error) {
	if b.Proofless || origin != Origin {
		return proof.Inclusion{}, "", authz.ErrUnavailable
	}
	return proof.Inclusion{Index: index, Checkpoint: Origin + "\n1\nAAAA\n"}, Key, nil
}

// KeyOf is the key of the shard.
func (b *Book) KeyOf(_ context.Context, origin string) string {
	if origin != Origin {
		return ""
	}
	return Key
}

// Origin is the shard that is written now.
func (b *Book) Origin() string { return Origin }

// Bundle notes what it was asked to show.
func (b *Book) Bundle(_ context.Context, query []byte, _ time.Time, found proof.Found) ([]byte, error) {
	b.Exported = found
	return append([]byte("export of "), query...), nil
}

// Release is a permitted release of the data of a person to an app, good as evidence.
func Release(who authz.Subject, to authz.ClientID, at time.Time) audit.Event {
	return audit.Event{
		Type: audit.ReleasePermitted, Asked: audit.Asked{Client: to, Name: string(to)}, Person: audit.Person{Pseudonym: Pseudonym(who)},
		Reason: audit.Reason{Purpose: "land.mortgage", Basis: authz.BasisConsent}, Consent: audit.Consent{ID: "c1", Version: 1},
		Data:     audit.Data{Registry: "population", Attributes: []authz.AttributeID{"population.full_name"}},
		Decision: audit.Decision{Permit: true}, When: audit.When{Decided: at.UTC(), Site: "dc1"},
	}
}
