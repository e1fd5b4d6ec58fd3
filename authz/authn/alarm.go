package authn

import (
	"log/slog"
	"sync"
	"time"

	"hopnhat/authz"
)

// Guesses in a minute, on this node, at which the alarm is up: of all that came, and
// of those that came for one app. It refuses nobody; it puts known devices first, and
// tells operators.
const (
	alarmNation = 600
	alarmApp    = 120
	maxApps     = 10_000
)

// alarm counts wrong guesses by the minute, those of strangers and known devices alike.
type alarm struct {
	now func() time.Time

	mu     sync.Mutex
	minute int64
	all    int
	apps   map[authz.ClientID]int
	// up are the minutes to whose end the alarm of the nation and of any app is up.
	nation, app int64
}

func newAlarm(now func() time.Time) *alarm {
	return &alarm{now: now, apps: map[authz.ClientID]int{}}
}

// wrong counts a wrong guess in a sign-in for an app, or for a page of ours.
func (a *alarm) wrong(app authz.ClientID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if minute := a.now().Unix() / 60; minute != a.minute {
		a.minute, a.all = minute, 0
		clear(a.apps)
	}
	if a.all++; a.all == alarmNation {
		slog.Warn("strangers are guessing passwords or codes in numbers: known devices go first", "wrong_in_a_minute", a.all)
	}
	if a.all >= alarmNation {
		a.nation = a.minute + 1
	}
	if app == "" || len(a.apps) >= maxApps && a.apps[app] == 0 {
		return
	}
	if a.apps[app]++; a.apps[app] == alarmApp {
		slog.Warn("many wrong passwords or codes in sign-ins for one app: known devices go first", "app", app, "wrong_in_a_minute", alarmApp)
	}
	if a.apps[app] >= alarmApp {
		a.app = a.minute + 1
	}
}

// up tells which alarms are up: one stays until the end of the next minute.
func (a *alarm) up() (nation, app bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	minute := a.now().Unix() / 60
	return minute <= a.nation, minute <= a.app
}

func (a *alarm) any() bool {
	nation, app := a.up()
	return nation || app
}
