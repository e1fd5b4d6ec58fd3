package request

import (
	"net/url"
	"unicode/utf8"

	"hopnhat/authz"
)

// Limits on the form of any protocol request. What is longer is refused before
// it is looked at.
const (
	MaxForm      = 64 << 10 // bytes of a request body or query
	maxParams    = 64
	maxValue     = 4096
	maxDetails   = 16 << 10
	maxAssertion = 8 << 10
)

// longer names the parameters that may exceed maxValue.
var longer = map[string]int{
	"authorization_details": maxDetails, "client_assertion": maxAssertion,
	"claims": 8 << 10, "request": 16 << 10, "id_token_hint": 8 << 10,
	"logout_token": 8 << 10, "token": 16 << 10,
}

// ParseForm reads a form-encoded query or body. A parameter that comes twice, an
// over-long or non-UTF-8 value is refused (RFC 6749 §3.1: parameters MUST NOT be
// included more than once). Parameters without a value are treated as omitted,
// as the same section asks.
func ParseForm(raw string) (url.Values, error) {
	if len(raw) > MaxForm {
		return nil, authz.Refuse(authz.InvalidRequest, "the request is longer than %d bytes", MaxForm)
	}
	form, err := url.ParseQuery(raw)
	if err != nil {
		return nil, authz.Refuse(authz.InvalidRequest, "the request is not valid application/x-www-form-urlencoded").Because(err)
	}
	if len(form) > maxParams {
		return nil, authz.Refuse(authz.InvalidRequest, "the request has more than %d parameters", maxParams)
	}
	for name, values := range form {
		limit := maxValue
		if l, ok := longer[name]; ok {
			limit = l
		}
		switch {
		// RFC 8707 §2 and RFC 8693 let these repeat.
		case len(values) > 1 && name != "resource" && name != "audience":
			return nil, authz.Refuse(authz.InvalidRequest, "parameter %q is given %d times; give it once", clip(name), len(values)).At(clip(name))
		case len(values) > 8:
			return nil, authz.Refuse(authz.InvalidRequest, "parameter %q is given too often", clip(name)).At(clip(name))
		}
		for _, v := range values {
			if len(v) > limit {
				return nil, authz.Refuse(authz.InvalidRequest, "parameter %q is longer than %d bytes", clip(name), limit).At(clip(name))
			}
			if !utf8.ValidString(v) {
				return nil, authz.Refuse(authz.InvalidRequest, "parameter %q is not valid UTF-8", clip(name)).At(clip(name))
			}
		}
		if len(values) == 1 && values[0] == "" {
			delete(form, name)
		}
	}
	return form, nil
}

// clip keeps a name from a stranger short and printable in our answer.
func clip(name string) string {
	out := make([]rune, 0, 40)
	for _, r := range name {
		if len(out) == 40 {
			break
		}
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}
