package authz

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// ClientID names a registered client, RFC 6749 §2.2.
type ClientID string

// Subject is the internal identifier of a person or an organisation: a UUID
// that never leaves the provider (docs/decisions.md D7). Relying parties see a
// [Pairwise] identifier.
type Subject string

// Pairwise is the `sub` that one sector sees, OpenID Connect Core §8.1.
type Pairwise string

// SessionID is the identifier of a browser session as the database knows it.
// The cookie holds a secret of which this is not a part.
type SessionID string

// GrantID names one authorization given to one client: code, access tokens and
// refresh tokens of one approval share it.
type GrantID string

// ConsentID names a consent; together with a version it names what was agreed.
type ConsentID string

// AuthorizationID names an authorization request that waits for the person.
type AuthorizationID string

// NewID makes a UUIDv7, whose order is the order of creation (RFC 9562 §5.7).
func NewID() string {
	id, err := uuid.NewV7()
	if err != nil {
		panic("authz: no randomness: " + err.Error()) // crypto/rand never fails on a supported system
	}
	return id.String()
}

// TimeOf is the time inside a UUIDv7 (RFC 9562 §5.7); zero if it is none.
func TimeOf(id string) time.Time {
	parsed, err := uuid.Parse(id)
	if err != nil || parsed.Version() != 7 {
		return time.Time{}
	}
	sec, nsec := parsed.Time().UnixTime()
	return time.Unix(sec, nsec).UTC()
}

// NewSecret makes a bearer secret of 256 random bits, base64url without padding.
func NewSecret() string {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic("authz: no randomness: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// HashSecret is how a bearer secret of full entropy is stored: SHA-256, since a
// slow hash adds nothing to 256 random bits.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// PersonalNumber is a personal identification number (số định danh cá nhân),
// the number of a foreigner's identity, or an enterprise code. It is a login
// name and a key into registers, never a subject. Printing it shows a mask, so
// that it cannot slip into a log or an error.
type PersonalNumber string

// String masks all but the last three digits.
func (n PersonalNumber) String() string {
	if len(n) < 6 {
		return "***"
	}
	return "***" + string(n[len(n)-3:])
}

// GoString masks like String.
func (n PersonalNumber) GoString() string { return n.String() }

// MarshalText masks like String, so that JSON logs are safe too.
func (n PersonalNumber) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// Format makes every verb of fmt print the mask.
func (n PersonalNumber) Format(f fmt.State, _ rune) { fmt.Fprint(f, n.String()) }

// Reveal returns the number itself, for the one query or page that needs it.
func (n PersonalNumber) Reveal() string { return string(n) }
