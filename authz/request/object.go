package request

import (
	"crypto/sha256"
	"encoding/json"
	"net/url"
	"time"

	"hopnhat/authz"
)

// ObjectType is the `typ` of a request object, RFC 9101 §10.8.
const ObjectType = "oauth-authz-req+jwt"

// requestObject is RFC 9101. A profile says whether the claims that limit it in audience
// and time must be there (FAPI 2.0 MS §5.3.1).
var requestObject = &signedRequest{
	name: "the request object", code: authz.InvalidRequestObject,
	registered: []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"},
	rules: []func(*registeredClaims, *signer) string{
		func(c *registeredClaims, by *signer) string {
			if c.Issuer != "" && c.Issuer != string(by.client.ID) || c.Issuer == "" && by.profile.LimitedRequestObjects {
				return "iss must be the client_id (RFC 9101 §4)"
			}
			return ""
		},
		func(c *registeredClaims, by *signer) string {
			switch subject, ok := text(c.Subject); {
			case !ok:
				return "sub is of a wrong type"
			case subject == string(by.client.ID): // RFC 9101 §10.8: or a client assertion could pass for a request
				return "sub must not be the client_id"
			}
			return ""
		},
		func(c *registeredClaims, by *signer) string {
			if c.Audience == nil && by.profile.LimitedRequestObjects || c.Audience != nil && !names(c.Audience, by.issuer) {
				return "aud must be the issuer " + by.issuer + " (RFC 9101 §4)"
			}
			return ""
		},
		func(c *registeredClaims, by *signer) string {
			return inTime(c, by.profile.LimitedRequestObjects, by.now)
		},
		func(c *registeredClaims, by *signer) string {
			if !by.client.Membership.Federated() {
				return ""
			}
			return ofFederation(c, by.issuer)
		},
	},
}

// ofFederation is the rule on the request object of an app that a federation vouches for
// (OpenID Federation 1.0 §12.1.1).
func ofFederation(c *registeredClaims, issuer string) (wrong string) {
	id, ok := text(c.ID)
	switch {
	case c.Issuer == "":
		return "iss is missing (OpenID Federation 1.0 §12.1.1)"
	case c.Subject != nil:
		return "sub must not be there (OpenID Federation 1.0 §12.1.1)"
	case c.Audience == nil || !alone(c.Audience, issuer):
		return "aud must be the issuer " + issuer + " and nobody else (OpenID Federation 1.0 §12.1.1)"
	case !ok || id == "" || len(id) > maxID:
		return "jti is missing, no text, or too long (OpenID Federation 1.0 §12.1.1)"
	case c.Expires == nil:
		return "exp is missing (OpenID Federation 1.0 §12.1.1)"
	}
	return ""
}

// maxID bounds a jti, in bytes.
const maxID = 256

// alone reports whether an aud, a text or a list, names the issuer and nobody else.
func alone(raw json.RawMessage, issuer string) bool {
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return len(many) == 1 && many[0] == issuer
	}
	return names(raw, issuer)
}

// Single names a request object that is taken once (OpenID Federation 1.0 §12.1.1), by its
// app and its jti; expires is when it would be refused in any case. claims are those that
// [FromObject] took.
func Single(claims json.RawMessage, client authz.ClientID) (digest []byte, expires time.Time) {
	var c registeredClaims
	if json.Unmarshal(claims, &c) != nil || c.Expires == nil {
		return nil, time.Time{}
	}
	id, _ := text(c.ID)
	sum := sha256.Sum256([]byte("request object\x00" + string(client) + "\x00" + id))
	return sum[:], time.Unix(int64(*c.Expires), 0).UTC().Add(clockAhead)
}

// FromObject makes the request out of the claims of a request object whose
// signature was checked. Only what was signed counts (RFC 9101 §6.3): a parameter
// beside the object is no part of the request. outer are the parameters it came
// with, of which client_id must agree.
//
// Where the profile leaves room for OpenID Connect Core §6.1, client_id,
// response_type and scope must stand beside the object and may be missing inside:
// then they are taken from there, and response_type must agree where it is in
// both. Errors are *authz.Error.
func FromObject(claims json.RawMessage, outer url.Values, client *authz.Client, profile authz.Profile, issuer string,
	now time.Time,
) (url.Values, error) {
	form, _, err := requestObject.read(claims, &signer{client, profile, issuer, now})
	if err != nil {
		return nil, err
	}
	if !profile.RequirePAR {
		for _, name := range []string{"client_id", "response_type", "scope"} {
			if !form.Has(name) && outer.Get(name) != "" {
				form.Set(name, outer.Get(name))
			}
		}
		if beside := outer.Get("response_type"); beside != "" && canonical(beside) != canonical(form.Get("response_type")) {
			return nil, requestObject.refuse("response_type must be the one beside it (OpenID Connect Core §6.1)")
		}
	}
	if id := form.Get("client_id"); id != string(client.ID) || outer.Get("client_id") != "" && outer.Get("client_id") != id {
		return nil, requestObject.refuse("client_id must be the one of the request (RFC 9101 §5)")
	}
	// The same limits as for any request.
	return ParseForm(form.Encode())
}
