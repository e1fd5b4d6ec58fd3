package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hopnhat/authz"
)

// Delivery is a logout token on its way to an app, Back-Channel Logout §2.5.
type Delivery struct {
	ID       string
	Session  authz.SessionID
	Subject  authz.Subject
	Client   authz.ClientID
	URI      string
	Attempts int
	Next     time.Time
	Done     time.Time
	Failed   string
}

// Clients finds an app's registration.
type Clients interface {
	Client(ctx context.Context, id authz.ClientID) (*authz.Client, error)
}

// End ends a session, revokes its grants and queues a logout token for every app
// that has asked for one: one commit. It tells which apps will be told.
func (s *Sessions) End(ctx context.Context, clients Clients, subject authz.Subject, id authz.SessionID, because string) ([]*authz.Client, error) {
	var told []*authz.Client
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		told = nil
		now := s.now().UTC()
		parties, err := s.store.EndSession(ctx, subject, id, because, now)
		if err != nil {
			return err
		}
		for _, party := range parties {
			client, err := clients.Client(ctx, party)
			if errors.Is(err, authz.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			told = append(told, client)
			if client.BackchannelLogoutURI == "" {
				continue
			}
			if err := s.store.QueueLogout(ctx, Delivery{
				ID: authz.NewID(), Session: id, Subject: subject, Client: client.ID, URI: client.BackchannelLogoutURI, Next: now,
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return told, err
}

// EndAll ends all live sessions of a person.
func (s *Sessions) EndAll(ctx context.Context, clients Clients, subject authz.Subject, because string) ([]*authz.Client, error) {
	list, err := s.List(ctx, subject)
	if err != nil {
		return nil, err
	}
	var told []*authz.Client
	for _, one := range list {
		more, err := s.End(ctx, clients, subject, one.ID, because)
		if err != nil && !errors.Is(err, authz.ErrNotFound) {
			return told, err
		}
		told = append(told, more...)
	}
	return told, nil
}

// Outbox is the durable queue of deliveries.
type Outbox interface {
	// DueLogouts claims deliveries whose time has come: none is claimed twice
	// before until.
	DueLogouts(ctx context.Context, now, until time.Time, limit int) ([]Delivery, error)
	// FinishLogout notes an attempt: done, or to be tried again at d.Next.
	FinishLogout(ctx context.Context, d Delivery) error
}

// Deliverer posts logout tokens until the app has taken them, or eight attempts
// over about an hour have failed.
type Deliverer struct {
	Outbox Outbox
	// Token makes the logout token for a delivery, Back-Channel Logout §2.4.
	Token func(ctx context.Context, d Delivery) (string, error)
	HTTP  *http.Client
	Now   func() time.Time
	// Wake is signalled when a delivery was queued by this node.
	Wake <-chan struct{}
}

const maxAttempts = 8

// Run delivers until ctx ends.
func (d *Deliverer) Run(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		if err := d.Deliver(ctx); err != nil && ctx.Err() == nil {
			slog.Error("logout tokens could not be delivered", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-d.Wake:
		}
	}
}

// Deliver tries what is due once.
func (d *Deliverer) Deliver(ctx context.Context) error {
	now := d.Now().UTC()
	due, err := d.Outbox.DueLogouts(ctx, now, now.Add(time.Minute), 50)
	if err != nil {
		return err
	}
	for _, one := range due {
		one.Attempts++
		if err := d.post(ctx, one); err != nil {
			one.Failed = err.Error()
			one.Next = d.Now().UTC().Add(15 * time.Second << min(one.Attempts, 8))
			if one.Attempts >= maxAttempts {
				one.Done = d.Now().UTC()
			}
			slog.Warn("an app did not take a logout token", "client", one.Client, "attempt", one.Attempts, "error", err)
		} else {
			one.Done, one.Failed = d.Now().UTC(), ""
		}
		if err := d.Outbox.FinishLogout(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func (d *Deliverer) post(ctx context.Context, one Delivery) error {
	token, err := d.Token(ctx, one)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body := url.Values{"logout_token": {token}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, one.URI, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := d.HTTP.Do(r)
	if err != nil {
		return errors.New("the app could not be reached")
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 4<<10))
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the app answered %d", answer.StatusCode)
	}
	return nil
}
