package authn

import (
	"errors"
	"testing"
	"time"
)

// TestEveryOutcomeIsCounted: what note counts is an outcome that Attempts has from the
// start, and each of those can happen.
func TestEveryOutcomeIsCounted(t *testing.T) {
	a := &Authenticator{offers: offers(nil, nil), alarm: newAlarm(time.Now)}
	before := len(a.Attempts())
	for _, o := range a.offers {
		for _, err := range []error{nil, ErrWrong, Throttled{}, Busy{}, ErrLocked, ErrTicket, errors.New("the database is gone")} {
			for _, known := range []bool{false, true} {
				a.note(o.step, known, Origin{}, err)
			}
		}
	}
	for _, err := range []error{nil, ErrWrong, Throttled{}, ErrLocked, ErrTicket, errors.New("the database is gone")} {
		a.note(PasskeyStep, false, Origin{}, err)
	}
	after := a.Attempts()
	if len(after) != before {
		t.Errorf("there are %d outcomes, and were %d", len(after), before)
	}
	for o, n := range after {
		if n != 1 {
			t.Errorf("%+v: counted %d times, want once", o, n)
		}
	}
}
