package object

import (
	"sync"
	"time"

	"hopnhat/authz"
)

// Limits on request objects that are fetched at one time. Anyone can make us call an
// app, by naming it at the authorization endpoint (RFC 9101 §10.4), so an app that does
// not answer must not use up all fetches.
const (
	maxFetches      = 64
	maxFetchesOfApp = 4
	fetchTime       = 5 * time.Second
)

// fetches counts them, in all and by app.
type fetches struct {
	mu  sync.Mutex
	all int
	of  map[authz.ClientID]int
}

func (f *fetches) begin(app authz.ClientID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all >= maxFetches || f.of[app] >= maxFetchesOfApp {
		return false
	}
	if f.of == nil {
		f.of = map[authz.ClientID]int{}
	}
	f.all++
	f.of[app]++
	return true
}

func (f *fetches) end(app authz.ClientID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all--
	if f.of[app]--; f.of[app] == 0 {
		delete(f.of, app)
	}
}
