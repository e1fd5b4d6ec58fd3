package view

import (
	"strconv"
	"strings"

	"hopnhat/authz"
)

// Words is data in two languages.
type Words = authz.LocalizedText

// Form is where a page's form posts, and what it carries along besides csrf.
type Form struct {
	Action string
	Hidden []Field
}

// Field is a name and its value.
type Field struct{ Name, Value string }

// App is an app as a citizen must be able to recognise it.
type App struct {
	Name  Words
	Owner Words  // the agency that runs it
	Site  string // host name of its redirect URI
	// Verified says that somebody vouches for the owner: an operator, or the agency's
	// officer who gave the app its initial access token.
	Verified bool
	// OnDevice is a program on the person's own device: any there could use its name, so
	// that somebody vouches for the owner says nothing of it.
	OnDevice bool
	// LogoURL is its picture, served by us; empty if it has none.
	LogoURL string
	// PolicyURL and TermsURL are the app's own pages; empty if it has none.
	PolicyURL, TermsURL string
	// OpenURL begins a sign-in at the app (OpenID Connect Core §4); empty if it
	// takes none from here.
	OpenURL string
}

// Choice is one option of a select.
type Choice struct {
	Value    string
	Name     Words
	Selected bool
}

// Frequency is how often a recipient may read: "once", "unlimited" or "N/day", as
// in authz.Release; empty says nothing.
type Frequency string

// Once is a single read.
func (f Frequency) Once() bool { return f == "once" }

// Unlimited is as often as needed while it is valid.
func (f Frequency) Unlimited() bool { return f == "unlimited" }

// PerDay is the number of reads a day, 0 if not of that form.
func (f Frequency) PerDay() int {
	n, ok := strings.CutSuffix(string(f), "/day")
	if !ok {
		return 0
	}
	count, err := strconv.Atoi(n)
	if err != nil || count < 0 {
		return 0
	}
	return count
}

// DataLife is how long a recipient may keep the data, an ISO 8601 duration in
// days as in authz.Release, for example P30D; empty says nothing.
type DataLife string

// Days is the number of days, 0 if it is not of that form.
func (d DataLife) Days() int {
	n, ok := strings.CutPrefix(string(d), "P")
	if !ok {
		return 0
	}
	if n, ok = strings.CutSuffix(n, "D"); !ok {
		return 0
	}
	days, err := strconv.Atoi(n)
	if err != nil || days < 0 {
		return 0
	}
	return days
}
