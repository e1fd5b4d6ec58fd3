package session

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/outbound"
	"hopnhat/authz/outbox"
)

// Delivery is a logout token on its way to an app, Back-Channel Logout §2.5, or a
// notice that a consent was withdrawn, a security event token (RFC 8935 §2). Its ID
// is a UUIDv7, so it carries the time at which it was queued.
type Delivery struct {
	ID       string
	Session  authz.SessionID
	Subject  authz.Subject
	Client   authz.ClientID
	URI      string
	Attempts int
	Next     time.Time
	// Done is set when it was delivered or given up.
	Done time.Time
	// Failed is why the last attempt failed; empty where none has.
	Failed outbox.Cause
	// About is the subject of the message: empty for a sign-out, else the consent that
	// was withdrawn, with its version.
	About string
}

// Queued is when the session ended.
func (d Delivery) Queued() time.Time { return authz.TimeOf(d.ID) }

// until is when nothing of it waits any more.
func (d Delivery) until() time.Time { return d.Queued().Add(maxAge) }

// State of a delivery.
type State string

// The states.
const (
	Waiting   State = "waiting"
	Delivered State = "delivered"
	GivenUp   State = "failed"
)

// State tells where the delivery stands.
func (d Delivery) State() State {
	switch {
	case d.Done.IsZero():
		return Waiting
	case d.Failed == "":
		return Delivered
	default:
		return GivenUp
	}
}

// Outbox is the durable queue of deliveries.
type Outbox interface {
	// DueLogouts claims deliveries whose time has come, at most perClient of one
	// client and none of those that are busy: none is claimed twice before until.
	DueLogouts(ctx context.Context, now, until time.Time, busy []authz.ClientID, perClient, limit int) ([]Delivery, error)
	// FinishLogout notes an attempt: done, or to be tried again at d.Next.
	FinishLogout(ctx context.Context, d Delivery) error
}

// Deliverer posts logout tokens and notices until the app has taken them, or twelve
// attempts over half a day have failed.
type Deliverer struct {
	Outbox Outbox
	// Token makes the logout token for a delivery, Back-Channel Logout §2.4;
	// authz.ErrNotFound means that there is nobody to send it to.
	Token func(ctx context.Context, d Delivery) (string, error)
	// Notice makes the security event token for a delivery that is about a consent;
	// errors as Token's.
	Notice func(ctx context.Context, d Delivery) (string, error)
	Out    *outbound.Client
	Now    func() time.Time
	// Wake is signalled when a delivery was queued by this node.
	Wake <-chan struct{}
}

// Limits of delivery.
const (
	maxAttempts = 12
	maxAge      = 24 * time.Hour  // after which nothing waits any more
	patience    = 5 * time.Second // for one answer
)

// deliveryBounds are those of the lane.
var deliveryBounds = outbox.Bounds{
	Claim: 2 * time.Minute, Turn: 256, PerTurn: 32, Apps: 256, Waiting: 256 * 32, PerApp: 4, AtOnce: 64, Rest: 30 * time.Second,
}

// Lane delivers the messages of the outbox.
func (d Deliverer) Lane() *outbox.Lane[Delivery] {
	return &outbox.Lane[Delivery]{
		Name: "logout tokens and notices", Queue: deliveryQueue{d.Outbox}, Send: d.post, Bounds: deliveryBounds, GivenUp: slog.LevelWarn,
		Now: d.Now, Wake: d.Wake,
		Head: func(one Delivery) outbox.Head {
			kind := "logout"
			if one.About != "" {
				kind = "withdrawn consent"
			}
			return outbox.Head{ID: one.ID, Client: one.Client, Kind: kind, Attempts: one.Attempts, Failed: one.Failed, Until: one.until()}
		},
		Again: func(one Delivery, attempts int, now time.Time) (time.Time, bool) {
			return now.Add(15 * time.Second << min(attempts, 10)), attempts < maxAttempts && now.Before(one.until())
		},
	}
}

// deliveryQueue shows an [Outbox] to the lane.
type deliveryQueue struct{ Outbox }

func (q deliveryQueue) Due(ctx context.Context, now, until time.Time, busy []authz.ClientID, limit int) ([]Delivery, error) {
	return q.DueLogouts(ctx, now, until, busy, deliveryBounds.PerTurn, limit)
}

func (q deliveryQueue) Note(ctx context.Context, one Delivery, o outbox.Outcome) error {
	one.Attempts, one.Failed, one.Done = o.Attempts, o.Failed, o.Done
	if o.Done.IsZero() {
		one.Next = o.Next
	}
	return q.FinishLogout(ctx, one)
}

// post makes one attempt.
func (d Deliverer) post(ctx context.Context, one Delivery) outbox.Verdict {
	makeToken := d.Token
	if one.About != "" {
		makeToken = d.Notice
	}
	token, err := makeToken(ctx, one)
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return outbox.Verdict{Cause: outbox.CauseGone, Final: true}
	case err != nil:
		return outbox.Verdict{Cause: outbox.CauseKeys}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	message := outbound.Message{
		URL: one.URI, Type: "application/x-www-form-urlencoded", Body: url.Values{"logout_token": {token}}.Encode(),
		Accept: "application/json",
	}
	if one.About != "" {
		message.Type, message.Body = "application/secevent+jwt", token // RFC 8935 §2
	}
	answer, err := d.Out.Post(ctx, message)
	switch {
	case err != nil:
		return outbox.Verdict{Cause: outbox.NoAnswer(err)}
	// §2.8: 200 when it succeeded; an app that has nothing to say may say 204. A
	// redirect is neither followed nor taken for success.
	case answer.Status == http.StatusOK, answer.Status == http.StatusNoContent:
		return outbox.Verdict{}
	case answer.Status == http.StatusAccepted && one.About != "": // RFC 8935 §2.2
		return outbox.Verdict{}
	}
	return outbox.Verdict{Cause: outbox.Refused(answer)}
}
