// Package identity knows persons: their accounts, the dated numbers they sign in
// with, their levels, locks, and the pseudonyms others know them by.
//
// A subject is a UUID for ever (docs/decisions.md D7). Numbers are dated: a corrected
// birth year re-issues the number, the subject and every pseudonym stay.
package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/recent"
	"hopnhat/keys"
)

// Account is a person's account.
type Account struct {
	Subject authz.Subject
	Kind    authz.Kind
	// Person is the internal id in the national register, never shown.
	Person authz.PersonID
	// Name is what the person's own pages greet her by.
	Name  string
	Level authz.AccountLevel
	// Locked is when the account was locked (khóa), zero if it is not.
	Locked     time.Time
	LockReason string
	// Epoch counts re-issues of the number.
	Epoch   int
	Created time.Time
}

// Deriver is the part of a keyring that pseudonyms need.
type Deriver interface {
	Derive(ctx context.Context, use keys.Use, label string) ([]byte, error)
}

// Pseudonyms derives what others know a person by. The key of a sector comes
// from the keyring once and stays in memory; leaking one tells nothing of
// another.
type Pseudonyms struct {
	ring    Deriver
	sid     []byte
	sectors *recent.Map[string, []byte]
}

// maxSectors bounds the memory of sector keys.
const maxSectors = 10_000

// NewPseudonyms derives the key of session identifiers, so it fails when the
// keyring is not available.
func NewPseudonyms(ctx context.Context, ring Deriver) (*Pseudonyms, error) {
	sid, err := ring.Derive(ctx, keys.PairwiseSubject, "sid")
	if err != nil {
		return nil, fmt.Errorf("deriving the session identifier key: %w", err)
	}
	return &Pseudonyms{ring: ring, sid: sid, sectors: recent.New[string, []byte](maxSectors, recent.Forever, nil)}, nil
}

// Pairwise is the `sub` of a sector, OpenID Connect Core §8.1.
func (p *Pseudonyms) Pairwise(ctx context.Context, sector string, subject authz.Subject) (authz.Pairwise, error) {
	key, began, ok := p.sectors.Get(sector)
	if !ok {
		var err error
		if key, err = p.ring.Derive(ctx, keys.PairwiseSubject, "sector:"+sector); err != nil {
			return "", fmt.Errorf("deriving the key of a sector: %w", err)
		}
		p.sectors.Put(sector, key, began)
	}
	return authz.Pairwise(mac(key, string(subject))), nil
}

// Audit is the pseudonym under which a person stands in the evidence.
func (p *Pseudonyms) Audit(ctx context.Context, subject authz.Subject) (string, error) {
	pseudonym, err := p.Pairwise(ctx, "audit", subject)
	return string(pseudonym), err
}

// SID is the session identifier that one client sees, Back-Channel Logout §2.1.
func (p *Pseudonyms) SID(session authz.SessionID, client authz.ClientID) string {
	return mac(p.sid, string(session)+"\x00"+string(client))
}

func mac(key []byte, text string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}
