package view

import (
	"strings"
	"time"
)

// UserCodeProblem is why the code of a device is asked for again.
type UserCodeProblem string

// The problems.
const (
	UserCodeUnknown   UserCodeProblem = "unknown"   // no device waits with it
	UserCodeThrottled UserCodeProblem = "throttled" // wait RetryMinutes
)

// Key is the text in the catalogue.
func (p UserCodeProblem) Key() string { return "device.problem." + string(p) }

// Device asks for the code that another device shows (RFC 8628 §3.3). Field:
// user_code. With Prefilled the code came in the address: it is carried along and
// not shown, since the next page asks which one is on the device.
type Device struct {
	Form         Form
	Prefilled    bool
	Problem      UserCodeProblem
	RetryMinutes int
	// OtherURL is this page without a code, for Prefilled.
	OtherURL string
}

func (Device) page() string { return "Device" }

// Approve asks the person whether the sign-in on another device is hers. Fields:
// symbol, one of Symbols; decision, "approve", "deny" or "not_me".
type Approve struct {
	Form   Form
	App    App
	Person string
	// FromDevice says that she came with the code of a device; otherwise the app
	// named her.
	FromDevice bool
	// Message is the app's, with the symbol hidden.
	Message string
	Wants   []Want
	Symbols []string
	Minutes int
	Expires time.Time
	// Missing says that nothing was picked, Changed that the page differs from the
	// one she answered.
	Missing, Changed bool
}

func (Approve) page() string { return "Approve" }

// Spoken is a symbol with a space between its characters, as it is read out.
func (Approve) Spoken(symbol string) string { return strings.Join(strings.Split(symbol, ""), " ") }

// Want is data that an app asks for beside the sign-in.
type Want struct {
	Purpose    Words
	Attributes []Item
}

// ApproveResult is how a request ended.
type ApproveResult string

// The results.
const (
	ApproveApproved    ApproveResult = "approved"
	ApproveDeclined    ApproveResult = "declined"
	ApproveNotMe       ApproveResult = "not_me"
	ApproveWrong       ApproveResult = "wrong_symbol"
	ApproveUnreachable ApproveResult = "unreachable"
)

// ApproveResults lists all results.
func ApproveResults() []ApproveResult {
	return []ApproveResult{ApproveApproved, ApproveDeclined, ApproveNotMe, ApproveWrong, ApproveUnreachable}
}

// Title is the title's text in the catalogue, Text the one below it.
func (r ApproveResult) Title() string { return "approved.title." + string(r) }

// Text is the text below the title.
func (r ApproveResult) Text() string { return "approved.text." + string(r) }

// Good says that the other device is signed in.
func (r ApproveResult) Good() bool { return r == ApproveApproved }

// Alarm says that somebody else may be trying to sign in as the person.
func (r ApproveResult) Alarm() bool { return r == ApproveNotMe || r == ApproveWrong }

// Approved tells how a request ended.
type Approved struct {
	Result    ApproveResult
	PortalURL string
	HomeURL   string
}

func (Approved) page() string { return "Approved" }

// Requests lists the sign-ins that wait for the person.
type Requests struct {
	Requests []SignInRequest
	// DeviceURL is where the code of a device is typed.
	DeviceURL string
}

func (Requests) page() string { return "Requests" }

// SignInRequest is one of them.
type SignInRequest struct {
	URL     string
	App     App
	Message string
	At      time.Time
	Minutes int
	Expires time.Time
}
