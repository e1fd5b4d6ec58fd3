// Package signedset reads signed JWK Sets: the keys of an app of a federation at its
// signed_jwks_uri (OpenID Federation 1.0 §5.2.1).
package signedset

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Type is the `typ` of a signed JWK Set.
const Type = "jwk-set+jwt"

// maxBytes bounds one; leeway is how far the clock of an app may be ahead.
const (
	maxBytes = 64 << 10
	leeway   = time.Minute
	// lastSecond is the end of the year 9999.
	lastSecond = 253402300799
)

// algorithms are those of the statements of a federation.
var algorithms = []keys.Algorithm{keys.ES256, keys.EdDSA, keys.PS256, keys.RS256}

// ErrInvalid is what every refusal wraps.
var ErrInvalid = errors.New("not a valid signed JWK Set")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w (OpenID Federation 1.0 §5.2.1): %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Signed is a signed JWK Set.
type Signed struct {
	Keys *jose.Set
	// Issued is when it was issued, End when the keys end; zero where it does not say so.
	Issued, End time.Time
}

// Read gives the keys in a signed JWK Set of an owner. It has to be signed with one of the owner's
// federation keys, as its superior states them. Whether a newer one is known, the caller knows.
func Read(raw []byte, signers *jose.Set, owner authz.ClientID, now time.Time) (s Signed, err error) {
	token := strings.TrimSpace(string(raw))
	received, err := jose.Receive(token, jose.Rule{Type: Type, Algorithms: algorithms, MaxBytes: maxBytes})
	switch {
	case err != nil:
		return Signed{}, refuse("%v", err)
	case received.Type() != Type:
		return Signed{}, refuse("its typ is %q, want %q", received.Type(), Type)
	case received.KeyID() == "":
		return Signed{}, refuse("it names no key: the header has no kid")
	}
	if received.VerifyNamed(signers) != nil {
		return Signed{}, refuse("no federation key of the app, as its superior states them, signed it")
	}
	var c struct {
		Issuer   string          `json:"iss"`
		Subject  string          `json:"sub"`
		IssuedAt *float64        `json:"iat"`
		Expiry   *float64        `json:"exp"`
		Keys     json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(received.Claims(), &c); err != nil {
		return Signed{}, refuse("a claim is of a wrong type")
	}
	if c.Issuer != string(owner) || c.Subject != string(owner) {
		return Signed{}, refuse("iss and sub are not the owner of the keys, %s", owner)
	}
	for name, seconds := range map[string]*float64{"iat": c.IssuedAt, "exp": c.Expiry} {
		if seconds != nil && (*seconds < 0 || *seconds > lastSecond || math.IsNaN(*seconds)) {
			return Signed{}, refuse("%s is no time", name)
		}
	}
	if c.IssuedAt != nil {
		if s.Issued = time.Unix(int64(*c.IssuedAt), 0); s.Issued.After(now.Add(leeway)) {
			return Signed{}, refuse("it was issued in the future")
		}
	}
	if c.Expiry != nil {
		if s.End = time.Unix(int64(*c.Expiry), 0); !now.Before(s.End) {
			return Signed{}, refuse("it has expired")
		}
	}
	if c.Keys == nil {
		return Signed{}, refuse("keys is missing")
	}
	if s.Keys, err = jose.ParseSet(received.Claims()); err != nil {
		return Signed{}, refuse("%v", err)
	}
	return s, nil
}
