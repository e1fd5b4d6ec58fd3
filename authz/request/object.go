package request

import (
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
	},
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
