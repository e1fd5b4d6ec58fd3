package rp

import (
	"net/url"
	"slices"

	"hopnhat/conformance/suite"
)

// SignIn is one sign-in at the provider with one fault, and what the app did in it.
// What it did is guarded by the provider's lock.
type SignIn struct {
	fault Fault
	trial *Trial

	request url.Values // the authorization request
	bound   string     // thumbprint of the app's DPoP key, empty for a bearer token
	sid     string
	signed  string // the ID token
	opens   string // where the browser was sent

	did       []step
	nonces    map[string]string
	challenge map[string]int
	whole     bool // an endless document was taken to its end
	seen      view
}

// step is one thing that happened in a sign-in.
type step int

const (
	gaveMetadata   step = iota // the provider gave its discovery document
	gaveKeys                   // the provider gave its keys
	pushed                     // the app pushed its request
	asked                      // the browser came with a request
	answered                   // the browser was sent back with an answer
	redeemed                   // the app redeemed the code
	gaveTokens                 // the provider gave tokens
	calledInfo                 // the app called UserInfo
	calledResource             // the app used the token at a resource
	refreshed                  // the app used the refresh token
	gaveRefreshed              // the provider gave refreshed tokens
	usedRefreshed              // the app used a refreshed access token
	gaveUp                     // the app did not wait for an answer any more
)

// has reports whether something happened.
func (s *SignIn) has(what step) bool {
	s.trial.provider.mu.Lock()
	defer s.trial.provider.mu.Unlock()
	return slices.Contains(s.did, what)
}

// times tells how often.
func (s *SignIn) times(what step) int {
	s.trial.provider.mu.Lock()
	defer s.trial.provider.mu.Unlock()
	n := 0
	for _, d := range s.did {
		if d == what {
			n++
		}
	}
	return n
}

// mark writes down that something happened; the caller holds no lock.
func (s *SignIn) mark(what step) {
	s.trial.provider.mu.Lock()
	defer s.trial.provider.mu.Unlock()
	s.did = append(s.did, what)
	s.trial.came = true
}

// key is the thumbprint of the key that the app's tokens are bound to.
func (s *SignIn) key() string {
	s.trial.provider.mu.Lock()
	defer s.trial.provider.mu.Unlock()
	return s.bound
}

// callback is where the browser was sent.
func (s *SignIn) callback() string {
	s.trial.provider.mu.Lock()
	defer s.trial.provider.mu.Unlock()
	return s.opens
}

// apply changes claims as a fault says.
func (s *SignIn) apply(change func(*SignIn, suite.Claims), claims suite.Claims) suite.Claims {
	if change != nil {
		change(s, claims)
	}
	return claims
}
