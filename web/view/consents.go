package view

import (
	"slices"
	"time"
)

// ConsentState is where a consent is in its life.
type ConsentState string

// The states.
const (
	StateRequested  ConsentState = "requested"
	StateLapsed     ConsentState = "lapsed"
	StateApproved   ConsentState = "approved"
	StateDeclined   ConsentState = "declined"
	StateSuperseded ConsentState = "superseded"
	StateSuspended  ConsentState = "suspended"
	StateWithdrawn  ConsentState = "withdrawn"
	StateExpired    ConsentState = "expired"
	StateEnded      ConsentState = "ended"
)

// ConsentStates lists all states.
func ConsentStates() []ConsentState {
	return []ConsentState{StateRequested, StateLapsed, StateApproved, StateDeclined, StateSuperseded, StateSuspended, StateWithdrawn, StateExpired, StateEnded}
}

// Key is the text in the catalogue.
func (s ConsentState) Key() string {
	if !slices.Contains(ConsentStates(), s) {
		return "state.other"
	}
	return "state." + string(s)
}

// Live reports whether data can flow under it.
func (s ConsentState) Live() bool { return s == StateApproved }

// Consents lists what the person has agreed to.
type Consents struct {
	Active []ConsentCard
	Past   []ConsentCard
	// Withdrawn is the withdrawal just made, nil otherwise.
	Withdrawn *Withdrawal
}

func (Consents) page() string { return "Consents" }

// Withdrawal tells that a withdrawal holds.
type Withdrawal struct {
	App App
	At  time.Time
	// Notified says that the app is sent a notice.
	Notified bool
}

// ConsentCard is one consent in a list.
type ConsentCard struct {
	ID          string
	URL         string
	WithdrawURL string // empty when there is nothing to withdraw
	App         App
	Purpose     Words
	Attributes  []Item
	State       ConsentState
	Approved    time.Time
	Until       time.Time // zero: until withdrawn
	Ended       time.Time // of a past one
	// Notified says that the app has an address for the notice of a withdrawal.
	Notified bool
	// Counted says that Uses and LastUsed are known; otherwise nothing is said.
	Counted  bool
	Uses     int
	LastUsed time.Time // zero: never
}

// ConsentDetail is one consent with its history.
type ConsentDetail struct {
	Consent   ConsentCard
	Registry  Words
	Owner     Words
	Basis     Words
	Citation  string
	Frequency Frequency
	DataLife  DataLife
	Versions  []ConsentVersion
	BackURL   string
	// Notice is where the notice of the withdrawal stands; empty where there was none.
	Notice DeliveryState
}

func (ConsentDetail) page() string { return "ConsentDetail" }

// Step is the text of what made a version of a consent.
func (s ConsentState) Step() string { return "step." + string(s) }

// ConsentVersion is one step in the life of a consent; none is ever changed. They are
// listed newest first.
type ConsentVersion struct {
	Number int
	// Current says that this is the newest, whose state is the consent's.
	Current  bool
	State    ConsentState
	At       time.Time
	Actor    string // name of the person who acted; empty when the system did
	Level    int    // authentication level
	Lang     Lang   // language of the text that was shown
	TextHash string // of that text
}

// WithdrawConfirm asks once before a withdrawal. It posts to Form; the button
// is decision=withdraw.
type WithdrawConfirm struct {
	Form    Form
	Consent ConsentCard
	BackURL string
	// Changed says that she agreed anew since she was asked.
	Changed bool
}

func (WithdrawConfirm) page() string { return "WithdrawConfirm" }
