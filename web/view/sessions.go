package view

import (
	"time"

	"hopnhat/authz"
)

// Sessions lists the browsers the person is signed in with. Ending one posts
// the field session to EndURL; ending all posts to EndAllURL.
type Sessions struct {
	Sessions  []Session
	EndURL    string
	EndAllURL string
	// Ended says that sessions were just ended, and how many.
	Ended int
	// ProvidersURL leads to the links with other providers; empty where there is none.
	ProvidersURL string
	// PasskeysURL is where she adds and removes passkeys; empty where there are none.
	PasskeysURL string
	// Acts are what was done to the account, newest first.
	Acts []Act
	// RegionsURL is where she chooses provinces, empty where there are none to choose.
	RegionsURL string
	// Newer and Older are pages of Acts beside this one, empty at an end.
	Newer, Older string
}

func (Sessions) page() string { return "Sessions" }

// Act is one thing that was done to an account.
type Act struct {
	Kind EventType
	// Role was given to the person, or taken back, where that was what was done.
	Role    authz.Role
	Revoked bool
	At      time.Time
	// By is the app that did it. Own is true where the person did; neither where an
	// operator did.
	By  Words
	Own bool
	// Device is where she signed in, empty when unknown or where it was something else.
	Device string
	// Failed is how many wrong answers were given in an hour, 0 where it was something
	// else. Replaced is true where another person signed in at the same browser, Opened
	// where the account was opened.
	Failed           int
	Replaced, Opened bool
	// Provider is the alias of another provider that it was about. Linked is true where a link
	// was made, Unlinked where one ended.
	Provider         string
	Linked, Unlinked bool
	// Regional is what became of her choice of a province, by the action's name, and Place
	// who had the other part in it; empty where it was something else.
	Regional, Place string
	// There is what it was where it came with the log of a province; empty where it did not.
	There EventType
	// Passkey is what became of a passkey, by the action's name; empty where it was something else.
	Passkey string
	// ProofURL downloads the proof.
	ProofURL string
	// Fault is set where the record is no evidence; then nothing else but At is.
	Fault RecordFault
}

// Key is the text in the catalogue.
func (a Act) Key() string {
	switch a.Role {
	case authz.Auditor, authz.Operator:
		if a.Revoked {
			return "sessions.role_over." + string(a.Role)
		}
		return "sessions.role." + string(a.Role)
	}
	if a.Regional != "" {
		return "sessions.act." + a.Regional
	}
	if a.Passkey != "" {
		return "sessions.act." + a.Passkey
	}
	if a.Opened {
		return "sessions.opened"
	}
	return a.Kind.Key()
}

// Session is one browser.
type Session struct {
	ID       string
	Device   string // for example "Chrome, Android"; empty when unknown
	Level    int    // 0 when unknown
	Started  time.Time
	LastSeen time.Time
	Current  bool
}
