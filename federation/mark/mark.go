package mark

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"sync"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/statement"
	"hopnhat/keys/jose"
)

// The `typ` of what is signed about marks.
const (
	// Type is that of a trust mark (OpenID Federation 1.0 §7).
	Type = "trust-mark+jwt"
	// DelegationType is that of a delegation (§7.2.1).
	DelegationType = "trust-mark-delegation+jwt"
	// StatusType is that of a status (§8.4.2).
	StatusType = "trust-mark-status-response+jwt"
)

// Bounds in bytes. A status holds the mark, and a mark the delegation.
const (
	MaxBytes   = 32 << 10
	maxText    = 2048
	maxStatus  = 2 * MaxBytes
	lastSecond = 253402300799 // the end of the year 9999
)

// ErrInvalid is what every refusal of a mark, a delegation or a status wraps.
var ErrInvalid = errors.New("not a valid trust mark")

func fault(section, format string, args ...any) error {
	return fmt.Errorf("%w: OpenID Federation 1.0 §%s: %s", ErrInvalid, section, fmt.Sprintf(format, args...))
}

// Mark is a trust mark that has the form of §7.1. Its signature is not verified.
type Mark struct {
	Issuer, Subject federation.EntityID
	// Type says which criteria the subject meets. It is unlike those of other federations.
	Type     string
	IssuedAt time.Time
	// Expiry is zero for a mark that does not expire.
	Expiry       time.Time
	LogoURI, Ref string
	// Delegation is the JWT of the owner of the type; empty if the issuer is the owner.
	Delegation string

	token    string
	received *jose.Received
	right    func() (Delegation, error)
}

// Token is the mark as it was received.
func (m Mark) Token() string { return m.token }

// SignedBy checks the signature with the one key of the set that the mark names (§7).
func (m Mark) SignedBy(set *jose.Set) error { return signedBy(m.received, set) }

// Delegation is the right to issue marks of one type (§7.2.1). Its signature is not
// verified.
type Delegation struct {
	// Owner of the type, and the Issuer who has the right.
	Owner, Issuer federation.EntityID
	Type          string
	IssuedAt      time.Time
	// Expiry is zero for a right without an end.
	Expiry time.Time
	Ref    string

	received *jose.Received
}

// SignedBy checks the signature with the one key of the set that the delegation names.
func (d Delegation) SignedBy(set *jose.Set) error { return signedBy(d.received, set) }

func signedBy(r *jose.Received, set *jose.Set) error {
	if r == nil || set == nil {
		return jose.ErrNoKey
	}
	return r.VerifyNamed(set)
}

// payload has the claims of marks, delegations and statuses. A pointer tells a claim that is
// missing from one that is empty.
type payload struct {
	Issuer     *string  `json:"iss"`
	Subject    *string  `json:"sub"`
	Type       *string  `json:"trust_mark_type"`
	IssuedAt   *float64 `json:"iat"`
	Expiry     *float64 `json:"exp"`
	Logo       *string  `json:"logo_uri"`
	Ref        *string  `json:"ref"`
	Delegation *string  `json:"delegation"`
	Mark       *string  `json:"trust_mark"`
	Status     *string  `json:"status"`
}

// receive takes a JWT apart that has to be of one type and to name its key.
func receive(token, typ, section string, limit int) (*jose.Received, payload, error) {
	var p payload
	r, err := jose.Receive(token, jose.Rule{Type: typ, Algorithms: statement.Algorithms, MaxBytes: limit})
	switch {
	case err != nil:
		return nil, p, fault(section, "%v", err)
	case r.Type() != typ:
		return nil, p, fault(section, "its typ is %q, want %q", r.Type(), typ)
	case r.KeyID() == "":
		return nil, p, fault(section, "it names no key: the header has no kid")
	}
	if err := json.Unmarshal(r.Claims(), &p); err != nil {
		return nil, p, fault(section, "a claim is of a wrong type")
	}
	return r, p, nil
}

// Parse reads a trust mark by §7.1.
func Parse(token string) (Mark, error) {
	const section = "7.1"
	r, p, err := receive(token, Type, "7", MaxBytes)
	if err != nil {
		return Mark{}, err
	}
	m := Mark{token: token, received: r}
	if m.Issuer, m.Subject, m.Type, err = p.names(section); err != nil {
		return Mark{}, err
	}
	if m.IssuedAt, m.Expiry, err = p.times(section); err != nil {
		return Mark{}, err
	}
	if m.LogoURI, err = address(p.Logo, section, "logo_uri"); err != nil {
		return Mark{}, err
	}
	if m.Ref, err = address(p.Ref, section, "ref"); err != nil {
		return Mark{}, err
	}
	if p.Delegation != nil {
		if m.Delegation = *p.Delegation; m.Delegation == "" {
			return Mark{}, fault(section, "delegation is empty")
		}
		right := m.Delegation
		m.right = sync.OnceValues(func() (Delegation, error) { return ParseDelegation(right) })
	}
	return m, nil
}

// ParseDelegation reads a delegation by §7.2.1.
func ParseDelegation(token string) (Delegation, error) {
	const section = "7.2.1"
	r, p, err := receive(token, DelegationType, section, MaxBytes)
	if err != nil {
		return Delegation{}, err
	}
	d := Delegation{received: r}
	if d.Owner, d.Issuer, d.Type, err = p.names(section); err != nil {
		return Delegation{}, err
	}
	if d.IssuedAt, d.Expiry, err = p.times(section); err != nil {
		return Delegation{}, err
	}
	d.Ref, err = address(p.Ref, section, "ref")
	return d, err
}

func (p payload) names(section string) (issuer, subject federation.EntityID, kind string, err error) {
	if issuer, err = entity(p.Issuer, section, "iss"); err != nil {
		return "", "", "", err
	}
	if subject, err = entity(p.Subject, section, "sub"); err != nil {
		return "", "", "", err
	}
	if p.Type == nil || *p.Type == "" || len(*p.Type) > maxText {
		return "", "", "", fault(section, "trust_mark_type is missing, empty or longer than %d bytes", maxText)
	}
	return issuer, subject, *p.Type, nil
}

func entity(text *string, section, name string) (federation.EntityID, error) {
	if text == nil {
		return "", fault(section, "%s is missing", name)
	}
	id, err := federation.ParseEntityID(*text)
	if err != nil {
		return "", fault(section, "%s: %v", name, err)
	}
	return id, nil
}

// times reads iat, and exp where it is there (RFC 7519 §2).
func (p payload) times(section string) (issued, expiry time.Time, err error) {
	if p.IssuedAt == nil {
		return issued, expiry, fault(section, "iat is missing")
	}
	for _, seconds := range []*float64{p.IssuedAt, p.Expiry} {
		if seconds != nil && (*seconds < 0 || *seconds > lastSecond) {
			return issued, expiry, fault(section, "iat or exp is no time")
		}
	}
	issued = date(*p.IssuedAt)
	if p.Expiry == nil {
		return issued, expiry, nil
	}
	if expiry = date(*p.Expiry); !issued.Before(expiry) {
		return issued, expiry, fault(section, "exp is not after iat")
	}
	return issued, expiry, nil
}

func date(seconds float64) time.Time {
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*float64(time.Second)))
}

func address(text *string, section, name string) (string, error) {
	if text == nil {
		return "", nil
	}
	u, err := url.Parse(*text)
	if err != nil || len(*text) > maxText || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return "", fault(section, "%s is not a URL of the web", name)
	}
	return *text, nil
}
