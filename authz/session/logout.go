package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
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

// GuardedClient is an HTTP client for URLs that apps have registered: it reaches
// public addresses only, follows no redirect and gives up soon. allowLoopback
// lets demonstrations reach this machine.
func GuardedClient(allowLoopback bool) *http.Client {
	dialer := &net.Dialer{
		Timeout: 3 * time.Second,
		// Control runs after the name was resolved, so a name that changes its
		// address between check and use gains nothing.
		Control: func(_, address string, _ syscall.RawConn) error {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return err
			}
			ip, err := netip.ParseAddr(host)
			if err != nil {
				return err
			}
			if ip = ip.Unmap(); ip.IsLoopback() && allowLoopback {
				return nil
			}
			if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() ||
				sharedSpace.Contains(ip) {
				return errors.New("the address is not public")
			}
			return nil
		},
	}
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 3 * time.Second, MaxIdleConns: 50,
			IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 16 << 10, Proxy: nil,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Fetcher gets documents with a guarded client.
type Fetcher struct{ Client *http.Client }

// Fetch gets what is at a URL: status 200, and no longer than limit.
func (f Fetcher) Fetch(ctx context.Context, address string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := f.Client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("longer than %d bytes", limit)
	}
	return raw, err
}

// sharedSpace is RFC 6598 address space, which is not public.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")
