// Package decoupledtest keeps decoupled requests in memory, as the store promises,
// for tests of those who use it.
package decoupledtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/decoupled"
)

// Store is a [decoupled.Store] and the evidence beside it.
type Store struct {
	mu       sync.Mutex
	requests map[authz.AuthorizationID]decoupled.Request
	decided  map[authz.AuthorizationID]time.Time
	// Events are what was staged and stayed.
	Events []audit.Event
}

// New makes an empty one.
func New() *Store {
	return &Store{requests: map[authz.AuthorizationID]decoupled.Request{}, decided: map[authz.AuthorizationID]time.Time{}}
}

// InsertDecoupled refuses a user code that is in use.
func (s *Store) InsertDecoupled(_ context.Context, r decoupled.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.requests {
		if len(r.UserCode) > 0 && bytes.Equal(other.UserCode, r.UserCode) {
			return authz.ErrConflict
		}
	}
	s.requests[r.ID] = r
	return nil
}

// Decoupled finds a request.
func (s *Store) Decoupled(_ context.Context, id authz.AuthorizationID) (decoupled.Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if !ok {
		return r, authz.ErrNotFound
	}
	return r, nil
}

// DecoupledByUserCode finds the request of a user code.
func (s *Store) DecoupledByUserCode(_ context.Context, digest []byte) (decoupled.Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if len(digest) > 0 && bytes.Equal(r.UserCode, digest) {
			return r, nil
		}
	}
	return decoupled.Request{}, authz.ErrNotFound
}

// OpenDecoupled lists what a person can still answer, the newest of each client
// first.
func (s *Store) OpenDecoupled(_ context.Context, subject authz.Subject, now time.Time, limit int) ([]decoupled.Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []decoupled.Request
	for _, r := range s.requests {
		if subject != "" && r.Subject == subject && r.Channel == decoupled.CIBA && r.StateAt(now).Open() {
			out = append(out, r)
		}
	}
	newest := func(a, b decoupled.Request) int { return b.Created.Compare(a.Created) }
	slices.SortFunc(out, newest)
	turn, turns := map[authz.AuthorizationID]int{}, map[authz.ClientID]int{}
	for _, r := range out {
		turns[r.Client]++
		turn[r.ID] = turns[r.Client]
	}
	slices.SortStableFunc(out, func(a, b decoupled.Request) int { return cmp.Compare(turn[a.ID], turn[b.ID]) })
	return out[:min(limit, len(out))], nil
}

// MoveDecoupled moves a request if the rules let it.
func (s *Store) MoveDecoupled(_ context.Context, m decoupled.Move) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[m.ID]
	from, to := decoupled.Leads(m.Event)
	if !ok || !slices.Contains(from, r.State) || !m.At.Before(r.Expires) || r.Subject != "" && r.Subject != m.Subject {
		return authz.ErrConflict
	}
	r.State = to
	if to == decoupled.Confirmed {
		r.Subject = m.Subject
	}
	if !to.Open() {
		r.Because, s.decided[m.ID] = m.Because, m.At
	}
	s.requests[m.ID] = r
	return nil
}

// PendingFor counts what waits.
func (s *Store) PendingFor(
	ctx context.Context, subject authz.Subject, client authz.ClientID, now, since time.Time,
) (decoupled.Pending, error) {
	waiting, err := s.OpenDecoupled(ctx, subject, now, 1000)
	s.mu.Lock()
	defer s.mu.Unlock()
	var out decoupled.Pending
	of := map[authz.ClientID]int{}
	for _, r := range waiting {
		if of[r.Client]++; of[r.Client] <= decoupled.MaxRingingOfApp {
			out.Waiting++
		}
	}
	out.OfClient = of[client]
	for id, at := range s.decided {
		r := s.requests[id]
		out.NotMe = out.NotMe ||
			subject != "" && r.Subject == subject && r.Client == client && r.Because == decoupled.NotMe && at.After(since)
	}
	return out, err
}

// Tx undoes what a failed function wrote.
func (s *Store) Tx(ctx context.Context, fn func(context.Context) error) error {
	s.mu.Lock()
	requests, decided, events := maps.Clone(s.requests), maps.Clone(s.decided), slices.Clone(s.Events)
	s.mu.Unlock()
	err := fn(ctx)
	if err != nil {
		s.mu.Lock()
		s.requests, s.decided, s.Events = requests, decided, events
		s.mu.Unlock()
	}
	return err
}

// Scribe writes evidence into Events.
func (s *Store) Scribe() *audit.Scribe { return &audit.Scribe{Rows: s, Pseudonyms: s} }

// Record keeps events.
func (s *Store) Record(_ context.Context, events ...audit.Sealed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		s.Events = append(s.Events, e.Event)
	}
	return nil
}

// RecordHolding is not asked for here.
func (s *Store) RecordHolding(context.Context, audit.Sealed, audit.Hold) error {
	return errors.ErrUnsupported
}

// NextNumber is not asked for here.
func (s *Store) NextNumber(context.Context, string, *audit.Hold) (int64, error) {
	return 0, errors.ErrUnsupported
}

// AfterCommit has nothing to wait for.
func (s *Store) AfterCommit(ctx context.Context, do func(context.Context) error) error {
	return do(ctx)
}

// Audit names a person in the evidence.
func (s *Store) Audit(_ context.Context, subject authz.Subject) (string, error) {
	return "the-name-in-the-evidence-of-the-person-" + string(subject), nil
}
