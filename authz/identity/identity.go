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

// Region is what pseudonyms in the sectors of a province are derived with, at the centre and
// at the province (docs/decisions.md D7).
type Region struct {
	// Key is that of the province, from which those of its sectors are derived.
	Key []byte
	// Person is by what the province knows a person; nil where subjects are that already.
	Person func(authz.Subject) authz.Subject
}

// Regions knows which sectors are of provinces.
type Regions interface {
	// Regional is the region of a sector; ok is false for a sector of the nation. It says the
	// same each time.
	Regional(ctx context.Context, sector string) (r Region, ok bool, err error)
}

// Pseudonyms derives what others know a person by. The key of a sector comes
// from the keyring once and stays in memory; leaking one tells nothing of
// another.
type Pseudonyms struct {
	// Regions is set before anybody is answered; nil where all sectors are of the nation.
	Regions Regions

	ring    Deriver
	sid     []byte
	sectors *recent.Map[string, sectorKey]
}

// sectorKey is what the pseudonyms of a sector are derived with.
type sectorKey struct {
	key    []byte
	person func(authz.Subject) authz.Subject
}

// auditSector is not the host of an app: under its key people stand in the evidence.
const auditSector = "audit"

// maxSectors bounds the memory of sector keys.
const maxSectors = 10_000

// NewPseudonyms derives the key of session identifiers, so it fails when the
// keyring is not available.
func NewPseudonyms(ctx context.Context, ring Deriver) (*Pseudonyms, error) {
	sid, err := ring.Derive(ctx, keys.PairwiseSubject, "sid")
	if err != nil {
		return nil, fmt.Errorf("deriving the session identifier key: %w", err)
	}
	return &Pseudonyms{ring: ring, sid: sid, sectors: recent.New[string, sectorKey](maxSectors, recent.Forever, nil)}, nil
}

// Pairwise is the `sub` of a sector, OpenID Connect Core §8.1.
func (p *Pseudonyms) Pairwise(ctx context.Context, sector string, subject authz.Subject) (authz.Pairwise, error) {
	one, began, ok := p.sectors.Get(sector)
	if !ok {
		var err error
		if one, err = p.derive(ctx, sector); err != nil {
			return "", fmt.Errorf("deriving the key of a sector: %w", err)
		}
		p.sectors.Put(sector, one, began)
	}
	if one.person != nil {
		subject = one.person(subject)
	}
	return authz.Pairwise(mac(one.key, string(subject))), nil
}

// derive makes the key of a sector: under that of its province, if it is of one, and under the
// national one otherwise.
func (p *Pseudonyms) derive(ctx context.Context, sector string) (sectorKey, error) {
	label := "sector:" + sector
	if p.Regions != nil && sector != auditSector {
		r, ok, err := p.Regions.Regional(ctx, sector)
		if err != nil {
			return sectorKey{}, err
		}
		if ok {
			return sectorKey{sum(r.Key, label), r.Person}, nil
		}
	}
	key, err := p.ring.Derive(ctx, keys.PairwiseSubject, label)
	return sectorKey{key: key}, err
}

// Audit is the pseudonym under which a person stands in the evidence.
func (p *Pseudonyms) Audit(ctx context.Context, subject authz.Subject) (string, error) {
	pseudonym, err := p.Pairwise(ctx, auditSector, subject)
	return string(pseudonym), err
}

// SID is the session identifier that one client sees, Back-Channel Logout §2.1.
func (p *Pseudonyms) SID(session authz.SessionID, client authz.ClientID) string {
	return mac(p.sid, string(session)+"\x00"+string(client))
}

func mac(key []byte, text string) string { return base64.RawURLEncoding.EncodeToString(sum(key, text)) }

func sum(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
