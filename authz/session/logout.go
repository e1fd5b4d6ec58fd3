package session

import (
	"context"
	"errors"
	"time"

	"hopnhat/authz"
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

// End ends a session, revokes its grants and queues a logout token for every app
// that has asked for one: one commit. It tells which apps relied on it. All the
// session's grants end, those with offline_access too: Back-Channel Logout §2.7
// would leave them, but here a person who signs out is told that nothing goes on
// in her name (docs/decisions.md D6).
func (s *Sessions) End(ctx context.Context, clients Clients, subject authz.Subject, id authz.SessionID, because string) ([]Notified, error) {
	return s.end(ctx, clients, subject, id, because, false)
}

// end is End, and forgets the person's devices in the same commit if it should.
func (s *Sessions) end(ctx context.Context, clients Clients, subject authz.Subject, id authz.SessionID, because string, devices bool) ([]Notified, error) {
	var notified []Notified
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		now := s.now().UTC()
		if devices {
			if err := s.store.ForgetDevices(ctx, subject, now); err != nil {
				return err
			}
		}
		parties, err := s.store.EndSession(ctx, subject, id, because, now)
		if err != nil {
			return err
		}
		notified, err = s.queue(ctx, clients, subject, id, parties, now)
		return err
	})
	return notified, err
}

// Leave signs a person out of one app: its grants of the session end and it is notified,
// and the session goes on for the others. authz.ErrNotFound means that it has none.
func (s *Sessions) Leave(ctx context.Context, clients Clients, subject authz.Subject, id authz.SessionID, client authz.ClientID, because string) ([]Notified, error) {
	var notified []Notified
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		now := s.now().UTC()
		if err := s.store.EndAtClient(ctx, subject, id, client, because, now); err != nil {
			return err
		}
		var err error
		notified, err = s.queue(ctx, clients, subject, id, []authz.ClientID{client}, now)
		return err
	})
	return notified, err
}

// queue puts a logout token into the outbox for each app that takes one.
func (s *Sessions) queue(ctx context.Context, clients Clients, subject authz.Subject, id authz.SessionID, parties []authz.ClientID, now time.Time) ([]Notified, error) {
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
func (s *Sessions) EndAll(ctx context.Context, clients Clients, subject authz.Subject, because string) ([]Notified, error) {
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
		return notified, s.store.ForgetDevices(ctx, subject, s.now().UTC())
	}
	return notified, nil
}

// DeviceName is the name of the cookie by which the sign-in knows a browser.
func (s *Sessions) DeviceName() string { return cookieName(s.secure, "hn_device") }
