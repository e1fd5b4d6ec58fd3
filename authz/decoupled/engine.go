package decoupled

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

// Store keeps requests. Methods join the transaction of their context. Errors:
// authz.ErrNotFound, authz.ErrConflict, authz.ErrUnavailable.
type Store interface {
	// InsertDecoupled stores a request; authz.ErrConflict when its user code is in
	// use.
	InsertDecoupled(ctx context.Context, r Request) error
	// Decoupled finds a request, whatever its state.
	Decoupled(ctx context.Context, id authz.AuthorizationID) (Request, error)
	// DecoupledByUserCode finds the request of a user code, whatever its state.
	DecoupledByUserCode(ctx context.Context, digest []byte) (Request, error)
	// OpenDecoupled lists the requests that a person can still answer, at most limit:
	// the newest of each client first, then the next of each, so that none of them
	// keeps the others from her.
	OpenDecoupled(ctx context.Context, subject authz.Subject, now time.Time, limit int) ([]Request, error)
	// MoveDecoupled moves a request on, if its state is one from which the event
	// leads (see [Leads]), it has not expired, and it is of nobody or of the subject
	// of the move, who is noted with Match. Of any number of calls that lead out of
	// one state exactly one returns nil, the others authz.ErrConflict. A move that
	// ends the request makes its ping due, where the client wants one.
	MoveDecoupled(ctx context.Context, m Move) error
	// PendingFor counts the requests that wait for a person, and says whether she has
	// disowned a request of this client since a time. It holds her account until the
	// transaction ends, so that requests for one person are counted one after the other.
	PendingFor(ctx context.Context, subject authz.Subject, client authz.ClientID, now, since time.Time) (Pending, error)
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Pending is what a person is asked already: how many requests wait for her, of each
// client no more counted than ring ([MaxRingingOfApp]), so that one cannot silence the
// others; how many are of one client, and whether she disowned one of that client's.
type Pending struct {
	Waiting, OfClient int
	NotMe             bool
}

// Move is one step of a request.
type Move struct {
	ID      authz.AuthorizationID
	Event   Event
	Subject authz.Subject
	Because Reason
	At      time.Time
}

// Evidence writes events in the transaction of the context ([audit.Scribe]).
type Evidence interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Engine moves requests through their life.
type Engine struct {
	Store    Store
	Keys     Keys
	Pace     *Pace
	Evidence Evidence
	Notifier Notifier
	Now      func() time.Time
}

// Limits against prompt fatigue: how many waiting requests may ring a person's phone,
// and how many of them may be one app's. A request beyond the limits does not ring; it
// still waits on her page, so that a person at a counter finds the request that was
// made for her. The app gets the same answer either way, and so learns nothing about
// her. A request of an app whose last request she disowned does not reach her at all
// for the time quiet.
const (
	maxRinging      = 3
	MaxRingingOfApp = 2
	maxListed       = 20
	quiet           = time.Hour
)

// Reach is how far a request gets: to nobody; to where the person looks for what
// waits for her; or to her, with a ring.
type Reach int

// The reaches.
const (
	ToNobody Reach = iota
	ToBeSeen
	ToRing
)

// Reaches decides how far a new request of a client gets to a person, in the
// transaction that stores it: of requests that come together no more ring than the
// limit lets. An empty subject is asked for too, so that both answers take the same
// time.
func (e *Engine) Reaches(ctx context.Context, subject authz.Subject, client authz.ClientID) (Reach, error) {
	now := e.Now()
	pending, err := e.Store.PendingFor(ctx, subject, client, now, now.Add(-quiet))
	switch {
	case err != nil, subject == "", pending.NotMe:
		return ToNobody, err
	case pending.Waiting >= maxRinging, pending.OfClient >= MaxRingingOfApp:
		return ToBeSeen, nil
	}
	return ToRing, nil
}

// Tell notifies the person of a request that was stored. Nothing waits for it.
func (e *Engine) Tell(ctx context.Context, n Notice) {
	if e.Notifier == nil || n.Subject == "" {
		return
	}
	ctx = context.WithoutCancel(ctx)
	go func() {
		if err := e.Notifier.Notify(ctx, n); err != nil {
			slog.ErrorContext(ctx, "a person could not be notified of a request that waits for her", "error", err)
		}
	}()
}

// may reports whether a person may deal with a request: in CIBA she must be the one it
// names; a device's request is open to each person who knows the user code, until one
// has confirmed it.
func may(r *Request, subject authz.Subject) bool {
	if r.Channel == CIBA {
		return subject != "" && r.Subject == subject
	}
	return r.Subject == "" || r.Subject == subject
}

// ErrOver means that a request was answered, or has expired.
var ErrOver = errors.New("the request is over")

// Show finds a request for the person who is to answer it, and notes that it was
// shown. Errors: authz.ErrNotFound, ErrOver.
func (e *Engine) Show(ctx context.Context, id authz.AuthorizationID, subject authz.Subject) (Request, error) {
	r, err := e.find(ctx, id, subject)
	if err != nil || r.State != Requested {
		return r, err
	}
	err = e.Store.MoveDecoupled(ctx, Move{ID: id, Event: Show, Subject: r.Subject, At: e.Now()})
	if errors.Is(err, authz.ErrConflict) { // shown elsewhere, or answered
		return e.find(ctx, id, subject)
	}
	r.State = Shown
	return r, err
}

func (e *Engine) find(ctx context.Context, id authz.AuthorizationID, subject authz.Subject) (Request, error) {
	r, err := e.Store.Decoupled(ctx, id)
	switch {
	case err != nil:
		return Request{}, err
	case !may(&r, subject):
		return Request{}, authz.ErrNotFound
	case !r.StateAt(e.Now()).Open():
		return r, ErrOver
	}
	return r, nil
}

// ErrWrongSymbol means that another symbol was picked than the asking device
// shows: the caller denies the request. ErrNotPicked means that what came is no
// choice of the page, which is asked again.
var (
	ErrWrongSymbol = errors.New("the symbol picked is not the one the asking device shows")
	ErrNotPicked   = errors.New("no symbol was picked")
)

// Confirm takes the person's word that she asks for this herself, and the symbol
// she picked as the proof. Errors: ErrWrongSymbol, ErrNotPicked, ErrOver,
// authz.ErrNotFound. same is called in the transaction that writes it, and checks
// that the page she saw is still true; its error leaves nothing written.
func (e *Engine) Confirm(
	ctx context.Context, id authz.AuthorizationID, subject authz.Subject, picked string, same func(context.Context) error,
) error {
	if subject == "" {
		return authz.ErrNotFound
	}
	r, err := e.Show(ctx, id, subject)
	if err != nil || r.State == Confirmed {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(picked), []byte(r.Symbol)) != 1 {
		if slices.Contains(e.Keys.Choices(&r), picked) {
			return ErrWrongSymbol
		}
		return ErrNotPicked
	}
	err = e.Store.Tx(ctx, func(ctx context.Context) error {
		if err := same(ctx); err != nil {
			return err
		}
		return e.Store.MoveDecoupled(ctx, Move{ID: id, Event: Match, Subject: subject, At: e.Now()})
	})
	if errors.Is(err, authz.ErrConflict) {
		return ErrOver
	}
	return err
}

// ByUserCode finds the request of a user code that a person typed, and notes that
// it was shown. Errors: authz.ErrNotFound, ErrOver. The caller throttles (RFC 8628
// §5.1).
func (e *Engine) ByUserCode(ctx context.Context, code string) (Request, error) {
	r, err := e.Store.DecoupledByUserCode(ctx, e.Keys.Digest(code))
	switch {
	case err != nil:
		return Request{}, err
	case !r.StateAt(e.Now()).Open():
		return Request{}, ErrOver
	case r.State == Requested:
		return e.Show(ctx, r.ID, "")
	}
	return r, nil
}

// Waiting lists what waits for a person, newest first.
func (e *Engine) Waiting(ctx context.Context, subject authz.Subject) ([]Request, error) {
	return e.Store.OpenDecoupled(ctx, subject, e.Now(), maxListed)
}

// ConfirmedBy reports whether a person has confirmed a request that is open.
func (e *Engine) ConfirmedBy(
	ctx context.Context, id authz.AuthorizationID, subject authz.Subject,
) (confirmed bool, hinted authz.Subject, err error) {
	r, err := e.Store.Decoupled(ctx, id)
	if err != nil {
		return false, "", err
	}
	if r.Channel == CIBA {
		hinted = r.Subject
	}
	return r.StateAt(e.Now()) == Confirmed && r.Subject == subject, hinted, nil
}

// Approve ends a confirmed request well, in the transaction of the context, which
// also stores the grant.
func (e *Engine) Approve(ctx context.Context, id authz.AuthorizationID, subject authz.Subject) error {
	return e.Store.MoveDecoupled(ctx, Move{ID: id, Event: Approve, Subject: subject, At: e.Now()})
}

// Deny ends a request in one commit, in which also writes too. That the person
// disowned the request, or picked a wrong symbol, goes into the evidence.
func (e *Engine) Deny(
	ctx context.Context, id authz.AuthorizationID, subject authz.Subject, because Reason, client *authz.Client, acr string, also func(
		context.Context,
	) error,
) error {
	err := e.Store.Tx(ctx, func(ctx context.Context) error {
		if err := e.Store.MoveDecoupled(ctx, Move{ID: id, Event: Deny, Subject: subject, Because: because, At: e.Now()}); err != nil {
			return err
		}
		if action, ok := denials[because]; ok && subject != "" {
			if _, err := e.Evidence.Write(ctx, audit.Act{
				Action: action, App: client, Subject: subject, At: e.Now(), Levels: audit.Levels{ACR: acr},
			}); err != nil {
				return err
			}
		}
		if also == nil {
			return nil
		}
		return also(ctx)
	})
	if errors.Is(err, authz.ErrConflict) {
		return ErrOver
	}
	return err
}

// denials are the reasons that go into the evidence.
var denials = map[Reason]audit.Action{NotMe: audit.DenyNotMe, WrongSymbol: audit.DenyWrongSymbol}
