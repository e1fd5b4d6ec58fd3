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
