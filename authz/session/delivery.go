package session

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/outbound"
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
	// Failed is why the last attempt failed, in the words of [Cause]; empty where
	// none has.
	Failed Cause
	// About is what the delivery tells of: empty for a sign-out, else the consent that
	// was withdrawn, with its version.
	About string
}

// Queued is when the session ended.
func (d Delivery) Queued() time.Time { return authz.TimeOf(d.ID) }

func (d Delivery) old(now time.Time) bool { return now.Sub(d.Queued()) >= maxAge }

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

// Cause is why an attempt failed: one stable word, that names no person and repeats
// nothing of the app's but a status and an error code. After CauseAnswer comes the
// status, and the code if the app gave one: "answer 400 invalid_request".
type Cause string

// The causes.
const (
	CauseName        Cause = "name"        // the host's name leads nowhere
	CauseAddress     Cause = "address"     // it leads to an address that is not public
	CauseCertificate Cause = "certificate" // nobody vouches for its certificate
	CauseSlow        Cause = "slow"        // no answer in time
	CauseUnreachable Cause = "unreachable" // no connection
	CauseAnswer      Cause = "answer"      // it answered, and not with 200
	CauseKeys        Cause = "keys"        // our keys could not be used
	CauseGone        Cause = "gone"        // the app is registered no more
)

// Causes lists all.
func Causes() []Cause {
	return []Cause{CauseName, CauseAddress, CauseCertificate, CauseSlow, CauseUnreachable, CauseAnswer, CauseKeys, CauseGone}
}

// Kind is the cause without status and code.
func (c Cause) Kind() Cause {
	kind, _, _ := strings.Cut(string(c), " ")
	return Cause(kind)
}

// Answer is the status and the error code of CauseAnswer.
func (c Cause) Answer() string {
	_, answer, _ := strings.Cut(string(c), " ")
	return answer
}

// Outbox is the durable queue of deliveries.
type Outbox interface {
	// DueLogouts claims deliveries whose time has come, at most perClient of one
	// client and none of those that are busy: none is claimed twice before until.
	DueLogouts(ctx context.Context, now, until time.Time, busy []authz.ClientID, perClient, limit int) ([]Delivery, error)
	// FinishLogout notes an attempt: done, or to be tried again at d.Next.
	FinishLogout(ctx context.Context, d Delivery) error
}

// Deliverer posts logout tokens until the app has taken them, or twelve attempts
// over half a day have failed. Each app has a lane of its own: one that is dead
// holds up nobody's tokens but its own.
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

	mu    sync.Mutex
	turn  int
	busy  map[authz.ClientID]bool
	lanes sync.WaitGroup
	free  chan struct{} // signalled when a lane ended that may have more to do
	slots chan struct{} // one an attempt under way

	delivered, failed, givenUp atomic.Uint64
}

// Limits of delivery.
const (
	maxAttempts = 12
	maxAge      = 24 * time.Hour  // after which nothing waits any more
	maxLanes    = 256             // apps whose turn it is
	perTurn     = 256             // deliveries claimed at once
	perLane     = 32              // of them of one app
	perApp      = 4               // attempts at one app at the same time
	atOnce      = 64              // at all apps
	claim       = 2 * time.Minute // longer than a turn takes
	patience    = 5 * time.Second // for one answer
)

// Stats are counters since the start: logout tokens delivered, attempts that failed,
// deliveries given up.
type Stats struct{ Delivered, Failed, GivenUp uint64 }

// Stats counts since the start.
func (d *Deliverer) Stats() Stats {
	return Stats{d.delivered.Load(), d.failed.Load(), d.givenUp.Load()}
}

// Run delivers until ctx ends, and returns when the attempts under way have ended.
func (d *Deliverer) Run(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	defer d.lanes.Wait()
	for {
		if err := d.begin(ctx); err != nil && ctx.Err() == nil {
			slog.Error("logout tokens could not be delivered", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-d.Wake:
		case <-d.more():
		}
	}
}

// Deliver tries what is due once, and waits for it.
func (d *Deliverer) Deliver(ctx context.Context) error {
	err := d.begin(ctx)
	d.lanes.Wait()
	return err
}

func (d *Deliverer) more() chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.free == nil {
		d.free, d.slots, d.busy = make(chan struct{}, 1), make(chan struct{}, atOnce), map[authz.ClientID]bool{}
	}
	return d.free
}

// begin claims what is due and starts a lane for each app.
func (d *Deliverer) begin(ctx context.Context) error {
	free := d.more()
	d.mu.Lock()
	d.turn++
	turn := d.turn
	var busy []authz.ClientID
	for id := range d.busy {
		busy = append(busy, id)
	}
	d.mu.Unlock()
	if len(busy) >= maxLanes {
		return nil // a lane that ends wakes us
	}
	now := d.Now().UTC()
	due, err := d.Outbox.DueLogouts(ctx, now, now.Add(claim), busy, perLane, perTurn)
	if err != nil {
		return err
	}
	lanes := map[authz.ClientID][]Delivery{}
	for _, one := range due {
		lanes[one.Client] = append(lanes[one.Client], one)
	}
	for client, lane := range lanes {
		more := len(lane) == perLane || len(due) == perTurn || len(busy)+len(lanes) >= maxLanes
		d.mu.Lock()
		d.busy[client] = true
		d.mu.Unlock()
		d.lanes.Go(func() {
			d.lane(ctx, lane)
			d.mu.Lock()
			delete(d.busy, client)
			passed := d.turn != turn // a turn may have passed this app over
			d.mu.Unlock()
			if more || passed {
				select {
				case free <- struct{}{}:
				default:
				}
			}
		})
	}
	return nil
}

// lane delivers to one app. When one attempt finds it not to be reached, those that
// have not begun are not tried: they wait as long, and no attempt is counted.
func (d *Deliverer) lane(ctx context.Context, lane []Delivery) {
	var deadUntil atomic.Pointer[time.Time]
	var group sync.WaitGroup
	own := make(chan struct{}, perApp)
	for _, one := range lane {
		own <- struct{}{}
		if until := deadUntil.Load(); until != nil && !one.old(d.Now()) {
			one.Next = *until
			d.note(ctx, one)
			<-own
			continue
		}
		group.Go(func() {
			defer func() { <-own }()
			d.slots <- struct{}{}
			defer func() { <-d.slots }()
			if next, dead := d.attempt(ctx, one); dead {
				deadUntil.CompareAndSwap(nil, &next)
			}
		})
	}
	group.Wait()
}

// attempt tries one delivery and notes what came of it. dead says that the app could
// not be reached at all, and next when it is worth a try.
func (d *Deliverer) attempt(ctx context.Context, one Delivery) (next time.Time, dead bool) {
	cause := d.post(ctx, one)
	if ctx.Err() != nil {
		return time.Time{}, false // we are stopping: the claim ends by itself
	}
	now := d.Now().UTC()
	one.Attempts++
	one.Failed = cause
	switch {
	case cause == "":
		one.Done = now
		d.delivered.Add(1)
	case one.Attempts >= maxAttempts || cause == CauseGone || one.old(now):
		one.Done = now
		d.failed.Add(1)
		d.givenUp.Add(1)
	default:
		one.Next = now.Add(15 * time.Second << min(one.Attempts, 10))
		d.failed.Add(1)
	}
	if cause != "" {
		// Somebody has to act only when nothing is tried again.
		level := slog.LevelInfo
		if !one.Done.IsZero() {
			level = slog.LevelWarn
		}
		slog.Log(ctx, level, "an app did not take what it was told", "about", what(one), "client", one.Client, "attempt", one.Attempts, "cause", cause, "given_up", !one.Done.IsZero())
	}
	d.note(ctx, one)
	switch cause.Kind() {
	case CauseName, CauseAddress, CauseCertificate, CauseSlow, CauseUnreachable:
		return now.Add(30 * time.Second), true
	default:
		return time.Time{}, false
	}
}

// what is the kind of a delivery for log lines, without the person.
func what(d Delivery) string {
	if d.About != "" {
		return "withdrawn consent"
	}
	return "logout"
}

func (d *Deliverer) note(ctx context.Context, one Delivery) {
	if err := d.Outbox.FinishLogout(ctx, one); err != nil && ctx.Err() == nil {
		slog.Error("the delivery of a logout token could not be noted; it is tried again", "delivery", one.ID, "error", err)
	}
}

// post makes one attempt; no cause means that the app took the token.
func (d *Deliverer) post(ctx context.Context, one Delivery) Cause {
	making := d.Token
	if one.About != "" {
		making = d.Notice
	}
	token, err := making(ctx, one)
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return CauseGone
	case err != nil:
		return CauseKeys
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	message := outbound.Message{URL: one.URI, Type: "application/x-www-form-urlencoded", Body: url.Values{"logout_token": {token}}.Encode(), Accept: "application/json"}
	if one.About != "" {
		message.Type, message.Body = "application/secevent+jwt", token // RFC 8935 §2
	}
	answer, err := d.Out.Post(ctx, message)
	if err != nil {
		return causeOf(err)
	}
	// §2.8: 200 when it succeeded; an app that has nothing to say may say 204. A
	// redirect is neither followed nor taken for success.
	if answer.Status == http.StatusOK || answer.Status == http.StatusNoContent {
		return ""
	}
	if answer.Status == http.StatusAccepted && one.About != "" { // RFC 8935 §2.2
		return ""
	}
	cause := string(CauseAnswer) + " " + strconv.Itoa(answer.Status)
	var told struct {
		Error string `json:"error"`
		Err   string `json:"err"` // RFC 8935 §2.3
	}
	if json.Unmarshal(answer.Body, &told) == nil && errorCode.MatchString(cmp.Or(told.Error, told.Err)) {
		cause += " " + cmp.Or(told.Error, told.Err)
	}
	return Cause(cause)
}

// errorCode is what is taken of an app's answer: a word of the protocol, and no
// sentence that may speak of a person.
var errorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

func causeOf(err error) Cause {
	var timeout net.Error
	switch {
	case errors.Is(err, outbound.ErrURL), errors.As(err, new(*net.DNSError)):
		return CauseName
	case errors.Is(err, outbound.ErrNotPublic):
		return CauseAddress
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return CauseCertificate
	case errors.As(err, &timeout) && timeout.Timeout():
		return CauseSlow
	default:
		return CauseUnreachable
	}
}
