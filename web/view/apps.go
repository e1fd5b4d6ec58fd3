package view

import "time"

// Apps is an operator's list of registered apps, in the order of their ids.
type Apps struct {
	Rows []AppRow
	// Next is the page after this one; empty on the last.
	Next string
}

func (Apps) page() string { return "Apps" }

// AppState is whether an app is let in.
type AppState string

// The states.
const (
	AppEnabled  AppState = "enabled"
	AppDisabled AppState = "disabled"
	AppDeleted  AppState = "deleted"
	// AppLapsed is one whose federation vouches for it no more.
	AppLapsed AppState = "lapsed"
)

// Key is the text in the catalogue.
func (s AppState) Key() string { return "apps." + string(s) }

// AppRow is one app.
type AppRow struct {
	ID    string
	Name  Words
	Owner Words
	// Verified says that somebody vouches for the owner: who, and since when.
	Verified   bool
	VerifiedBy string
	VerifiedAt time.Time

	Profile string
	Method  string
	State   AppState
	// Keys are how many public keys it has: registered, or where Remote at its
	// jwks_uri, as fetched at a time; zero when they were not.
	Keys    int
	Remote  bool
	Fetched time.Time
	Failed  bool // the last fetch
	// Ends counts what it uses that is on its way out.
	Ends int
}
