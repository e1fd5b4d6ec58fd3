package view

import (
	"slices"
	"time"

	"hopnhat/web/view/ways"
)

// LogoutConfirm asks whether to sign out, when an app asked for it without
// proof (RP-Initiated Logout §2). Field: decision, "signout"
// (of this device), "everywhere", "app" (of the app alone) or "stay".
type LogoutConfirm struct {
	Form   Form
	App    *App
	Person string
	// Another says that the app meant somebody else than who is signed in.
	Another bool
}

func (LogoutConfirm) page() string { return "LogoutConfirm" }

// LogoutAnswer is what came of telling an app.
type LogoutAnswer string

// The answers.
const (
	LogoutDone      LogoutAnswer = "done"      // the app confirmed
	LogoutFailed    LogoutAnswer = "failed"    // no answer; it is tried again
	LogoutUnreached LogoutAnswer = "unreached" // no answer, and nothing is tried any more
	LogoutUntold    LogoutAnswer = "untold"    // the app has no way to be told
	LogoutWaiting   LogoutAnswer = "waiting"   // being told now
	LogoutAsked     LogoutAnswer = "asked"     // told through the browser, which gives no answer
)

// LogoutAnswers lists all answers.
func LogoutAnswers() []LogoutAnswer {
	return []LogoutAnswer{LogoutDone, LogoutFailed, LogoutUnreached, LogoutUntold, LogoutWaiting, LogoutAsked}
}

// Key is the text in the catalogue.
func (a LogoutAnswer) Key() string { return "loggedout.answer." + string(a) }

// Good says that the app has ended its session.
func (a LogoutAnswer) Good() bool { return a == LogoutDone }

// Bad says that the app may go on for now.
func (a LogoutAnswer) Bad() bool { return a == LogoutUnreached || a == LogoutUntold }

// LoggedOut tells that the session has ended, and which apps were told.
type LoggedOut struct {
	Apps []LogoutTold
	// Left says that only the app in Apps was left and the session goes on.
	Left bool
	// Frames tell apps through the browser (Front-Channel Logout §2).
	Frames []Frame
	// Return is the app to go back to, nil if none; ReturnURL its address. Onward
	// says that the app asked for it, so that the page goes there by itself once the
	// frames are loaded.
	Return    *App
	ReturnURL string
	Onward    bool
	// Waiting says that some app is being told: AgainURL shows this page again, which
	// a script does once, unless this is Again.
	Waiting  bool
	AgainURL string
	Again    bool
	HomeURL  string
	// Provider is where the browser may still be signed in; nil if nowhere.
	Provider *ways.ProviderButton
}

func (LoggedOut) page() string { return "LoggedOut" }

// Frame is one app that is told by loading URL.
type Frame struct {
	App Words
	URL string
}

// LogoutTold is one app and its answer.
type LogoutTold struct {
	App    App
	Answer LogoutAnswer
}

// DeliveryState is where a logout token stands.
type DeliveryState string

// DeliveryStates lists all: as in authz/session.
func DeliveryStates() []DeliveryState { return []DeliveryState{"waiting", "delivered", "failed"} }

// Key is the text in the catalogue.
func (s DeliveryState) Key() string { return "logouts.state." + string(s) }

// Good says that the app took it.
func (s DeliveryState) Good() bool { return s == "delivered" }

// Bad says that it was given up.
func (s DeliveryState) Bad() bool { return s == "failed" }

// DeliveryCause is why an attempt failed.
type DeliveryCause string

// DeliveryCauses lists all: as in authz/session.
func DeliveryCauses() []DeliveryCause {
	return []DeliveryCause{"name", "address", "certificate", "slow", "unreachable", "answer", "keys", "gone"}
}

// Key is the text in the catalogue; a release before wrote sentences, which have one
// text for all.
func (c DeliveryCause) Key() string {
	if !slices.Contains(DeliveryCauses(), c) {
		return "logouts.cause.other"
	}
	return "logouts.cause." + string(c)
}

// ForPerson is the text for the person whose consent it is about.
func (s DeliveryState) ForPerson() string { return "told." + string(s) }

// Logouts is the operator's page of logout tokens and notices of withdrawn consents:
// all of one app, or the failed ones of every app. The form is sent by GET to URL with
// the field app; trying again posts the fields delivery and app to RetryURL. No person
// is in it.
type Logouts struct {
	URL, RetryURL string
	App           string
	Apps          []Choice
	Rows          []LogoutDelivery
	// Retried says that one was just told to begin again.
	Retried      bool
	Newer, Older string
}

func (Logouts) page() string { return "Logouts" }

// LogoutDelivery is one logout token.
type LogoutDelivery struct {
	ID     string
	App    Words
	Client string
	// Consent says that it tells of a withdrawn consent, and not of a sign-out.
	Consent  bool
	Queued   time.Time
	State    DeliveryState
	Attempts int
	// Cause and Answer, the app's status and error code, say why the last attempt
	// failed; empty if none has.
	Cause  DeliveryCause
	Answer string
	// Next is when it is tried again, Done when it was delivered or given up.
	Next, Done time.Time
	Retry      bool
}
