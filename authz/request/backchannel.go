package request

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
)

// Backchannel is a checked authentication request of CIBA Core §7.1. What it asks
// for is an authorization like any other.
type Backchannel struct {
	Authorization
	// Exactly one of the hints is set (§7.1).
	LoginHint      string
	LoginHintToken string
	IDTokenHint    string
	Message        string
	// NotificationToken is the client's own bearer token for the ping.
	NotificationToken string
	// Expiry is the life asked for, zero where none was.
	Expiry time.Duration
}

// Limits of CIBA Core §7.1: a binding message fits a phone's screen and consists of
// plain characters. Its only digits are 0 to 9, because the page masks the code by
// searching the message for it. A notification token has at most 1024 characters of
// RFC 6750 §2.1, and enough of them to hold 128 bits.
const (
	maxMessage           = 64
	maxNotificationToken = 1024
	minNotificationToken = 22
)

// deviceChecks are the checks of RFC 8628 §3.1, backchannelChecks those of CIBA
// Core §7.1 for what both have in common with an authorization request.
var (
	deviceChecks = []check{
		{"RFC 8628 §3.1; RFC 6749 §3.3", scope},
		{"OpenID Connect Core §3.1.2.1 acr_values", acrValues},
		{"OpenID Connect Core §3.1.2.1 max_age; OpenID Connect Dynamic Registration §2 default_max_age", maxAge},
		{"OpenID Connect Core §3.1.2.1 locales", locales},
		{"RFC 8707 §2", resource},
		{"RFC 9396 §3, §5", details},
		{"OpenID Connect Core §5.5, §5.2", claimsParameter},
		{"OpenID Connect Core §5.4, §5.5", wishes},
	}
	backchannelChecks = append([]check{{"CIBA Core §7.1 scope", openID}}, deviceChecks...)
)

func openID(_ *Checker, form url.Values, _ *authz.Client, _ authz.Profile, _ *Authorization) *authz.Error {
	if slices.Contains(strings.Fields(form.Get("scope")), "openid") {
		return nil
	}
	return authz.NewError(authz.InvalidScope, "scope must contain openid (CIBA Core §7.1)").At("scope")
}

// Device checks a device authorization request, RFC 8628 §3.1. Errors are
// *authz.Error.
func (c *Checker) Device(form url.Values, client *authz.Client, profile authz.Profile) (Authorization, error) {
	a := Authorization{ClientID: client.ID, Decoupled: true}
	if refusal := c.run(deviceChecks, form, client, profile, &a); refusal != nil {
		return a, refusal
	}
	return a, nil
}

// Backchannel checks an authentication request, CIBA Core §7.2. Errors are
// *authz.Error.
func (c *Checker) Backchannel(form url.Values, client *authz.Client, profile authz.Profile) (Backchannel, error) {
	b := Backchannel{Authorization: Authorization{ClientID: client.ID, Decoupled: true}}
	if refusal := c.run(backchannelChecks, form, client, profile, &b.Authorization); refusal != nil {
		return b, refusal
	}
	for _, check := range []func(url.Values, *authz.Client) *authz.Error{b.hint, b.message, b.notification, b.expiry} {
		if refusal := check(form, client); refusal != nil {
			return b, refusal
		}
	}
	return b, nil
}

func (b *Backchannel) hint(form url.Values, _ *authz.Client) *authz.Error {
	b.LoginHint, b.LoginHintToken, b.IDTokenHint = form.Get("login_hint"), form.Get("login_hint_token"), form.Get("id_token_hint")
	hints := 0
	for _, hint := range []string{b.LoginHint, b.LoginHintToken, b.IDTokenHint} {
		if hint != "" {
			hints++
		}
	}
	switch {
	case hints != 1:
		return authz.NewError(authz.InvalidRequest,
			"send exactly one of login_hint, login_hint_token and id_token_hint (CIBA Core §7.1); there are %d", hints).At("login_hint")
	case form.Get("user_code") != "":
		return authz.NewError(authz.InvalidRequest,
			"user_code is not offered (backchannel_user_code_parameter_supported is false)").At("user_code")
	}
	return nil
}

func (b *Backchannel) message(form url.Values, _ *authz.Client) *authz.Error {
	b.Message = norm.NFC.String(form.Get("binding_message")) // some keyboards compose nothing
	bad := func(why string) *authz.Error {
		return authz.NewError(authz.InvalidBindingMessage, "binding_message %s", why).At("binding_message")
	}
	if utf8.RuneCountInString(b.Message) > maxMessage {
		return bad("is longer than " + strconv.Itoa(maxMessage) + " characters")
	}
	for _, r := range b.Message {
		if (!unicode.IsLetter(r) || !unicode.Is(unicode.Latin, r)) && (r < '0' || r > '9') && !strings.ContainsRune(" .,:;-_/#()+*'!?", r) {
			return bad("may hold Latin letters, digits, spaces and simple punctuation only")
		}
	}
	if b.Message != "" && strings.TrimSpace(b.Message) == "" {
		return bad("is blank")
	}
	return nil
}

func (b *Backchannel) notification(form url.Values, client *authz.Client) *authz.Error {
	token := form.Get("client_notification_token")
	bad := func(why string) *authz.Error {
		return authz.NewError(authz.InvalidRequest, "client_notification_token %s", why).At("client_notification_token")
	}
	switch {
	case client.BackchannelDelivery != authz.Ping:
		return nil // CIBA Core §7.1: it is for ping and push
	case token == "":
		return bad("is missing; an app of mode ping sends one (CIBA Core §7.1)")
	case len(token) > maxNotificationToken || len(token) < minNotificationToken:
		return bad("must have " + strconv.Itoa(minNotificationToken) + " to " + strconv.Itoa(maxNotificationToken) +
			" characters, for 128 random bits at least")
	case !b64token(token):
		return bad("must be a Bearer token of RFC 6750 §2.1")
	}
	b.NotificationToken = token
	return nil
}

// b64token is RFC 6750 §2.1.
func b64token(s string) bool {
	s = strings.TrimRight(s, "=")
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~+/", r)
	}) < 0
}

// expiry: a positive number of seconds, in a signed request as a number or as a
// string (CIBA Core §7.1.1). How much of it is granted is not judged here.
func (b *Backchannel) expiry(form url.Values, _ *authz.Client) *authz.Error {
	raw := form.Get("requested_expiry")
	if raw == "" {
		return nil
	}
	seconds, err := strconv.Atoi(raw)
	if err != nil || seconds < 1 || seconds > 1<<30 {
		return authz.NewError(authz.InvalidRequest, "requested_expiry must be a positive number of seconds").At("requested_expiry")
	}
	b.Expiry = time.Duration(seconds) * time.Second
	return nil
}

// clientAuthentication are the parameters that stay beside a signed
// authentication request: CIBA Core §7.1.1.
var clientAuthentication = map[string]bool{
	"request": true, "client_id": true, "client_secret": true, "client_assertion": true, "client_assertion_type": true,
}

// authenticationRequest is the signed authentication request of CIBA Core §7.1.1: every
// registered claim is required.
var authenticationRequest = &signedRequest{
	name: "the signed authentication request", code: authz.InvalidRequest,
	registered: []string{"iss", "aud", "exp", "nbf", "iat", "jti"},
	rules: []func(*registeredClaims, *signer) string{
		func(c *registeredClaims, by *signer) string {
			switch id, ok := text(c.ID); {
			case c.Issuer != string(by.client.ID):
				return "iss must be the client_id"
			case c.Audience == nil || !names(c.Audience, by.issuer):
				return "aud must be the issuer " + by.issuer
			case c.IssuedAt == nil:
				return "iat is missing"
			case !ok || id == "" || len(id) > 256:
				return "jti is missing, no text or too long"
			}
			return ""
		},
		func(c *registeredClaims, by *signer) string { return inTime(c, true, by.now) },
	},
}

// FromSigned makes the request out of the claims of a signed authentication
// request (CIBA Core §7.1.1), whose signature was checked: every registered claim
// is required, every parameter must be inside. jti is its name, to be accepted
// once until expires. Errors are *authz.Error.
func FromSigned(claims json.RawMessage, outer url.Values, client *authz.Client, issuer string,
	now time.Time,
) (form url.Values, jti string, expires time.Time, err error) {
	for name := range outer {
		if !clientAuthentication[name] {
			return nil, "", time.Time{}, authenticationRequest.refuse("%s stands beside it; every parameter belongs inside (CIBA Core §7.1.1)", label(name))
		}
	}
	inside, registered, err := authenticationRequest.read(claims, &signer{client: client, issuer: issuer, now: now})
	if err != nil {
		return nil, "", time.Time{}, err
	}
	if id := inside.Get("client_id"); id != "" && id != string(client.ID) {
		return nil, "", time.Time{}, authenticationRequest.refuse("client_id must be the app that authenticated")
	}
	jti, _ = text(registered.ID)
	// The same limits as for any request.
	form, err = ParseForm(inside.Encode())
	return form, jti, time.Unix(int64(*registered.Expires), 0).UTC(), err
}
