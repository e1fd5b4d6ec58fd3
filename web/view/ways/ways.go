// Package ways has what pages show of the ways to sign in beside number and password: other
// providers and passkeys. The pages are in package view.
package ways

import (
	"time"

	"hopnhat/authz"
)

// ProviderButton leads from the sign-in page to another provider.
type ProviderButton struct {
	Name authz.LocalizedText
	URL  string
}

// UpstreamFault is why a sign-in by another provider came to nothing.
type UpstreamFault string

// Key is the text in the catalogue.
func (f UpstreamFault) Key() string { return "upstream.fault." + string(f) }

// UpstreamFaults lists all of them.
func UpstreamFaults() []UpstreamFault {
	return []UpstreamFault{"cancelled", "late", "mixed", "untrue", "low", "unlinked", "elsewhere", "another", "locked", "silent", "busy"}
}

// Upstream is one provider.
type Upstream struct {
	Alias string
	Name  authz.LocalizedText
	// Link names the link; empty where there is none. Then Level, Made and ByNumber say of it.
	Link     string
	Level    int
	Made     time.Time
	ByNumber bool
	// LinkOnly says that nobody signs in by it.
	LinkOnly bool
}

// PasskeyDone is what was just done with a person's passkeys.
type PasskeyDone string

// What is done; empty for nothing.
const (
	PasskeyAdded   PasskeyDone = "added"
	PasskeyRemoved PasskeyDone = "removed"
)

// Key is the text in the catalogue.
func (d PasskeyDone) Key() string { return "passkeys.done." + string(d) }

// PasskeyProblem is why a passkey was not added.
type PasskeyProblem string

// The problems.
const (
	PasskeyName    PasskeyProblem = "name"    // the name is empty or too long
	PasskeyLate    PasskeyProblem = "late"    // the page was open for too long
	PasskeyTaken   PasskeyProblem = "taken"   // it was added before
	PasskeyFull    PasskeyProblem = "full"    // she has as many as one may have
	PasskeyRefused PasskeyProblem = "refused" // anything else
)

// Key is the text in the catalogue.
func (p PasskeyProblem) Key() string { return "passkeys.problem." + string(p) }

// PasskeyList are those of a person, and the form of a new one. Fields posted to AddURL:
// passkey_name, credential; to RemoveURL: passkey.
type PasskeyList struct {
	Passkeys          []Passkey
	AddURL, RemoveURL string
	// Options is what the script of the page makes a new one by; empty where she has Most.
	Options string
	// Name is the one that is proposed for a new one.
	Name string
	// Most is how many a person may have.
	Most    int
	Done    PasskeyDone
	Problem PasskeyProblem
}

// Passkey is one of them.
type Passkey struct {
	ID, Name string
	// Synced says that it may be on other devices of hers too.
	Synced bool
	Added  time.Time
	Used   time.Time // zero if never
}
