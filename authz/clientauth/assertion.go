package clientauth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// AssertionType is the only client_assertion_type (RFC 7523 §2.2).
const AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Limits on a client assertion. FAPI 2.0 SP §5.3.2.1 asks to bear clocks that
// are up to 10 s ahead and to refuse more than 60 s.
const (
	assertionMaxLife = 10 * time.Minute
	clockAhead       = 10 * time.Second
	// With a trust chain in its header (OpenID Federation 1.0 §4.3).
	maxAssertion = 32 << 10
)

// assertionClaims are the claims of RFC 7523 §3.
type assertionClaims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	ID        string          `json:"jti"`
	Expires   float64         `json:"exp"`
	IssuedAt  float64         `json:"iat"`
	NotBefore float64         `json:"nbf"`
}

// explicitType is the typ that an assertion may carry (draft-ietf-oauth-rfc7523bis); RFC 7523
// knows none, so JWT or nothing is taken as well.
const explicitType = "client-authentication+jwt"

// checkAssertion is private_key_jwt (RFC 7523 §2.2, OpenID Connect Core §9). The assertion is
// to be spent with what the request writes.
func (a *Authenticator) checkAssertion(ctx context.Context, c *Registered, assertion string) (Assertion, error) {
	if c.Method != authz.PrivateKeyJWT {
		return Assertion{}, errOtherMethod
	}
	allowed := c.Profile.ClientAlgorithms
	if c.AssertionAlg != "" {
		allowed = []string{c.AssertionAlg}
	}
	verified, err := a.Directory.Verify(ctx, assertion, c, jose.Rule{
		Type: explicitType, Lenient: true, Algorithms: keys.Named(allowed), MaxBytes: maxAssertion,
	})
	if err != nil {
		return Assertion{}, err
	}
	var claims assertionClaims
	if err := json.Unmarshal(verified.Claims, &claims); err != nil {
		return Assertion{}, err
	}
	if err := a.checkClaims(claims, c); err != nil {
		return Assertion{}, err
	}
	digest := sha256.Sum256([]byte(string(c.ID) + "\x00" + claims.ID))
	return Assertion{Digest: digest[:], Expires: time.Unix(int64(claims.Expires), 0).UTC().Add(clockAhead)}, nil
}

// checkClaims is RFC 7523 §3.
func (a *Authenticator) checkClaims(claims assertionClaims, c *Registered) error {
	now, audience := a.Now(), c.Profile.AssertionAudience
	if c.Membership.Federated() {
		audience = authz.IssuerAlone // OpenID Federation 1.0 §12.1.1.2
	}
	at := func(seconds float64) time.Time { return time.Unix(int64(seconds), 0) }
	switch {
	case claims.Issuer != string(c.ID) || claims.Subject != string(c.ID):
		return errors.New("iss and sub must both be the client id (RFC 7523 §3)")
	case !a.audienceOK(claims.Audience, audience):
		return errors.New("aud must be the issuer identifier")
	case claims.Expires == 0 || !now.Before(at(claims.Expires).Add(clockAhead)):
		return errors.New("exp is missing or past")
	case at(claims.Expires).After(now.Add(assertionMaxLife)):
		return errors.New("exp is too far ahead")
	case claims.NotBefore != 0 && at(claims.NotBefore).After(now.Add(clockAhead)):
		return errors.New("nbf is ahead of our clock")
	case claims.IssuedAt != 0 && at(claims.IssuedAt).After(now.Add(clockAhead)):
		return errors.New("iat is ahead of our clock")
	case claims.ID == "" || len(claims.ID) > 256:
		return errors.New("jti is missing or too long")
	}
	return nil
}

// audienceOK asks whether an assertion is for this provider, by the names that a
// profile lets it be called.
func (a *Authenticator) audienceOK(raw json.RawMessage, allowed authz.AssertionAudience) bool {
	names := []string{a.Issuer}
	switch allowed {
	case authz.IssuerOrCIBA:
		names = append(names, a.CIBA...)
	case authz.IssuerOrEndpoint:
		names = append(names, a.Endpoints...)
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return slices.Contains(names, one)
	}
	var many []string
	if allowed == authz.IssuerAlone || json.Unmarshal(raw, &many) != nil {
		return false
	}
	return slices.ContainsFunc(many, func(aud string) bool { return slices.Contains(names, aud) })
}
