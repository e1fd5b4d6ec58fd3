package view

// ErrorKind is what went wrong, as far as it concerns a person.
type ErrorKind string

// The kinds. Each has a title, a cause and a next step in the catalogue.
const (
	ErrorBadRequest   ErrorKind = "bad_request"   // the app sent a request that cannot be read
	ErrorUnknownApp   ErrorKind = "unknown_app"   // no such client
	ErrorBadReturn    ErrorKind = "bad_return"    // redirect URI not registered
	ErrorRequestURI   ErrorKind = "request_uri"   // a request_uri that is not the app's
	ErrorSignOut      ErrorKind = "sign_out"      // the app asked for a sign-out that cannot be
	ErrorAppDisabled  ErrorKind = "app_disabled"  // the app is switched off
	ErrorExpired      ErrorKind = "expired"       // the request or the page is too old
	ErrorFinished     ErrorKind = "finished"      // this sign-in has been answered
	ErrorForm         ErrorKind = "form"          // csrf token missing or of another session
	ErrorLocked       ErrorKind = "locked"        // the account is locked
	ErrorForbidden    ErrorKind = "forbidden"     // signed in, but not for this
	ErrorNotFound     ErrorKind = "not_found"     // no such page or not yours
	ErrorMethod       ErrorKind = "method"        // not by this method
	ErrorTooLarge     ErrorKind = "too_large"     // more than is read
	ErrorTooMany      ErrorKind = "too_many"      // throttled
	ErrorUnavailable  ErrorKind = "unavailable"   // a part is down: wait and try again
	ErrorInternal     ErrorKind = "internal"      // our fault
	ErrorNotAvailable ErrorKind = "not_available" // the proof is not ready yet
	ErrorMisdirected  ErrorKind = "misdirected"   // another node serves this page
	ErrorNotGenuine   ErrorKind = "not_genuine"   // the record was altered
)

// ErrorKinds lists all kinds.
func ErrorKinds() []ErrorKind {
	return []ErrorKind{
		ErrorBadRequest, ErrorUnknownApp, ErrorBadReturn, ErrorRequestURI, ErrorSignOut, ErrorAppDisabled, ErrorExpired, ErrorFinished, ErrorForm, ErrorLocked,
		ErrorForbidden, ErrorNotFound, ErrorMethod, ErrorTooLarge, ErrorTooMany, ErrorUnavailable,
		ErrorInternal, ErrorNotAvailable, ErrorMisdirected, ErrorNotGenuine,
	}
}

// Title is a text in the catalogue.
func (k ErrorKind) Title() string { return "error." + string(k) + ".title" }

// Cause is a text in the catalogue.
func (k ErrorKind) Cause() string { return "error." + string(k) + ".cause" }

// Next is a text in the catalogue.
func (k ErrorKind) Next() string { return "error." + string(k) + ".next" }

// Error tells what went wrong, why, and what to do.
type Error struct {
	Kind ErrorKind
	// Code is stable and can be read out on the telephone, for example
	// HN-4041 or invalid_request.
	Code string
	// Reference is the request's id in our logs.
	Reference string
	// App is whom to ask, where it is known.
	App *App
	// AppURL leads to the app, where it registered an address.
	AppURL string
	// RetrySeconds is when to try again; 0 says nothing.
	RetrySeconds int
	// RetryURL repeats what was tried, where that is safe.
	RetryURL string
	// SignOutURL lets the person sign out by herself; empty shows no link.
	SignOutURL string
	// HomeURL leads out; empty shows no link.
	HomeURL string
	// Developer is shown where the app's developers may read it.
	Developer *Developer
}

func (Error) page() string { return "Error" }

// Developer is the detail for who writes the app.
type Developer struct {
	Error       string // RFC 6749 §4.1.2.1 code
	Description string
	Clause      string // for example RFC 9126 §2.1
	Fields      []Field
}
