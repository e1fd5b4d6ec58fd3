package authority

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// AtOnce is how many answers are worked out at one time. It bounds what all callers together
// cost: a rate of all together would let a few of them use it up.
const AtOnce = 256

// Callers limits how often one address may ask the endpoints. Take takes one request, or says how
// long to wait.
type Callers interface {
	Take(address netip.Addr) (wait time.Duration)
}

// limited lets a request in, or answers 429 with the time to wait (RFC 6585 §4).
func (a *Authority) limited(w http.ResponseWriter, r *http.Request) error {
	if a.o.Callers == nil {
		return nil
	}
	address, _ := netip.ParseAddr(r.RemoteAddr)
	if wait := a.o.Callers.Take(address); wait > 0 {
		seconds := max(1, int((wait+time.Second-1)/time.Second))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		return errTooMany
	}
	return nil
}

// work works out an answer, if not too many others are being worked out. It neither reads from
// the caller nor writes to it, so that a slow caller takes no place.
func (a *Authority) work(ctx context.Context, w http.ResponseWriter, e endpoint, method string, form url.Values,
) (answer, error) {
	if !a.working.TryAcquire(1) {
		w.Header().Set("Retry-After", "1")
		return answer{}, errBusy
	}
	defer a.working.Release(1)
	ctx, err := a.authenticated(ctx, e, method, form)
	if err != nil {
		return answer{}, err
	}
	return e.serve(ctx, form)
}

var (
	// errTooMany is answered 429.
	errTooMany = &Error{Unavailable, "Too many requests to the endpoints of this entity. Ask again after the time in Retry-After."}
	// errBusy is answered 503.
	errBusy = &Error{Unavailable, "Too many are asking this entity at once. Ask again after the time in Retry-After."}
)
