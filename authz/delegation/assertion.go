package delegation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
)

// Limits on an assertion.
const (
	// MaxAssertion is its size, in bytes.
	MaxAssertion = 8 << 10
	defaultLife  = 5 * time.Minute
	clockAhead   = 10 * time.Second
)

// Assertion is what an accepted assertion says.
type Assertion struct {
	// Principal names the service: the issuer, '#' and its subject. No client_id
	// and no pseudonym has that form.
	Principal string
	ID        string // jti
	Expires   time.Time
}

// assertionClaims are those of RFC 7523 §3.
type assertionClaims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	ID        string          `json:"jti"`
	Expires   float64         `json:"exp"`
	IssuedAt  float64         `json:"iat"`
	NotBefore float64         `json:"nbf"`
}

// CheckAssertion checks the claims of an assertion whose signature by the trusted
// issuer is good (RFC 7523 §3). self is our issuer identifier: as audience it must
// stand alone, so that an assertion that another server was given cannot be used
// here, nor one of ours there. Errors are *authz.Error with invalid_grant (§3.1).
func CheckAssertion(claims json.RawMessage, from authz.TrustedIssuer, self string, now time.Time) (Assertion, error) {
	bad := func(format string, args ...any) (Assertion, error) {
		return Assertion{}, authz.NewError(authz.InvalidGrant, "the assertion: %s", fmt.Sprintf(format, args...)).At("assertion")
	}
	var c assertionClaims
	if json.Unmarshal(claims, &c) != nil {
		return bad("a claim is of a wrong type")
	}
	life := defaultLife
	if from.MaxLife > 0 {
		life = time.Duration(from.MaxLife) * time.Second
	}
	at := func(seconds float64) time.Time { return time.Unix(int64(seconds), 0).UTC() }
	switch {
	case c.Issuer == "" || c.Issuer != from.Issuer:
		return bad("iss is not the issuer this app registered")
	case !slices.Contains(from.Subjects, c.Subject):
		return bad("sub is not a service that this issuer may name; persons never are")
	case !alone(c.Audience, self):
		return bad("aud must be %s and nothing else", self)
	case c.Expires <= 0 || c.Expires > 1e11 || !now.Before(at(c.Expires)):
		return bad("exp is missing or past")
	case at(c.Expires).After(now.Add(life)):
		return bad("exp is more than %d seconds ahead", int(life.Seconds()))
	case c.NotBefore != 0 && at(c.NotBefore).After(now.Add(clockAhead)):
		return bad("nbf is ahead of our clock")
	case c.IssuedAt != 0 && at(c.IssuedAt).After(now.Add(clockAhead)):
		return bad("iat is ahead of our clock")
	case c.ID == "" || len(c.ID) > 256:
		return bad("jti is missing or too long")
	}
	return Assertion{Principal: from.Issuer + "#" + c.Subject, ID: c.ID, Expires: at(c.Expires)}, nil
}

// alone: one string, or a list of it alone.
func alone(raw json.RawMessage, want string) bool {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one == want
	}
	var many []string
	return json.Unmarshal(raw, &many) == nil && len(many) == 1 && many[0] == want
}

// CheckTrust refuses a registration of a trusted issuer that could speak for a
// person or be taken for another party.
func CheckTrust(t authz.TrustedIssuer) error {
	switch {
	case t.Issuer == "" || len(t.Issuer) > 256 || strings.ContainsAny(t.Issuer, "# \t\n"):
		return fmt.Errorf("trusted issuer %q: the name must be a URL without fragment", t.Issuer)
	case len(t.Subjects) == 0 || len(t.Audience) == 0:
		return fmt.Errorf("trusted issuer %q: name the subjects and the audience", t.Issuer)
	case t.MaxLife < 0 || t.MaxLife > 3600:
		return fmt.Errorf("trusted issuer %q: max_life is 1 to 3600 seconds", t.Issuer)
	}
	for _, s := range t.Subjects {
		if s == "" || len(s) > 128 || strings.ContainsAny(s, "# \t\n") || strings.Trim(s, "0123456789") == "" {
			return fmt.Errorf("trusted issuer %q: subject %q must be the name of a service, and no number", t.Issuer, s)
		}
	}
	return nil
}
