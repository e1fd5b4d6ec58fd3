package request

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hopnhat/authz"
)

// maxObjectLife bounds a signed request in time, both ways: FAPI 2.0 MS
// §5.3.1 asks to refuse one whose nbf is more than 60 minutes in the past or that lives
// longer than that.
const maxObjectLife = time.Hour

// clockAhead is how far a client's clock may be ahead of ours.
const clockAhead = 10 * time.Second

// signedRequest is a kind of JWT that carries the parameters of a request: a request
// object (RFC 9101) or a signed authentication request (CIBA Core §7.1.1). Of both only
// what was signed counts.
type signedRequest struct {
	// name and code are how a refusal calls it.
	name string
	code authz.Code
	// registered are its claims that are no parameters.
	registered []string
	// rules are what these must say, in this order; each answers what is wrong, or
	// nothing.
	rules []func(c *registeredClaims, by *signer) (wrong string)
}

// signer is whose request it is, for whom, when.
type signer struct {
	client  *authz.Client
	profile authz.Profile
	issuer  string
	now     time.Time
}

// registeredClaims are those of RFC 7519 §4.1.
type registeredClaims struct {
	Issuer    string          `json:"iss"`
	Subject   json.RawMessage `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	Expires   *float64        `json:"exp"`
	NotBefore *float64        `json:"nbf"`
	IssuedAt  *float64        `json:"iat"`
	ID        json.RawMessage `json:"jti"`
}

// refuse says what is wrong with it.
func (k *signedRequest) refuse(format string, args ...any) *authz.Error {
	return authz.NewError(k.code, k.name+": "+format, args...).At("request")
}

// read makes a form out of the claims, whose signature was checked. Errors are
// *authz.Error.
func (k *signedRequest) read(claims json.RawMessage, by *signer) (url.Values, *registeredClaims, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(claims, &members) != nil || len(members) > maxParams {
		return nil, nil, k.refuse("its claims are not a JSON object of at most %d members", maxParams)
	}
	registered := &registeredClaims{}
	if json.Unmarshal(claims, registered) != nil {
		return nil, nil, k.refuse("iss, aud, exp, nbf or iat is of a wrong type")
	}
	for _, rule := range k.rules {
		if wrong := rule(registered, by); wrong != "" {
			return nil, nil, k.refuse("%s", wrong)
		}
	}
	form := url.Values{}
	for name, raw := range members {
		if slices.Contains(k.registered, name) {
			continue
		}
		switch name {
		case "request", "request_uri", "client_secret", "client_assertion", "client_assertion_type": // RFC 9101 §4
			return nil, nil, k.refuse("%s does not belong inside", name)
		}
		values, wrong := parameter(raw)
		if wrong != "" {
			return nil, nil, k.refuse("%s %s", label(name), wrong)
		}
		if len(values) > 1 && name != "resource" {
			return nil, nil, k.refuse("%s has more than one value", label(name))
		}
		form[name] = values
	}
	return form, registered, nil
}

// inTime is the rule on exp, nbf and iat; strict is FAPI 2.0 MS §5.3.1.
func inTime(c *registeredClaims, strict bool, now time.Time) (wrong string) {
	exp, nbf, iat := c.Expires, c.NotBefore, c.IssuedAt
	at := func(seconds *float64) time.Time { return time.Unix(int64(*seconds), 0) }
	switch {
	case strict && exp == nil:
		return "exp is missing"
	case strict && nbf == nil:
		return "nbf is missing"
	case exp != nil && !now.Before(at(exp)):
		return "it has expired (exp)"
	case nbf != nil && at(nbf).After(now.Add(clockAhead)):
		return "it is not valid yet (nbf)"
	case iat != nil && at(iat).After(now.Add(clockAhead)):
		return "it is from the future (iat)"
	case nbf != nil && now.Sub(at(nbf)) > maxObjectLife:
		return "nbf is more than 60 minutes ago"
	case exp != nil && nbf != nil && at(exp).Sub(at(nbf)) > maxObjectLife, exp != nil && nbf == nil && at(exp).Sub(now) > maxObjectLife:
		return "it lives longer than 60 minutes"
	}
	return ""
}

// text reads a claim that must be a text, or be missing.
func text(raw json.RawMessage) (value string, ok bool) {
	return value, raw == nil || json.Unmarshal(raw, &value) == nil
}

// names reports whether an aud, a string or a list, names the issuer.
func names(raw json.RawMessage, issuer string) bool {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one == issuer
	}
	var many []string
	return json.Unmarshal(raw, &many) == nil && slices.Contains(many, issuer)
}

// parameter turns a claim into the value of a request parameter: text as it is, a
// number in digits, an object as its JSON (RFC 9101 §4).
func parameter(raw json.RawMessage) (values []string, wrong string) {
	text := strings.TrimSpace(string(raw))
	switch {
	case text == "null":
		return nil, ""
	case strings.HasPrefix(text, `"`):
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return nil, "is not text"
		}
		return []string{s}, ""
	case strings.HasPrefix(text, "{"):
		return []string{text}, ""
	case strings.HasPrefix(text, "["):
		var list []string
		if json.Unmarshal(raw, &list) == nil { // resource
			return list, ""
		}
		return []string{text}, "" // authorization_details
	case text == "true", text == "false":
		return []string{text}, ""
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, "is neither text, a whole number nor an object"
	}
	return []string{strconv.FormatInt(number, 10)}, ""
}
