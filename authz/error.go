package authz

import (
	"errors"
	"fmt"
	"time"

	"hopnhat/keys"
)

// Sentinels of lookups. ErrNotFound means that the thing was looked for and is
// not there; ErrUnavailable that it could not be looked for (database or keys
// down), which a protocol answers with 503 or temporarily_unavailable and never
// with "invalid".
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("changed or spent by another request")
	ErrUnavailable = errors.New("temporarily unavailable")
)

// Code is an error code of RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core
// §3.1.2.6, and the extensions named beside each.
type Code string

// The codes this provider answers.
const (
	InvalidRequest              Code = "invalid_request"
	InvalidClient               Code = "invalid_client"
	InvalidGrant                Code = "invalid_grant"
	InvalidScope                Code = "invalid_scope"
	InvalidToken                Code = "invalid_token"
	InsufficientScope           Code = "insufficient_scope"
	UnauthorizedClient          Code = "unauthorized_client"
	UnsupportedGrantType        Code = "unsupported_grant_type"
	UnsupportedResponseType     Code = "unsupported_response_type"
	AccessDenied                Code = "access_denied"
	ServerError                 Code = "server_error"
	TemporarilyUnavailable      Code = "temporarily_unavailable"
	LoginRequired               Code = "login_required"
	ConsentRequired             Code = "consent_required"
	InteractionRequired         Code = "interaction_required"
	AccountSelectionRequired    Code = "account_selection_required"
	InvalidRequestURI           Code = "invalid_request_uri"           // OpenID Connect Core §3.1.2.6, RFC 9126
	InvalidRequestObject        Code = "invalid_request_object"        // RFC 9101 §7
	RequestNotSupported         Code = "request_not_supported"         // OpenID Connect Core §3.1.2.6
	RequestURINotSupported      Code = "request_uri_not_supported"     // OpenID Connect Core §3.1.2.6
	RegistrationNotSupported    Code = "registration_not_supported"    // OpenID Connect Core §3.1.2.6
	InvalidTarget               Code = "invalid_target"                // RFC 8707 §2
	InvalidAuthorizationDetails Code = "invalid_authorization_details" // RFC 9396 §5
	InvalidDPoPProof            Code = "invalid_dpop_proof"            // RFC 9449 §5
	UseDPoPNonce                Code = "use_dpop_nonce"                // RFC 9449 §8
	UnmetAuthentication         Code = "unmet_authentication_requirements"
	InvalidRedirectURI          Code = "invalid_redirect_uri"             // RFC 7591 §3.2.2
	InvalidClientMetadata       Code = "invalid_client_metadata"          // RFC 7591 §3.2.2
	InvalidSoftwareStatement    Code = "invalid_software_statement"       // RFC 7591 §3.2.2
	UnapprovedSoftwareStatement Code = "unapproved_software_statement"    // RFC 7591 §3.2.2
	AuthorizationPending        Code = "authorization_pending"            // RFC 8628 §3.5, CIBA Core §11
	SlowDown                    Code = "slow_down"                        // RFC 8628 §3.5, CIBA Core §11
	ExpiredToken                Code = "expired_token"                    // RFC 8628 §3.5, CIBA Core §11
	UnknownUserID               Code = "unknown_user_id"                  // CIBA Core §13
	ExpiredLoginHintToken       Code = "expired_login_hint_token"         // CIBA Core §13
	InvalidBindingMessage       Code = "invalid_binding_message"          // CIBA Core §13
	InsufficientAuthentication  Code = "insufficient_user_authentication" // RFC 9470 §3
	InvalidGrantID              Code = "invalid_grant_id"                 // Grant Management §5.3
	InvalidTrustChain           Code = "invalid_trust_chain"              // OpenID Federation 1.0 §8.9
	InvalidTrustAnchor          Code = "invalid_trust_anchor"             // OpenID Federation 1.0 §8.9
	InvalidMetadata             Code = "invalid_metadata"                 // OpenID Federation 1.0 §8.9
)

// Error is a refusal that a protocol endpoint may tell its caller. The
// description says what was wrong with what and what to do; it holds no secret,
// no personal datum and nothing of our internals.
type Error struct {
	Code        Code
	Description string
	// Parameter names the request parameter at fault, if one is.
	Parameter string
	// Clause is the rule that was broken, for the app's developers.
	Clause string
	// Redirectable says that the answer may travel to the client's redirect
	// URI. It is false as long as client or redirect URI are in doubt
	// (RFC 6749 §4.1.2.1).
	Redirectable bool
	// RetryAfter is sent as Retry-After where the code is temporary.
	RetryAfter time.Duration
	// Cause stays with us: logs, never answers.
	Cause error
}

// Error says code, description and cause, for logs.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Description, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Description)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// NewError makes an Error that stays on our own page or in our own answer.
func NewError(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...)}
}

// At names the parameter at fault.
func (e *Error) At(parameter string) *Error { c := *e; c.Parameter = parameter; return &c }

// Under names the rule that was broken.
func (e *Error) Under(clause string) *Error { c := *e; c.Clause = clause; return &c }

// Because keeps the cause for our logs.
func (e *Error) Because(cause error) *Error { c := *e; c.Cause = cause; return &c }

// ToClient marks the error as one that may travel to the redirect URI.
func (e *Error) ToClient() *Error { c := *e; c.Redirectable = true; return &c }

// IsError reports whether err already is an *Error for the caller; any other is a fault
// of ours.
func IsError(err error) bool {
	var oauth *Error
	return errors.As(err, &oauth)
}

// NotFoundAs turns ErrNotFound into a refusal and leaves outages as they are, so that
// "could not look" is never told as "is not there".
func NotFoundAs(err error, refusal *Error) error {
	if errors.Is(err, ErrNotFound) {
		return refusal.Because(err)
	}
	return AsError(err)
}

// AsError turns any error into one that may be told: an *Error as it is, an
// outage as temporarily_unavailable, everything else as server_error whose text
// stays with us.
func AsError(err error) *Error {
	var oauth *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &oauth):
		return oauth
	case errors.Is(err, ErrUnavailable), errors.Is(err, keys.ErrUnavailable):
		return &Error{
			Code: TemporarilyUnavailable, RetryAfter: 5 * time.Second, Cause: err,
			Description: "a part of the service is not answering; nothing was changed, try again shortly",
		}
	default:
		return &Error{Code: ServerError, Description: "the request could not be completed; nothing was released", Cause: err}
	}
}
