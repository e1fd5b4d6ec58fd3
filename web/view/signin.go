package view

import "hopnhat/web/view/ways"

// SignInProblem is why the form is shown again. None of them tells whether an
// account exists.
type SignInProblem string

// The problems.
const (
	SignInWrong     SignInProblem = "wrong"     // number or password does not fit
	SignInMissing   SignInProblem = "missing"   // a field is empty
	SignInMalformed SignInProblem = "malformed" // not a number of 12 digits
	SignInThrottled SignInProblem = "throttled" // wait RetryMinutes
	SignInLate      SignInProblem = "late"      // the code came too late, so this comes first again
	SignInBusy      SignInProblem = "busy"      // nothing was checked
	// A passkey was refused, and the page was open too long for one.
	SignInPasskey     SignInProblem = "passkey"
	SignInPasskeyLate SignInProblem = "passkey_late"
)

// OfFields reports whether what was typed is the problem.
func (p SignInProblem) OfFields() bool {
	return p == SignInWrong || p == SignInMissing || p == SignInMalformed
}

// Key is the text in the catalogue.
func (p SignInProblem) Key() string { return "signin.problem." + string(p) }

// SignIn asks for number and password. Fields: number, password.
type SignIn struct {
	Form Form
	// App is who asked for the sign-in; nil for our own portal.
	App     *App
	Number  string
	Problem SignInProblem
	// RetryMinutes goes with SignInThrottled.
	RetryMinutes int
	// CancelURL gives up and returns to the app; empty shows no link.
	CancelURL string
	// Region is the province whose provider this is; empty for the national one.
	Region string
	// Providers are other providers by which people sign in.
	Providers []ways.ProviderButton
	// Passkey is the way to sign in with one; nil where there is none.
	Passkey *PasskeyWay
}

func (SignIn) page() string { return "SignIn" }

// CodeProblem is why the one-time code is asked for again.
type CodeProblem string

// The problems.
const (
	CodeWrong     CodeProblem = "wrong"
	CodeMalformed CodeProblem = "malformed"
	CodeThrottled CodeProblem = "throttled"
	// A passkey was refused in the place of the code, and the page was open too long for one.
	CodePasskey     CodeProblem = "passkey"
	CodePasskeyLate CodeProblem = "passkey_late"
)

// OfField reports whether what was typed is the problem.
func (p CodeProblem) OfField() bool { return p == CodeWrong || p == CodeMalformed }

// Key is the text in the catalogue.
func (p CodeProblem) Key() string { return "code.problem." + string(p) }

// OneTimeCode asks for the six digits of the authenticator app. Field: code.
type OneTimeCode struct {
	Form         Form
	App          *App
	Problem      CodeProblem
	RetryMinutes int
	CancelURL    string
	// Passkey is the way to go on with one in the place of the code; nil where there is none.
	Passkey *PasskeyWay
}

func (OneTimeCode) page() string { return "OneTimeCode" }

// FormPost carries an answer to the app by a form that sends itself (Form Post Response
// Mode §2); without scripts there is a button.
type FormPost struct {
	Action string
	Fields []Field
	App    App
}

func (FormPost) page() string { return "FormPost" }
