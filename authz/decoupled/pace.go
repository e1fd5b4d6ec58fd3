package decoupled

import (
	"time"

	"hopnhat/authz"
	"hopnhat/authz/recent"
)

// Interval is the time between two polls that clients are told: RFC 8628 §3.2,
// CIBA Core §7.3.
const Interval = 5 * time.Second

// Pace keeps clients from polling too fast. It lives in memory, so that a poll
// costs no commit: a client that spreads its polls over n nodes gets n times the
// rate, which the bound on the life of a request makes harmless.
type Pace struct {
	known *recent.Map[authz.AuthorizationID, beat]
}

type beat struct {
	last     time.Time
	interval time.Duration
}

const (
	maxBeats = 100_000
	// early forgives clocks and networks: a poll that comes a little too soon is
	// in time.
	early = 500 * time.Millisecond
	// slower is what each slow_down adds to the interval (RFC 8628 §3.5).
	slower      = 5 * time.Second
	maxInterval = time.Minute
)

// NewPace makes an empty one.
func NewPace() *Pace {
	return &Pace{recent.New[authz.AuthorizationID, beat](maxBeats, recent.Forever, nil)}
}

// TooFast notes a poll of a request that is still open, and reports whether it came
// before its time; then the interval grows (RFC 8628 §3.5, CIBA Core §11: slow_down
// is a kind of authorization_pending).
func (p *Pace) TooFast(id authz.AuthorizationID, now time.Time) (soon bool) {
	p.known.Update(id, func(b beat, ok bool) beat {
		if !ok {
			return beat{now, Interval}
		}
		if soon = now.Sub(b.last) < b.interval-early; soon {
			b.interval = min(b.interval+slower, maxInterval)
		}
		return beat{now, b.interval}
	})
	return soon
}

// Forget drops a request that was answered.
func (p *Pace) Forget(id authz.AuthorizationID) { p.known.Forget(id) }
