package view

import "time"

// Sessions lists the browsers the person is signed in with. Ending one posts
// the field session to EndURL; ending all posts to EndAllURL.
type Sessions struct {
	Sessions  []Session
	EndURL    string
	EndAllURL string
	// Ended says that sessions were just ended, and how many.
	Ended int
}

func (Sessions) page() string { return "Sessions" }

// Session is one browser.
type Session struct {
	ID       string
	Device   string // for example "Chrome, Android"; empty when unknown
	Address  string // shortened network address; empty when unknown
	Level    int    // 0 when unknown
	Started  time.Time
	LastSeen time.Time
	Current  bool
	// Listed says that Apps are known; otherwise nothing is said of them.
	Listed bool
	Apps   []App
}

// LogoutConfirm asks whether to sign out, when an app asked for it without
// proof (OpenID Connect RP-Initiated Logout 1.0 §2). Field: decision, "signout"
// or "stay".
type LogoutConfirm struct {
	Form   Form
	App    *App
	Person string
}

func (LogoutConfirm) page() string { return "LogoutConfirm" }

// LogoutAnswer is what came of telling an app.
type LogoutAnswer string

// The answers.
const (
	LogoutDone    LogoutAnswer = "done"    // the app confirmed
	LogoutFailed  LogoutAnswer = "failed"  // no answer; it is tried again
	LogoutUntold  LogoutAnswer = "untold"  // the app has no way to be told
	LogoutWaiting LogoutAnswer = "waiting" // being told now
)

// LogoutAnswers lists all answers.
func LogoutAnswers() []LogoutAnswer {
	return []LogoutAnswer{LogoutDone, LogoutFailed, LogoutUntold, LogoutWaiting}
}

// Key is the text in the catalogue.
func (a LogoutAnswer) Key() string { return "loggedout.answer." + string(a) }

// Good says that the app has ended its session.
func (a LogoutAnswer) Good() bool { return a == LogoutDone }

// LoggedOut tells that the session has ended, and which apps were told.
type LoggedOut struct {
	Apps []LogoutTold
	// Return is the app to go back to, nil if none; ReturnURL its address.
	Return    *App
	ReturnURL string
	HomeURL   string
}

func (LoggedOut) page() string { return "LoggedOut" }

// LogoutTold is one app and its answer.
type LogoutTold struct {
	App    App
	Answer LogoutAnswer
}
