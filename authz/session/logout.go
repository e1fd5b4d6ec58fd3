package session

import (
	"context"
	"errors"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

// Clients finds an app's registration.
type Clients interface {
	Client(ctx context.Context, id authz.ClientID) (*authz.Client, error)
}

// Notified is an app that relied on a session which has ended, and is told so.
type Notified struct {
	Client  *authz.Client
	Session authz.SessionID
}

// Because is why a session ended. It is kept with the session.
type Because string

// The reasons. What operators do is recorded by their tools.
const (
	SignedOut  Because = "signed out"
	Ended      Because = "ended by the person"
	AllEnded   Because = "all ended by the person"
	Left       Because = "left by the person" // one app
	Replaced   Because = "another person signed in"
	Locked     Because = "locked"
	ByOperator Because = "ended by an operator"
	ByProvider Because = "ended at the provider she signed in by"
)

// signOuts are the reasons that are a person's own act on one session, here or at the provider
// that she signed in by.
var signOuts = map[Because]audit.Action{SignedOut: audit.SignOut, Ended: audit.SignOutOther, ByProvider: audit.SignOutUpstream}

// End ends a session, revokes its grants and queues a logout token for every app
// that has asked for one, with its event: one commit. It tells which apps relied on it.
// All the session's grants end, those with offline_access too: Back-Channel Logout §2.7
// would leave them, but here a person who signs out is told that nothing goes on
// in her name (docs/decisions.md D6).
func (s *Sessions) End(
	ctx context.Context, clients Clients, subject authz.Subject, id authz.SessionID, because Because,
) (notified []Notified, err error) {
	err = s.store.Tx(ctx, func(ctx context.Context) error {
		if notified, err = s.end(ctx, clients, subject, id, because, false); err != nil {
			return err
		}
		if action, ok := signOuts[because]; ok {
			_, err = s.scribe.Write(ctx, audit.Act{Action: action, Subject: subject, At: s.now()})
		}
		return err
	})
	return notified, err
}

// end ends a session, and forgets the person's devices in the same commit if it should.
func (s *Sessions) end(
	ctx context.Context, clients Clients, subject authz.Subject, id authz.SessionID, because Because, devices bool,
) ([]Notified, error) {
	var notified []Notified
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		now := s.now().UTC()
		parties, err := s.store.EndSession(ctx, subject, id, string(because), now)
		if err != nil {
			return err
		}
		if devices { // the account after what a release holds before it
			if err := s.forget(ctx, subject, because, now); err != nil {
				return err
			}
		}
		notified, err = s.queue(ctx, clients, subject, id, parties, now)
		return err
	})
	return notified, err
}

// forget makes a person's browsers strangers to the sign-in. It stands in the first commit
// of a sign-out everywhere, with its event.
func (s *Sessions) forget(ctx context.Context, subject authz.Subject, because Because, now time.Time) error {
	if err := s.store.ForgetDevices(ctx, subject, now); err != nil || because != AllEnded {
		return err
	}
	_, err := s.scribe.Write(ctx, audit.Act{Action: audit.SignOutAll, Subject: subject, At: now})
	return err
}

// Leave signs a person out of one app: its grants of the session end and it is told,
// and the session goes on for the others. authz.ErrNotFound means that it has none.
func (s *Sessions) Leave(
	ctx context.Context, clients Clients, subject authz.Subject, id authz.SessionID, client *authz.Client,
) ([]Notified, error) {
	var notified []Notified
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		now := s.now().UTC()
		if err := s.store.EndAtClient(ctx, subject, id, client.ID, string(Left), now); err != nil {
			return err
		}
		var err error
		if notified, err = s.queue(ctx, clients, subject, id, []authz.ClientID{client.ID}, now); err != nil {
			return err
		}
		_, err = s.scribe.Write(ctx, audit.Act{Action: audit.SignOutApp, App: client, Subject: subject, At: now})
		return err
	})
	return notified, err
}

// queue puts a logout token into the outbox for each app that takes one.
func (s *Sessions) queue(
	ctx context.Context, clients Clients, subject authz.Subject, id authz.SessionID, parties []authz.ClientID, now time.Time,
) ([]Notified, error) {
	var notified []Notified
	for _, party := range parties {
		client, err := clients.Client(ctx, party)
		if errors.Is(err, authz.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		notified = append(notified, Notified{client, id})
		if client.BackchannelLogoutURI == "" {
			continue
		}
		if err := s.store.QueueLogout(ctx, Delivery{
			ID: authz.NewID(), Session: id, Subject: subject, Client: client.ID, URI: client.BackchannelLogoutURI, Next: now,
		}); err != nil {
			return nil, err
		}
	}
	return notified, nil
}

// EndAll ends all sessions of a person, those too that ran out and whose grants
// live on, and forgets her devices: a browser that she left behind is a stranger to
// her next sign-in.
func (s *Sessions) EndAll(ctx context.Context, clients Clients, subject authz.Subject, because Because) ([]Notified, error) {
	var notified []Notified
	forget := true
	for range 20 { // a listing is bounded, and sessions that were ended are not in the next
		list, err := s.store.Sessions(ctx, subject, s.now().Add(-s.limits.Grants-s.limits.Absolute))
		if err != nil {
			return notified, err
		}
		for _, one := range list {
			more, err := s.end(ctx, clients, subject, one.ID, because, forget)
			switch {
			case err == nil:
				forget = false
			case !errors.Is(err, authz.ErrNotFound):
				return notified, err
			}
			notified = append(notified, more...)
		}
		if len(list) == 0 {
			break
		}
	}
	if forget {
		return notified, s.store.Tx(ctx, func(ctx context.Context) error { return s.forget(ctx, subject, because, s.now().UTC()) })
	}
	return notified, nil
}

// DeviceName is the name of the cookie by which the sign-in knows a browser.
func (s *Sessions) DeviceName() string { return cookieName(s.secure, "hn_device") }
