package decoupled

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/outbound"
	"hopnhat/authz/outbox"
)

// Ping is a notification on its way to a client, CIBA Core §10.2.
type Ping struct {
	ID       authz.AuthorizationID
	Client   authz.ClientID
	Sealed   []byte // client_notification_token
	Attempts int
	Expires  time.Time
	// Next is when to try again; zero when no more.
	Next time.Time
	// Failed is why the last attempt failed.
	Failed outbox.Cause
}

// Outbox is the durable queue of pings.
type Outbox interface {
	// DuePings claims pings whose time has come, at most perClient of one client and none
	// of those that are busy: none is claimed twice before until.
	DuePings(ctx context.Context, now, until time.Time, busy []authz.ClientID, perClient, limit int) ([]Ping, error)
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
}

// maxPings bounds the attempts for one request; the client can poll meanwhile.
const (
	maxPings     = 5
	pingPatience = 5 * time.Second // for one answer
)

// pingBounds are those of the lane. A claimed ping is attempted before its claim ends,
// and a client that does not answer delays no other client's ping.
var pingBounds = outbox.Bounds{
	Claim: time.Minute, Turn: 50, PerTurn: 10, Apps: 50, Waiting: 150, PerApp: 5, AtOnce: 16, Rest: 10 * time.Second,
}

// Lane delivers the pings of the outbox.
func (p Pinger) Lane() *outbox.Lane[Ping] {
	return &outbox.Lane[Ping]{
		Name: "pings", Queue: pingQueue{p.Outbox}, Send: p.post, Bounds: pingBounds, GivenUp: slog.LevelInfo, Now: p.Now, Wake: p.Wake,
		Head: func(one Ping) outbox.Head {
			return outbox.Head{
				ID: string(one.ID), Client: one.Client, Kind: "ping", Attempts: one.Attempts, Failed: one.Failed, Until: one.Expires,
			}
		},
		Again: func(one Ping, attempts int, now time.Time) (time.Time, bool) {
			at := now.Add(5 * time.Second << attempts)
			return at, attempts < maxPings && at.Before(one.Expires)
		},
	}
}

// pingQueue shows an [Outbox] to the lane.
type pingQueue struct{ Outbox }

func (q pingQueue) Due(ctx context.Context, now, until time.Time, busy []authz.ClientID, limit int) ([]Ping, error) {
	return q.DuePings(ctx, now, until, busy, pingBounds.PerTurn, limit)
}

func (q pingQueue) Note(ctx context.Context, one Ping, o outbox.Outcome) error {
	one.Attempts, one.Failed, one.Next = o.Attempts, o.Failed, o.Next
	return q.FinishPing(ctx, one)
}

// post is CIBA Core §10.2: the request's id as JSON, the client's own token as
// Bearer. Any 2xx will do; a redirect must not be followed (§10.2), and a client that
// refuses is not asked again.
func (p Pinger) post(ctx context.Context, one Ping) outbox.Verdict {
	client, err := p.Clients.Client(ctx, one.Client)
	if err != nil {
		return outbox.Verdict{Cause: outbox.CauseRegistration}
	}
	if client.BackchannelNotificationURI == "" {
		return outbox.Verdict{Cause: outbox.CauseGone, Final: true}
	}
	token, _, err := p.Opener.Open(ctx, one.Sealed, NotificationAAD(one.ID))
	if err != nil {
		return outbox.Verdict{Cause: outbox.CauseKeys}
	}
	body, err := json.Marshal(struct {
		ID string `json:"auth_req_id"`
	}{p.Keys.Code(one.ID)})
	if err != nil {
		return outbox.Verdict{Cause: outbox.CauseKeys, Final: true}
	}
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	answer, err := p.Out.Post(ctx, outbound.Message{
		URL: client.BackchannelNotificationURI, Type: "application/json", Body: string(body), Authorization: "Bearer " + string(token),
	})
	switch {
	case errors.Is(err, outbound.ErrURL):
		return outbox.Verdict{Cause: outbox.CauseName, Final: true}
	case err != nil:
		return outbox.Verdict{Cause: outbox.NoAnswer(err)}
	case answer.Status >= 200 && answer.Status < 300:
		return outbox.Verdict{}
	case answer.Status >= 300 && answer.Status < 500 && answer.Status != http.StatusTooManyRequests:
		return outbox.Verdict{Cause: outbox.Refused(answer), Final: true}
	}
	return outbox.Verdict{Cause: outbox.Refused(answer)}
}
