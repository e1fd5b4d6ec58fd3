package request

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hopnhat/authz"
)

// Limits on the form of any protocol request. What is longer is refused before
// it is looked at.
const (
	MaxForm    = 64 << 10 // bytes of a request body or query
	maxParams  = 64
	maxPairs   = 96 // with what repeats and what is empty
	maxValue   = 4096
	maxDetails = 16 << 10
	// maxSigned lets a trust chain stand in the header of what an app signs (OpenID Federation
	// 1.0 §4.3).
	maxSigned = 32 << 10
)

// longer names the parameters that may exceed maxValue.
var longer = map[string]int{
	"authorization_details": maxDetails, "client_assertion": maxSigned,
	"state": 8 << 10, "claims": 8 << 10, "request": maxSigned, "id_token_hint": 8 << 10,
	"login_hint_token": 8 << 10, "logout_token": 8 << 10, "token": 16 << 10,
}

// ParseForm reads a form-encoded query or body. A parameter that comes twice, an
// over-long or non-UTF-8 value is refused (RFC 6749 §3.1: parameters MUST NOT be
// included more than once). Parameters without a value are treated as omitted,
// as the same section asks. Names and values are texts ([authz.CheckText]); those
// that hold JSON may have its white space.
func ParseForm(raw string) (url.Values, error) {
	if len(raw) > MaxForm {
		return nil, authz.NewError(authz.InvalidRequest, "the request is longer than %d bytes", MaxForm)
	}
	// Counted first: a parser that is let in makes something of each.
	if strings.Count(raw, "&") >= maxPairs {
		return nil, authz.NewError(authz.InvalidRequest, "the request has more than %d parameters", maxParams)
	}
	form, err := url.ParseQuery(raw)
	if err != nil {
		return nil, malformed(raw, err)
	}
	if len(form) > maxParams {
		return nil, authz.NewError(authz.InvalidRequest, "the request has more than %d parameters", maxParams)
	}
	for name, values := range form {
		if err := authz.CheckText(name); err != nil {
			return nil, authz.NewError(authz.InvalidRequest, "a parameter is not named by a text").Because(err)
		}
		limit := maxValue
		if l, ok := longer[name]; ok {
			limit = l
		}
		switch {
		// RFC 8707 §2 and RFC 8693 let these repeat.
		case len(values) > 1 && name != "resource" && name != "audience":
			return nil, authz.NewError(authz.InvalidRequest, "parameter %s is given %d times; give it once", label(name),
				len(values)).At(label(name)).Under("RFC 6749 §3.1")
		case len(values) > 8:
			return nil, authz.NewError(authz.InvalidRequest, "parameter %s is given too often",
				label(name)).At(label(name)).Under("RFC 6749 §3.1")
		}
		for _, v := range values {
			if len(v) > limit {
				return nil, authz.NewError(authz.InvalidRequest, "parameter %s is longer than %d bytes", label(name),
					limit).At(label(name)).Under("RFC 6749 §3.1")
			}
			if slices.Contains(inJSON, name) {
				v = white.Replace(v)
			}
			if err := authz.CheckText(v); err != nil {
				return nil, authz.NewError(unfit(name), "parameter %s: %v", label(name), err).At(label(name)).Under("RFC 6749 §3.1")
			}
		}
		if len(values) == 1 && values[0] == "" {
			delete(form, name)
		}
	}
	return form, nil
}

// unfit is the code for a parameter whose text is none that may be kept: CIBA Core
// §13 has one of its own for what the person's device would show.
func unfit(name string) authz.Code {
	if name == "binding_message" {
		return authz.InvalidBindingMessage
	}
	return authz.InvalidRequest
}

// inJSON are parameters that are JSON, whose texts are looked at where it is read.
var inJSON = []string{"authorization_details", "claims"}

// white is the white space of RFC 8259 §2.
var white = strings.NewReplacer("\t", " ", "\r", " ", "\n", " ")

// malformed says which parameter is not percent-encoded, where it is one.
func malformed(raw string, err error) *authz.Error {
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if _, wrong := url.QueryUnescape(value); wrong != nil {
			return authz.NewError(authz.InvalidRequest, "parameter %s is not percent-encoded; write a percent sign as %%25",
				label(name)).At(label(name)).Under("RFC 6749 appendix B").Because(err)
		}
	}
	return authz.NewError(authz.InvalidRequest,
		"the request is not valid application/x-www-form-urlencoded").Under("RFC 6749 appendix B").Because(err)
}

// ParseQuery is ParseForm for the query of an address, which has less room for state
// than a body.
func ParseQuery(raw string) (url.Values, error) {
	form, err := ParseForm(raw)
	if err == nil && len(form.Get("state")) > maxValue {
		return nil, authz.NewError(authz.InvalidRequest, "parameter state is longer than %d bytes; push the request or send it by POST",
			maxValue).At("state").Under("RFC 6749 §4.1.1")
	}
	return form, err
}

// known are the parameters whose names may stand in our answers. A name that
// somebody made up is not repeated: the answer may be a page of ours.
var known = []string{
	"access_token", "acr_values", "actor_token", "actor_token_type", "assertion", "audience", "auth_req_id",
	"authorization_details", "binding_message", "claims", "claims_locales", "client_assertion", "client_assertion_type",
	"client_id", "client_notification_token", "client_secret", "code", "code_challenge", "code_challenge_method", "code_verifier",
	"device_code", "display", "dpop_jkt", "grant_id", "grant_management_action", "grant_type", "id_token_hint", "idp_hint", "login_hint",
	"login_hint_token", "logout_token", "max_age", "nonce", "post_logout_redirect_uri", "prompt", "redirect_uri", "refresh_token",
	"registration", "request", "request_uri", "requested_expiry", "requested_token_type", "resource", "response_mode",
	"response_type", "scope", "state", "subject_token", "subject_token_type", "token", "token_type_hint", "ui_locales",
	"user_code",
}

// label names a parameter in an answer.
func label(name string) string {
	if slices.Contains(known, name) {
		return name
	}
	return "(one that is not known here)"
}

// ReadForm reads a form in the body of a request: bounded, no parameter twice. Errors are
// *authz.Error.
func ReadForm(r *http.Request) (url.Values, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxForm+1))
	if err != nil {
		return nil, authz.NewError(authz.InvalidRequest, "the body could not be read").Because(err)
	}
	return ParseForm(string(body))
}
