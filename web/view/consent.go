package view

import "time"

// ConsentProblem is why the consent page is shown again.
type ConsentProblem string

// The problems.
const (
	ConsentNothingChosen   ConsentProblem = "nothing"  // agreed without ticking anything
	ConsentRequiredMissing ConsentProblem = "required" // an optional item without the needed ones
)

// Key is the text in the catalogue.
func (p ConsentProblem) Key() string { return "consent.problem." + string(p) }

// Consent asks the person what the app may have. Fields: item, once for each
// thing ticked, with the ids of [Source] (its needed items together) and [Item]
// (an optional one); decision is "agree" or "decline", and on a page that only tells
// "agree" alone. Nothing is ticked
// beforehand (Decree 356/2025/NĐ-CP Art. 6(3)): Chosen is only ever true when the
// page comes back with a problem and shows what the person had ticked.
type Consent struct {
	Form   Form
	App    App
	Person string
	// Level is the authentication level, of which every sign-in tells the app, with its
	// time, besides the pseudonym.
	Level int
	// Asked are the purposes that need consent.
	Asked []Purpose
	// Informed are releases on another legal basis: shown, not asked.
	Informed []Purpose
	// Kept are what the app has been granted before and keeps beside the new (Grant
	// Management §3.3).
	Kept    []Want
	Problem ConsentProblem
	// Changed says that the page differs from the one she answered, whose answer does
	// not count.
	Changed bool
}

func (Consent) page() string { return "Consent" }

// OnlyInforms reports whether nothing is asked: the person is told what is read by law,
// and goes on.
func (c Consent) OnlyInforms() bool { return len(c.Asked) == 0 && len(c.Informed) > 0 }

// variant is the ending of the keys of title and heading.
func (c Consent) variant() string {
	switch {
	case c.OnlyInforms():
		return "_told"
	case len(c.Asked) == 0:
		return "_signin"
	}
	return ""
}

// Title and Heading are the texts for what the page does.
func (c Consent) Title() string   { return "consent.title" + c.variant() }
func (c Consent) Heading() string { return "consent.heading" + c.variant() }

// Purpose is one purpose with its sources (one consent a purpose, Law
// 91/2025/QH15 Art. 9(4)). A source on other terms is one of its own.
type Purpose struct {
	// ID is that of the first source; no other of the page has it.
	ID          string
	Name        Words
	Explanation Words // the app's own words for why
	Basis       Words
	Citation    string
	Sources     []Source
	Frequency   Frequency
	DataLife    DataLife
	ValidUntil  time.Time
	// IfDeclined says what happens without it; the general text if empty.
	IfDeclined Words
}

// Source is one register and what is wanted from it.
type Source struct {
	// ID is the value of the field item for the needed items together.
	ID       string
	Registry Words
	Owner    Words
	// Needed items go together: without them the purpose cannot be served.
	Needed   []Item
	Optional []Item
	Chosen   bool
	// Recipients are other apps that may receive the data when they act for this
	// one; who agrees is told their names.
	Recipients []Words
}

// Item is one attribute.
type Item struct {
	ID   string
	Name Words
	// Sensitive data are marked (Decree 356/2025/NĐ-CP Art. 6(4)).
	Sensitive bool
	Chosen    bool
}
