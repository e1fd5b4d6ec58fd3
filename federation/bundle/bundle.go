// Package bundle signs and verifies what a resolver knows of a federation, to be carried to where
// its entities cannot be asked. The standard has no such thing: each statement in it is verified
// again by itself, and the signature of a trust anchor vouches for the rest, which is who holds
// trust marks and who was dropped.
package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/bundle/order"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Type is the `typ` of the signature.
const Type = "federation-bundle+jwt"

// Life is how long a bundle is taken in; what is in it ends with its statements, mostly sooner.
const Life = 7 * 24 * time.Hour

// MaxBytes bounds one, and maxSignature its first line.
const (
	MaxBytes     = 1 << 30
	maxSignature = 4 << 10
)

// ErrInvalid is what every refusal wraps.
var ErrInvalid = errors.New("not a bundle that is taken in")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// claims are what is signed.
type claims struct {
	Issuer   federation.EntityID `json:"iss"`
	IssuedAt int64               `json:"iat"`
	Expiry   int64               `json:"exp"`
	// Digest is SHA-256 of the content, hexadecimal.
	Digest string `json:"sha256"`
	// Serial rises with each bundle of the issuer.
	Serial int64 `json:"serial"`
}

// Bundle is one that is genuine. Whether it is the newest of its issuer, package order knows.
type Bundle struct {
	Issuer federation.EntityID
	order.Place
	// Content is the file of a resolver.
	Content []byte
}

// PlaceOf is where a bundle stands that is made at a time.
func PlaceOf(content []byte, serial int64, now time.Time) order.Place {
	digest := sha256.Sum256(content)
	return order.Place{Serial: serial, IssuedAt: now.UTC().Truncate(time.Second), Digest: hex.EncodeToString(digest[:])}
}

// Sign makes a bundle of a resolver's file: a line with the signature of a federation key, and the
// file after it. serial is that of package order.
func Sign(ctx context.Context, ring keys.Ring, issuer federation.EntityID, content []byte, serial int64, now time.Time) ([]byte, error) {
	place := PlaceOf(content, serial, now)
	tokens, err := jose.Sign(ctx, ring, jose.Token{
		Use: keys.EntityStatement, Algorithm: keys.ES256, Type: Type,
		Claims: claims{issuer, now.Unix(), now.Add(Life).Unix(), place.Digest, serial},
	})
	if err != nil {
		return nil, fmt.Errorf("signing a bundle: %w", err)
	}
	return append([]byte(tokens[0]+"\n"), content...), nil
}

// Read verifies a bundle with the keys of trust anchors, one of which has to have signed it.
func Read(raw []byte, anchors []trust.Anchor, now time.Time) (Bundle, error) {
	line, content, ok := bytes.Cut(raw, []byte("\n"))
	if !ok || len(line) > maxSignature || len(raw) > MaxBytes {
		return Bundle{}, refuse("it has no signature in its first line, or is longer than %d bytes", MaxBytes)
	}
	received, err := jose.Receive(string(line), jose.Rule{Type: Type, Algorithms: statement.Algorithms, MaxBytes: maxSignature})
	if err != nil || received.Type() != Type {
		return Bundle{}, refuse("its first line is not a signature of a bundle (%v)", err)
	}
	var c claims
	if err := json.Unmarshal(received.Claims(), &c); err != nil {
		return Bundle{}, refuse("a claim is of a wrong type")
	}
	var keys *jose.Set
	for _, a := range anchors {
		if a.ID == c.Issuer {
			keys = a.Keys
		}
	}
	digest := sha256.Sum256(content)
	issued, end := time.Unix(c.IssuedAt, 0), time.Unix(c.Expiry, 0)
	switch {
	case keys == nil:
		return Bundle{}, refuse("it is of %s, which is no trust anchor here", c.Issuer)
	case received.VerifyNamed(keys) != nil:
		return Bundle{}, refuse("no key of %s that stands in the configuration here signed it", c.Issuer)
	case c.Digest != hex.EncodeToString(digest[:]):
		return Bundle{}, refuse("what is in it is not what was signed")
	case c.Serial > now.Add(trust.Leeway).UnixMilli():
		return Bundle{}, refuse("its serial is %d, of a time that has not come", c.Serial)
	case c.Serial <= 0:
		return Bundle{}, refuse("it has no serial: make it anew with this release")
	case issued.After(now.Add(trust.Leeway)) || !now.Before(end) || end.Sub(issued) > Life:
		return Bundle{}, refuse("it was made at %s and is taken in until %s", issued.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339))
	}
	return Bundle{c.Issuer, order.Place{Serial: c.Serial, IssuedAt: issued, Digest: c.Digest}, content}, nil
}
