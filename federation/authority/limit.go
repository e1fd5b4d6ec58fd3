package authority

import (
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

// Callers limits how often one address, and all together, may ask the endpoints. Take takes one
// request, or says how long to wait; the zero address stands for all.
type Callers interface {
	Take(address netip.Addr) (wait time.Duration)
}

// limited lets a request in, or answers 429 with the time to wait (RFC 6585 §4). Who is refused
// by address takes nothing from the others.
func (a *Authority) limited(w http.ResponseWriter, r *http.Request) error {
	address, _ := netip.ParseAddr(r.RemoteAddr)
	for _, one := range []struct {
		callers Callers
		from    netip.Addr
	}{{a.o.Callers, address}, {a.o.Together, netip.Addr{}}} {
		if one.callers == nil {
			continue
		}
		if wait := one.callers.Take(one.from); wait > 0 {
			seconds := max(1, int((wait+time.Second-1)/time.Second))
			w.Header().Set("Retry-After", strconv.Itoa(seconds))
			return errTooMany
		}
	}
	return nil
}

// errTooMany is answered 429.
var errTooMany = &Error{Unavailable, "Too many requests to the endpoints of this entity. Ask again after the time in Retry-After."}
