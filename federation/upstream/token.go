package upstream

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/keys/jose"
)

const (
	// skew is how far clocks may be apart.
	skew = time.Minute
	// oldest is how long ago a token may have been issued that comes straight from the provider.
	oldest = 10 * time.Minute
	// atOnce is how long before a request, by the clock of the provider, a sign-in counts as
	// made for it.
	atOnce    = 10 * time.Second
	maxSub    = 255 // OpenID Connect Core §2
	maxSID    = 512
	maxIDSize = 16 << 10
)

// Identity is who the provider says that somebody is.
type Identity struct {
	Issuer, Subject string
	// Number is the number that it vouches for; empty if it names none.
	Number authz.PersonalNumber
	Level  authz.AuthenticationLevel
	// AuthTime is when she signed in; the time of the request, if that is what she did for it.
	AuthTime time.Time
	// Session names her session there (Front-Channel Logout §3), empty if it
	// is not named.
	Session string
}

// audience is a text or a list of texts (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON reads either.
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

type claims struct {
	Issuer     string                     `json:"iss"`
	Subject    *string                    `json:"sub"`
	Audience   audience                   `json:"aud"`
	Authorized *string                    `json:"azp"`
	Expires    *float64                   `json:"exp"`
	Issued     *float64                   `json:"iat"`
	Nonce      *string                    `json:"nonce"`
	AuthTime   *float64                   `json:"auth_time"`
	ACR        string                     `json:"acr"`
	Session    string                     `json:"sid"`
	ID         string                     `json:"jti"`
	Events     map[string]json.RawMessage `json:"events"`
}

func moment(seconds float64) time.Time { return time.Unix(int64(seconds), 0).UTC() }

var errAlgorithms = errors.New("no key set")

// verified checks the signature and what all tokens of the provider have in common. The
// error of a key that is not in the set is [jose.ErrNoKey].
func (p *Provider) verified(token string, set *jose.Set, rule jose.Rule, now time.Time) (c claims, raw json.RawMessage, err error) {
	if set == nil {
		return c, nil, errAlgorithms
	}
	rule.Algorithms, rule.MaxBytes = p.Algorithms, maxIDSize
	v, err := jose.Verify(token, set, rule)
	if errors.Is(err, jose.ErrNoKey) {
		return c, nil, err
	}
	if err != nil {
		return c, nil, refuse(Untrue, "OpenID Connect Core §3.1.3.7 (6): %v", err)
	}
	if err := json.Unmarshal(v.Claims, &c); err != nil {
		return c, nil, refuse(Untrue, "RFC 7519 §4.1: a claim is of a wrong type")
	}
	switch {
	case c.Issuer != p.Issuer:
		return c, nil, refuse(Mixed, "OpenID Connect Core §3.1.3.7 (2): iss is not %s", p.Issuer)
	case !slices.Contains(c.Audience, p.ClientID):
		return c, nil, refuse(Untrue, "OpenID Connect Core §3.1.3.7 (3): aud does not name this server")
	// OpenID Connect Core §3.1.3.7 (3): other audiences are none that this server trusts.
	case len(c.Audience) != 1:
		return c, nil, refuse(Untrue, "OpenID Connect Core §3.1.3.7 (3): aud names others beside this server")
	case c.Expires == nil || c.Issued == nil:
		return c, nil, refuse(Untrue, "OpenID Connect Core §2: exp or iat is missing")
	case !now.Before(moment(*c.Expires).Add(skew)):
		return c, nil, refuse(Untrue, "OpenID Connect Core §3.1.3.7 (9): it has expired")
	case moment(*c.Issued).After(now.Add(skew)):
		return c, nil, refuse(Untrue, "RFC 7519 §4.1.6: it is issued in the future")
	case moment(*c.Issued).Before(now.Add(-oldest - skew)):
		return c, nil, refuse(Untrue, "OpenID Connect Core §3.1.3.7 (10): it was issued too long ago")
	}
	return c, v.Claims, nil
}

// Judge checks an ID token from the token endpoint (OpenID Connect Core §3.1.3.7) that answers
// a request, and says who signed in. Errors are *[Refusal], or wrap [jose.ErrNoKey] where the
// keys may be others by now.
func (p *Provider) Judge(token string, set *jose.Set, a Ask, now time.Time) (Identity, error) {
	c, raw, err := p.verified(token, set, jose.Rule{}, now)
	if err != nil {
		return Identity{}, err
	}
	switch {
	case c.Events != nil: // Back-Channel Logout §2.4: a logout token is none
		return Identity{}, refuse(Untrue, "Back-Channel Logout §2.4: it is a logout token")
	case c.Authorized != nil && *c.Authorized != p.ClientID:
		return Identity{}, refuse(Untrue, "OpenID Connect Core §3.1.3.7 (5): azp is not this server")
	case c.Nonce == nil || subtle.ConstantTimeCompare([]byte(*c.Nonce), []byte(a.Nonce)) != 1:
		return Identity{}, refuse(Untrue, "OpenID Connect Core §3.1.3.7 (11): nonce is not the one that was sent")
	case c.Subject == nil || *c.Subject == "" || len(*c.Subject) > maxSub || authz.CheckText(*c.Subject) != nil:
		return Identity{}, refuse(Untrue, "OpenID Connect Core §2: sub is missing, or longer than %d bytes", maxSub)
	case len(c.Session) > maxSID || authz.CheckText(c.Session) != nil:
		return Identity{}, refuse(Untrue, "Front-Channel Logout §3: sid is longer than %d bytes", maxSID)
	case c.AuthTime == nil:
		return Identity{}, refuse(Untrue, "OpenID Connect Core §2: auth_time is missing, and max_age was asked for")
	}
	signedIn, oldestSignIn := moment(*c.AuthTime), now.Add(-maxAge-skew)
	if a.Fresh {
		oldestSignIn = a.Begun.Add(-atOnce)
	}
	switch {
	case signedIn.After(now.Add(skew)):
		return Identity{}, refuse(Untrue, "OpenID Connect Core §2: auth_time is in the future")
	case signedIn.Before(oldestSignIn):
		return Identity{}, refuse(Untrue, "OpenID Connect Core §3.1.3.7 (13): she signed in too long ago")
	case !signedIn.Before(a.Begun.Add(-atOnce)):
		signedIn = now // for this request, by whatever clock
	}
	level, known := p.Levels[c.ACR]
	if !known {
		return Identity{}, refuse(Low, "OpenID Connect Core §3.1.3.7 (12): its acr is none of the table of levels")
	}
	number, err := p.number(raw)
	if err != nil {
		return Identity{}, err
	}
	return Identity{
		Issuer: c.Issuer, Subject: *c.Subject, Number: number, Level: level, AuthTime: signedIn.UTC(), Session: c.Session,
	}, nil
}

var numberForm = regexp.MustCompile(`^[0-9]{12}$`)

// number is what the claim that the table of the operator names says; a provider for which no
// claim is named vouches for none, whatever it sends.
func (p *Provider) number(raw json.RawMessage) (authz.PersonalNumber, error) {
	if p.NumberClaim == "" {
		return "", nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return "", refuse(Untrue, "RFC 7519 §4: the claims are no object")
	}
	value, there := all[p.NumberClaim]
	if !there {
		return "", nil
	}
	var text string
	if json.Unmarshal(value, &text) != nil || !numberForm.MatchString(text) {
		return "", refuse(Untrue, "the claim %s is no number of 12 digits", p.NumberClaim)
	}
	return authz.PersonalNumber(text), nil
}

// logoutEvent is the member of events that makes a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// End is what a logout token says has ended: one session, or all of a person.
type End struct {
	Subject, Session string
	// ID is good once, until Expires.
	ID      string
	Expires time.Time
}

// Ended checks a logout token (Back-Channel Logout §2.6). Errors are as
// those of [Provider.Judge].
func (p *Provider) Ended(token string, set *jose.Set, now time.Time) (End, error) {
	c, raw, err := p.verified(token, set, jose.Rule{Type: "logout+jwt", Lenient: true}, now)
	if err != nil {
		return End{}, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return End{}, refuse(Untrue, "RFC 7519 §4: the claims are no object")
	}
	event, is := c.Events[logoutEvent]
	_, hasNonce := all["nonce"]
	e := End{Session: c.Session, ID: c.ID, Expires: moment(*c.Expires).Add(skew)}
	if c.Subject != nil {
		e.Subject = *c.Subject
	}
	switch {
	case !is || len(event) == 0 || event[0] != '{':
		return End{}, refuse(Untrue, "Back-Channel Logout §2.6 (6): events does not say that it is a logout")
	case hasNonce:
		return End{}, refuse(Untrue, "Back-Channel Logout §2.6 (7): it has a nonce")
	case e.Subject == "" && e.Session == "":
		return End{}, refuse(Untrue, "Back-Channel Logout §2.6 (5): it has neither sub nor sid")
	case len(e.Subject) > maxSub || len(e.Session) > maxSID:
		return End{}, refuse(Untrue, "OpenID Connect Core §2: sub or sid is too long")
	case e.ID == "" || len(e.ID) > maxSID:
		return End{}, refuse(Untrue, "Back-Channel Logout §2.4: jti is missing, or longer than %d bytes", maxSID)
	}
	return e, nil
}
