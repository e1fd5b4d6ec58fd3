// Package incident is what becomes of a finding of reconciliation: something is wrong in
// the evidence, until two people, of whom the second is not the first, have said why it
// need not be looked at any more. Opening, proposing to close and closing are evidence.
//
// An incident changes nothing of what is answered to apps and people, and no readiness: who
// can alter a row must not be able to switch off the nation. It is shown: to auditors and
// operators on each of their pages, to the person it concerns beside what it concerns, to
// who watches the nodes as a metric and a line of log.
package incident

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/reconcile"
)

// State is what becomes of an incident.
type State string

// The states.
const (
	Open     State = "open"
	Proposed State = "proposed" // one person has said why it may be closed
	Closed   State = "closed"   // another one agreed
)

// Incident is one thing that is wrong in the evidence.
type Incident struct {
	// ID is a UUIDv7. The same finding again is the same incident.
	ID string
	reconcile.Finding
	// FoundAt is when it was found first, SeenAt when last, and Node by which node.
	FoundAt, SeenAt time.Time
	Node            string
	State           State
	// Proposal and Confirmation are the words of the two who close it.
	Proposal, Confirmation Word
	// Altered says that the row is not as it was written: no word of it counts.
	Altered bool
}

// Word is what one person says of an incident.
type Word struct {
	// By is her pseudonym, or the account of the operating system that ran a tool.
	By     string
	Role   authz.Role
	Reason string
	At     time.Time
}

// Store keeps incidents.
type Store interface {
	// Tx runs a function in one transaction.
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
	// NoteIncident keeps an incident that is new, and notes of one that is known that it
	// was seen again. A closed one that was not seen since a time is no longer the same.
	NoteIncident(ctx context.Context, i Incident, since time.Time) (opened bool, err error)
	// OpenIncidents counts those that are not closed.
	OpenIncidents(ctx context.Context) (int, error)
	// Incident finds one; [authz.ErrNotFound] if there is none.
	Incident(ctx context.Context, id string) (Incident, error)
	// ProposeClosing keeps the first word of an open incident; [authz.ErrConflict] if it is
	// not open.
	ProposeClosing(ctx context.Context, id string, w Word) error
	// CloseIncident keeps the second word; [authz.ErrConflict] if nobody else proposed it.
	CloseIncident(ctx context.Context, id string, w Word) error
}

// Scribe writes evidence ([audit.Scribe]).
type Scribe interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// MostOpen bounds the incidents that are not closed: who alters every row fills no database
// with them. What is found beyond is one incident more, of kind [TooMany].
const MostOpen = 10_000

// TooMany is the kind of the incident that says that there are more than are listed.
const TooMany reconcile.Kind = "too-many"

// Desk opens and closes incidents. It is safe for concurrent use.
type Desk struct {
	Store  Store
	Scribe Scribe
	// Node names who finds.
	Node string
	// Logger is [slog.Default] if nil.
	Logger *slog.Logger
	Now    func() time.Time
}

// Report opens an incident for each finding that is none yet, in one commit with its event,
// and returns how many were opened. since is when the whole look before this one began: see
// [Store].
func (d *Desk) Report(ctx context.Context, findings []reconcile.Finding, since time.Time) (opened int, err error) {
	if len(findings) == 0 {
		return 0, nil
	}
	open, err := d.Store.OpenIncidents(ctx)
	if err != nil {
		return 0, err
	}
	for _, f := range findings {
		if open >= MostOpen && f.Kind != TooMany {
			f = reconcile.Finding{Kind: TooMany}
		}
		is, err := d.open(ctx, f, since)
		if err != nil {
			return opened, err
		}
		if is {
			opened++
			open++
		}
	}
	return opened, nil
}

func (d *Desk) open(ctx context.Context, f reconcile.Finding, since time.Time) (opened bool, err error) {
	now := d.Now().UTC().Truncate(time.Microsecond)
	i := Incident{ID: authz.NewID(), Finding: f, FoundAt: now, SeenAt: now, Node: d.Node, State: Open}
	err = d.Store.Tx(ctx, func(ctx context.Context) error {
		if opened, err = d.Store.NoteIncident(ctx, i, since); err != nil || !opened {
			return err
		}
		_, err := d.Scribe.Write(ctx, audit.Act{
			Action: audit.IncidentOpened, At: now, Detail: audit.Detail{Object: i.ID, Text: commitment.Bounded(f.Said())},
			Decision: audit.Decision{Determining: []string{"reconciliation"}},
		})
		return err
	})
	if err != nil {
		return false, fmt.Errorf("opening an incident of kind %s: %w", f.Kind, err)
	}
	if opened {
		logger := d.Logger
		if logger == nil {
			logger = slog.Default()
		}
		logger.ErrorContext(ctx, "the evidence is not as it was written: an incident was opened; see hopnhat audit incidents show",
			"incident", i.ID, "kind", string(f.Kind))
	}
	return opened, nil
}

// Person is who says a word: a person who is signed in. A tool says none, since it knows no
// person but an account of its machine, which may be that of the other one.
type Person struct {
	// Name is her pseudonym.
	Subject authz.Subject
	Name    string
	Role    authz.Role
	// Levels and Trace are those of her visit.
	Levels audit.Levels
	Trace  audit.Trace
}

// Why a word is not taken.
var (
	ErrReason    = errors.New("a reason is missing")
	ErrLong      = fmt.Errorf("a reason is longer than %d characters", MaxReason)
	ErrNumber    = errors.New("a reason holds twelve digits, which may be the number of a person")
	ErrText      = errors.New("a reason holds a character that is no part of a text")
	ErrSame      = errors.New("an incident is closed by two different people")
	ErrNotOpen   = errors.New("the incident is not open")
	ErrRole      = errors.New("an incident is closed by auditors and operators who are signed in")
	ErrNoPropose = errors.New("nobody has proposed to close the incident")
)

// MaxReason bounds a reason, in characters.
const MaxReason = 200

// reason is a reason as it is kept, or why it is none.
func reason(text string) (string, error) {
	text = norm.NFC.String(strings.TrimSpace(text)) // some keyboards compose nothing
	switch {
	case text == "":
		return "", ErrReason
	case len([]rune(text)) > MaxReason:
		return "", ErrLong
	case authz.CarriesNumber(text):
		return "", ErrNumber
	case commitment.CheckText(text) != nil:
		return "", ErrText
	}
	return text, nil
}

// Propose is the first of two words.
func (d *Desk) Propose(ctx context.Context, id string, p Person, why string) error {
	return d.say(ctx, audit.IncidentCloseProposed, id, p, why, func(i Incident) error {
		if i.State != Open {
			return ErrNotOpen
		}
		return nil
	}, d.Store.ProposeClosing)
}

// Close is the second word, by another person than the first.
func (d *Desk) Close(ctx context.Context, id string, p Person, why string) error {
	return d.say(ctx, audit.IncidentClosed, id, p, why, func(i Incident) error {
		switch {
		case i.State == Open:
			return ErrNoPropose
		case i.State == Closed:
			return ErrNotOpen
		case i.Proposal.By == p.Name:
			return ErrSame
		}
		return nil
	}, d.Store.CloseIncident)
}

func (d *Desk) say(
	ctx context.Context, action audit.Action, id string, p Person, why string, may func(Incident) error,
	keep func(ctx context.Context, id string, w Word) error,
) error {
	why, err := reason(why)
	if err != nil {
		return err
	}
	if p.Role != authz.Auditor && p.Role != authz.Operator || p.Name == "" || p.Subject == "" {
		return ErrRole
	}
	w := Word{By: p.Name, Role: p.Role, Reason: why, At: d.Now().UTC().Truncate(time.Microsecond)}
	return d.Store.Tx(ctx, func(ctx context.Context) error {
		i, err := d.Store.Incident(ctx, id)
		if err != nil {
			return err
		}
		if err := may(i); err != nil {
			return err
		}
		switch err := keep(ctx, id, w); {
		case errors.Is(err, authz.ErrConflict): // somebody was first
			return ErrNotOpen
		case err != nil:
			return err
		}
		_, err = d.Scribe.Write(ctx, audit.Act{
			Action: action, Actor: p.Subject, Person: audit.Person{Role: p.Role}, At: w.At, Detail: audit.Detail{Object: id, Text: why},
			Decision: audit.Decision{Determining: []string{"role:" + string(p.Role), "person"}}, Levels: p.Levels, Trace: p.Trace,
		})
		return err
	})
}
