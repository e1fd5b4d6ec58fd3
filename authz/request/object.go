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

// ObjectType is the `typ` of a request object, RFC 9101 §10.8.
const ObjectType = "oauth-authz-req+jwt"

// maxObjectLife bounds a request object in time, both ways: FAPI 2.0 Message
// Signing §5.3.1 asks to refuse one whose nbf is more than 60 minutes in the past
// or that lives longer than that.
const maxObjectLife = time.Hour

// clockAhead is how far a client's clock may be ahead of ours.
const clockAhead = 10 * time.Second

// FromObject makes the request out of the claims of a request object whose
// signature was checked. Only what was signed counts (RFC 9101 §6.3): a parameter
// beside the object is no part of the request. outer are the parameters it came
// with, of which client_id must agree.
//
// Where the profile leaves room for OpenID Connect Core §6.1, client_id,
// response_type and scope must stand beside the object and may be missing inside:
// then they are taken from there, and response_type must agree where it is in
// both. Errors are *authz.Error.
func FromObject(claims json.RawMessage, outer url.Values, client *authz.Client, profile authz.Profile, issuer string, now time.Time) (url.Values, error) {
	bad := func(format string, args ...any) error {
		return authz.Refuse(authz.InvalidRequestObject, "the request object: "+format, args...).At("request")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(claims, &members); err != nil {
		return nil, bad("its claims are not a JSON object")
	}
	if len(members) > maxParams {
		return nil, bad("more than %d claims", maxParams)
	}
	var registered struct {
		Issuer    string          `json:"iss"`
		Subject   string          `json:"sub"`
		Audience  json.RawMessage `json:"aud"`
		Expires   *float64        `json:"exp"`
		NotBefore *float64        `json:"nbf"`
		IssuedAt  *float64        `json:"iat"`
	}
	if err := json.Unmarshal(claims, &registered); err != nil {
		return nil, bad("iss, sub, aud, exp, nbf or iat is of a wrong type")
	}
	switch {
	case registered.Issuer != "" && registered.Issuer != string(client.ID), registered.Issuer == "" && profile.LimitedRequestObjects:
		return nil, bad("iss must be the client_id (RFC 9101 §4)")
	case registered.Subject == string(client.ID):
		// RFC 9101 §10.8: or a client assertion could pass for a request.
		return nil, bad("sub must not be the client_id")
	case registered.Audience == nil && profile.LimitedRequestObjects, registered.Audience != nil && !names(registered.Audience, issuer):
		return nil, bad("aud must be the issuer %s (RFC 9101 §4)", issuer)
	}
	if err := inTime(registered.Expires, registered.NotBefore, registered.IssuedAt, profile.LimitedRequestObjects, now); err != "" {
		return nil, bad("%s", err)
	}
	form := url.Values{}
	for name, raw := range members {
		switch name {
		case "iss", "sub", "aud", "exp", "nbf", "iat", "jti":
			continue
		case "request", "request_uri": // RFC 9101 §4
			return nil, bad("%s must not be inside", name)
		case "client_assertion", "client_secret", "client_assertion_type":
			return nil, bad("%s does not belong inside", name)
		}
		values, err := parameter(raw)
		if err != "" {
			return nil, bad("%s %s", label(name), err)
		}
		if len(values) > 1 && name != "resource" {
			return nil, bad("%s has more than one value", label(name))
		}
		form[name] = values
	}
	if !profile.RequirePAR {
		for _, name := range []string{"client_id", "response_type", "scope"} {
			if !form.Has(name) && outer.Get(name) != "" {
				form.Set(name, outer.Get(name))
			}
		}
		if beside := outer.Get("response_type"); beside != "" && canonical(beside) != canonical(form.Get("response_type")) {
			return nil, bad("response_type must be the one beside it (OpenID Connect Core §6.1)")
		}
	}
	if id := form.Get("client_id"); id != string(client.ID) || outer.Get("client_id") != "" && outer.Get("client_id") != id {
		return nil, bad("client_id must be the one of the request (RFC 9101 §5)")
	}
	// The same limits as for any request.
	return ParseForm(form.Encode())
}

// inTime checks exp, nbf and iat; strict is FAPI 2.0 Message Signing §5.3.1.
func inTime(exp, nbf, iat *float64, strict bool, now time.Time) (wrong string) {
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
