package keys

import (
	"context"
	"errors"
	"fmt"
)

// ErrUnavailable means that keys cannot be used now. Nothing was signed, and
// nothing is ever signed by another key instead. Callers answer
// temporarily_unavailable. Every error of this kind is an [Outage].
var ErrUnavailable = errors.New("keys are not available")

// Cause is why keys cannot be used: a stable word for metrics, alarms and the
// operator's page.
type Cause string

// The causes.
const (
	Unreachable      Cause = "unreachable"       // no answer: down, or the network
	Sealed           Cause = "sealed"            // Vault is sealed
	Standby          Cause = "standby"           // only a standby answered
	Slow             Cause = "slow"              // no answer in time
	PermissionDenied Cause = "permission-denied" // the policy does not allow it
	TokenExpired     Cause = "token-expired"     // not signed in, and signing in failed
	KeyMissing       Cause = "key-missing"       // the key or its version is gone
	AuditBlocked     Cause = "audit-blocked"     // no audit device can write
	BadAnswer        Cause = "bad-answer"        // an answer that cannot be read
	Overloaded       Cause = "overloaded"        // too much is waiting here
	Stale            Cause = "stale"             // this node has not read which key is active
)

// Causes lists them, for metrics.
var Causes = []Cause{Unreachable, Sealed, Standby, Slow, PermissionDenied, TokenExpired, KeyMissing, AuditBlocked, BadAnswer, Overloaded, Stale}

// Outage is an error that is ErrUnavailable and has a cause.
type Outage struct {
	Cause Cause
	Doing string
	Err   error // what was said, or nil; it holds no secret
}

// Error says what failed, why, and what was said.
func (o *Outage) Error() string {
	if o.Err == nil {
		return fmt.Sprintf("%s: %v (%s)", o.Doing, ErrUnavailable, o.Cause)
	}
	return fmt.Sprintf("%s: %v (%s): %v", o.Doing, ErrUnavailable, o.Cause, o.Err)
}

// Is makes every Outage an ErrUnavailable.
func (o *Outage) Is(target error) bool { return target == ErrUnavailable }

// Unwrap gives what was said.
func (o *Outage) Unwrap() error { return o.Err }

// CauseOf names the cause of an error; ok is false when it is no outage.
func CauseOf(err error) (cause Cause, ok bool) {
	var outage *Outage
	if errors.As(err, &outage) {
		return outage.Cause, true
	}
	return "", false
}

type requestKey struct{}

// WithRequest says for which request something is done: the id of X-Request-Id. Log
// lines name it, and so does the key store's own audit log.
func WithRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestOf is the id that WithRequest set, or empty.
func RequestOf(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}
