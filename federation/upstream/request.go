package upstream

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hopnhat/authz"
)

// Ask is an authentication request that is under way. State, Nonce and Verifier are random,
// 43 characters each, and good for one request.
type Ask struct {
	State, Nonce, Verifier string
	// Fresh demands that the person signs in there anew, whoever is signed in.
	Fresh bool
	// Level is the level that is needed, 0 for what the provider needs anyway.
	Level authz.AuthenticationLevel
	// Locales are the languages of the page, the preferred first.
	Locales []string
	// Begun is when it was made.
	Begun time.Time
}

// NewAsk makes the random parts of a request.
func NewAsk(now time.Time) Ask {
	return Ask{State: authz.NewSecret(), Nonce: authz.NewSecret(), Verifier: authz.NewSecret(), Begun: now}
}

// maxAge is how long ago a person may have signed in at the provider.
const maxAge = 12 * time.Hour

// Request is the address of the authentication request (OpenID Connect Core §3.1.2.1), with
// PKCE (RFC 7636 §4.3). The redirect URI is one that only this provider has (RFC 9700 §4.4.2).
func (p *Provider) Request(m Metadata, redirectURI string, a Ask) string {
	return m.authorize(p.parameters(redirectURI, a))
}

func (p *Provider) parameters(redirectURI string, a Ask) url.Values {
	challenge := sha256.Sum256([]byte(a.Verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {p.ClientID}, "redirect_uri": {redirectURI}, "scope": {p.scope()},
		"state": {a.State}, "nonce": {a.Nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
		// OpenID Connect Core §2: auth_time is in the ID token when max_age was asked for.
		"max_age": {strconv.Itoa(int(maxAge.Seconds()))},
	}
	if a.Fresh {
		q.Set("prompt", "login")
		q.Set("max_age", "0")
	}
	if values := p.ACRValues(max(a.Level, p.LeastLevel)); len(values) > 0 {
		q.Set("acr_values", strings.Join(values, " "))
	}
	if len(a.Locales) > 0 {
		q.Set("ui_locales", strings.Join(a.Locales, " "))
	}
	return q
}

// authorize is the authorization endpoint with parameters.
func (m Metadata) authorize(q url.Values) string {
	// RFC 6749 §3.1: a query that the endpoint has is kept.
	separator := "?"
	if strings.Contains(m.AuthorizationEndpoint, "?") {
		separator = "&"
	}
	return m.AuthorizationEndpoint + separator + q.Encode()
}

// Object are the claims of a request object with the same parameters, for the provider alone (RFC
// 9101 §4, OpenID Federation 1.0 §12.1.1.1): without sub, so that it is no client assertion. jti,
// iat and exp are the caller's.
func (p *Provider) Object(redirectURI string, a Ask) map[string]any {
	claims := map[string]any{"iss": p.ClientID, "aud": p.Issuer}
	for name, values := range p.parameters(redirectURI, a) {
		claims[name] = values[0]
		if age, err := strconv.Atoi(values[0]); name == "max_age" && err == nil {
			claims[name] = age // OpenID Connect Core §6.1: a number
		}
	}
	return claims
}

// WithObject is the address of an authentication request by a request object (OpenID Connect Core
// §6.1).
func (p *Provider) WithObject(m Metadata, object string) string {
	return m.authorize(url.Values{"client_id": {p.ClientID}, "response_type": {"code"}, "scope": {p.scope()}, "request": {object}})
}

// AtURI is that of one that was pushed (RFC 9126 §4).
func (p *Provider) AtURI(m Metadata, uri string) string {
	return m.authorize(url.Values{"client_id": {p.ClientID}, "request_uri": {uri}})
}

func (p *Provider) scope() string {
	scope := "openid"
	for _, s := range p.Scopes {
		if s != "openid" {
			scope += " " + s
		}
	}
	return scope
}

// maxParameter bounds a parameter of a response, in bytes.
const maxParameter = 2048

// Response checks the authorization response to a request whose state was found, and returns
// the code. Errors are *[Refusal].
func (p *Provider) Response(m Metadata, q url.Values) (code string, err error) {
	for _, name := range []string{"code", "state", "iss", "error"} {
		switch {
		case len(q[name]) > 1: // RFC 6749 §3.1
			return "", refuse(Untrue, "RFC 6749 §3.1: %s stands there %d times", name, len(q[name]))
		case len(q.Get(name)) > maxParameter:
			return "", refuse(Untrue, "%s is longer than %d bytes", name, maxParameter)
		}
	}
	// RFC 9207 §2.4: also where the response is an error, and before anything else of it counts.
	switch iss := q.Get("iss"); {
	case iss == "" && m.NamesIssuer:
		return "", refuse(Mixed, "RFC 9207 §2.4: iss is missing, and the provider says that it is always there")
	case q.Has("iss") && subtle.ConstantTimeCompare([]byte(iss), []byte(p.Issuer)) != 1:
		return "", refuse(Mixed, "RFC 9207 §2.4: iss is not %s, which was asked", p.Issuer)
	}
	switch code := q.Get("error"); {
	case code == "access_denied" || code == "login_required" || code == "interaction_required":
		return "", refuse(Cancelled, "OpenID Connect Core §3.1.2.6: the provider answered %s", code)
	case code == "unmet_authentication_requirements":
		return "", refuse(Low, "the provider cannot reach the level that was asked for")
	case code == "temporarily_unavailable" || code == "server_error":
		return "", refuse(Silent, "RFC 6749 §4.1.2.1: the provider answered %s", code)
	case q.Has("error"):
		return "", refuse(Untrue, "RFC 6749 §4.1.2.1: the provider refuses the request")
	}
	if code = q.Get("code"); code == "" {
		return "", refuse(Untrue, "RFC 6749 §4.1.2: neither code nor error is there")
	}
	return code, nil
}

// SignOut is where a browser is signed out at the provider (OpenID Connect RP-Initiated Logout
// 1.0 §2); empty if it has no such endpoint. Nothing names the person: no ID token is kept, so
// the provider may ask her.
func (p *Provider) SignOut(m Metadata, back string) string {
	if m.EndSessionEndpoint == "" {
		return ""
	}
	separator := "?"
	if strings.Contains(m.EndSessionEndpoint, "?") {
		separator = "&"
	}
	return m.EndSessionEndpoint + separator + url.Values{"client_id": {p.ClientID}, "post_logout_redirect_uri": {back}}.Encode()
}
