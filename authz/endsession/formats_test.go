package endsession

import (
	"testing"
	"time"

	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

// TestFormats: browser states and tickets of the release before are good: the frame of an
// app compares the one, and a sign-out goes on at another node by the other.
func TestFormats(t *testing.T) {
	e := &Endpoint{o: Options{Browser: BrowserKey{keytest.GoldenKey(seal.BrowserStates)}}}
	if got := e.BrowserState("session"); got != "mwtco9204-ZmTxJAJsd8jw" {
		t.Errorf("browser state: got %s", got)
	}
	const ticket = "eyJsIjoidmkiLCJlIjoxNzk2MDAwMDAwfQ.PEw1FNk0EdW7yANaxoGr5judiMbnq5yfdXM_e8BKYIM"
	k, until := TicketKey{keytest.GoldenKey(seal.LogoutRequests)}, time.Unix(1796000000, 0)
	if got := k.seal(logoutRequest{Lang: "vi"}, until); got != ticket {
		t.Errorf("ticket: got %s", got)
	}
	for _, row := range []struct {
		name, ticket string
		at           time.Time
		good         bool
	}{
		{"in time", ticket, until.Add(-time.Second), true},
		{"too late", ticket, until, false},
		{"cut", ticket[:len(ticket)-1], until.Add(-time.Second), false},
		{"with more behind it", ticket + ".x", until.Add(-time.Second), false},
		{"without a MAC", ticket[:34], until.Add(-time.Second), false},
		{"none", "", until.Add(-time.Second), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, ok := k.open(row.ticket, row.at); ok != row.good || ok && got.Lang != "vi" {
				t.Errorf("got %+v, %v", got, ok)
			}
		})
	}
}
