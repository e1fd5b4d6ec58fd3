package decoupled

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/outbound"
	"hopnhat/authz/tally"
)

// Ping is a notification on its way to a client, CIBA Core §10.2.
type Ping struct {
	ID       authz.AuthorizationID
	Client   authz.ClientID
	Sealed   []byte // client_notification_token
	Attempts int
	Expires  time.Time
	// Next is when to try again; zero when no more.
	Next   time.Time
	Failed string
}

// Outbox is the durable queue of pings.
type Outbox interface {
	// DuePings claims pings whose time has come: none is claimed twice before
	// until.
	DuePings(ctx context.Context, now, until time.Time, limit int) ([]Ping, error)
	// FinishPing notes an attempt. With a zero Next the ping is over, and the
	// client's token is deleted.
	FinishPing(ctx context.Context, p Ping) error
}

// Clients finds an app's registration.
type Clients interface {
	Client(ctx context.Context, id authz.ClientID) (*authz.Client, error)
}

// Opener opens what was sealed with [NotificationAAD].
type Opener interface {
	Open(ctx context.Context, sealed, aad []byte) (plaintext []byte, stale bool, err error)
}

// NotificationAAD binds a sealed client_notification_token to its request.
func NotificationAAD(id authz.AuthorizationID) []byte { return []byte("ciba ping " + string(id)) }

// Pinger tells clients of ping mode that a request was answered.
type Pinger struct {
	Outbox  Outbox
	Clients Clients
	Keys    Keys
	Opener  Opener
	Out     *outbound.Client
	Now     func() time.Time
	// Wake is signalled when a ping was queued by this node.
	Wake <-chan struct{}

	outcomes tally.Counter[string]
}

// Outcomes counts attempts: "delivered", "failed", and pings "given_up".
func (p *Pinger) Outcomes() map[string]uint64 { return p.outcomes.All() }

// maxPings bounds the attempts for one request; the client can poll meanwhile.
// pingsTogether is how many are on their way at one time.
const (
	maxPings      = 5
	pingsTogether = 16
)

// Run pings until ctx ends.
func (p *Pinger) Run(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		if err := p.Deliver(ctx); err != nil && ctx.Err() == nil {
			slog.Error("pings could not be delivered", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-p.Wake:
		}
	}
}

// errRefused is an answer after which asking again is of no use.
var errRefused = errors.New("the app refused the ping")

// Deliver tries what is due once.
func (p *Pinger) Deliver(ctx context.Context) error {
	now := p.Now().UTC()
	due, err := p.Outbox.DuePings(ctx, now, now.Add(time.Minute), 50)
	if err != nil {
		return err
	}
	// Side by side: an app that does not answer keeps no other from its ping, and all
	// are done before they could be claimed again.
	results, slots := make(chan error, len(due)), make(chan struct{}, pingsTogether)
	for _, one := range due {
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results <- p.deliver(ctx, one)
		}()
	}
	for range due {
		err = errors.Join(err, <-results)
	}
	return err
}

// deliver makes one attempt, and notes it.
func (p *Pinger) deliver(ctx context.Context, one Ping) error {
	one.Attempts++
	err := p.post(ctx, one)
	one.Next, one.Failed = time.Time{}, ""
	if err == nil {
		p.outcomes.Add("delivered")
	} else {
		p.outcomes.Add("failed")
		one.Failed = err.Error()
		slog.Info("an app did not take a ping", "client", one.Client, "attempt", one.Attempts, "error", err)
		if next := p.Now().UTC().Add(5 * time.Second << one.Attempts); !errors.Is(err, errRefused) && one.Attempts < maxPings && next.Before(one.Expires) {
			one.Next = next
		} else {
			p.outcomes.Add("given_up")
		}
	}
	return p.Outbox.FinishPing(ctx, one)
}

// post is CIBA Core §10.2: the request's id as JSON, the client's own token as
// Bearer. Any 2xx will do; a redirect must not be followed (§10.2), and who
// refuses is not asked again.
func (p *Pinger) post(ctx context.Context, one Ping) error {
	client, err := p.Clients.Client(ctx, one.Client)
	if err != nil {
		return err
	}
	if client.BackchannelNotificationURI == "" {
		return fmt.Errorf("%w: it has no backchannel_client_notification_endpoint any more", errRefused)
	}
	token, _, err := p.Opener.Open(ctx, one.Sealed, NotificationAAD(one.ID))
	if err != nil {
		return fmt.Errorf("opening a client_notification_token: %w", err)
	}
	body, err := json.Marshal(struct {
		ID string `json:"auth_req_id"`
	}{p.Keys.Code(one.ID)})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answer, err := p.Out.Post(ctx, outbound.Message{
		URL: client.BackchannelNotificationURI, Type: "application/json", Body: string(body), Authorization: "Bearer " + string(token),
	})
	switch {
	case errors.Is(err, outbound.ErrURL):
		return fmt.Errorf("%w: its backchannel_client_notification_endpoint is no URL", errRefused)
	case err != nil:
		return errors.New("the app could not be reached")
	case answer.Status >= 200 && answer.Status < 300:
		return nil
	case answer.Status >= 300 && answer.Status < 500 && answer.Status != http.StatusTooManyRequests:
		return fmt.Errorf("%w: status %d", errRefused, answer.Status)
	}
	return fmt.Errorf("the app answered %d", answer.Status)
}
