package broker

import (
	"sync"
	"time"

	"hopnhat/authz"
)

// refusalLimit keeps refusals from filling the disk: beyond so many a minute of
// one grant, or of one app, a refusal is answered 429 and not written any more.
// What is permitted is not touched, so one confused part of an app does not shut
// out the rest of its users.
type refusalLimit struct {
	mu     sync.Mutex
	minute int64
	grants map[authz.GrantID]int
	apps   map[authz.ClientID]int
}

const (
	refusalsOfGrant = 30
	refusalsOfApp   = 3_000
	maxGrantsKept   = 100_000
)

// take counts a refusal and reports whether it may be written.
func (l *refusalLimit) take(app authz.ClientID, grant authz.GrantID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if minute := now.Unix() / 60; minute != l.minute || l.apps == nil || len(l.grants) >= maxGrantsKept {
		l.minute, l.grants, l.apps = minute, map[authz.GrantID]int{}, map[authz.ClientID]int{}
	}
	if l.grants[grant] >= refusalsOfGrant || l.apps[app] >= refusalsOfApp {
		return false
	}
	l.grants[grant]++
	l.apps[app]++
	return true
}
