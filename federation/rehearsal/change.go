package rehearsal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/keys/jose"
)

// ErrUnknown is of a change at an entity of which nothing is known that is in force. Of what
// has ended nobody is trusted, before or after, and a change would seem to harm nobody.
var ErrUnknown = errors.New("nothing that is in force is known of the entity that would change")

// Known is what is known of a federation.
type Known struct {
	Statements []statement.Statement
	// Anchors with their pinned keys, the preferred first.
	Anchors []trust.Anchor
	// Holds reports whether the issuer of a mark says that its holder has it; nil if every
	// mark in a configuration is held.
	Holds func(issuer federation.EntityID, kind string, holder federation.EntityID) bool
}

// Change is one change of what is known.
type Change struct {
	// at is the entity below which verdicts can change.
	at   federation.EntityID
	make func(*world, time.Time) error
}

// world is what trust is judged by.
type world struct {
	statements map[[2]federation.EntityID]statement.Statement
	anchors    []trust.Anchor
}

// worldOf takes of several statements the one that counts.
func worldOf(k Known) *world {
	w := &world{make(map[[2]federation.EntityID]statement.Statement, len(k.Statements)), k.Anchors}
	for _, s := range k.Statements {
		pair := [2]federation.EntityID{s.Issuer, s.Subject}
		before, again := w.statements[pair]
		if again && (s.IssuedAt.Before(before.IssuedAt) || s.IssuedAt.Equal(before.IssuedAt) && s.Token() >= before.Token()) {
			continue
		}
		w.statements[pair] = s
	}
	return w
}

func (w *world) clone() *world { return &world{maps.Clone(w.statements), slices.Clone(w.anchors)} }

// pool is what chains are made of.
func (w *world) pool() trust.Pool { return trust.Collect(slices.Collect(maps.Values(w.statements))...) }

// own is the configuration of an entity that is in force.
func (w *world) own(id federation.EntityID, now time.Time) (statement.Statement, error) {
	s, ok := w.statements[[2]federation.EntityID{id, id}]
	if !ok || !now.Before(s.Expiry) {
		return s, fmt.Errorf("%w: %s", ErrUnknown, id)
	}
	return s, nil
}

// Stating is the change by which an issuer states a draft about its subject, whatever it
// stated before. The draft is read by [statement.Parse] and needs no signature: it is judged
// as if it were signed with the key that signs the configuration of its issuer.
func Stating(draft statement.Statement) Change {
	return Change{draft.Subject, func(w *world, now time.Time) error {
		signed, err := w.own(draft.Issuer, now)
		if err != nil {
			return err
		}
		lent := signed
		lent.Subject, lent.IssuedAt, lent.Expiry = draft.Subject, now, draft.Expiry
		lent.Keys, lent.Metadata, lent.Source = draft.Keys, draft.Metadata, draft.Source
		lent.Policy, lent.PolicyCritical, lent.Constraints = draft.Policy, draft.PolicyCritical, draft.Constraints
		lent.AuthorityHints, lent.AnchorHints, lent.Marks, lent.MarkIssuers, lent.MarkOwners = nil, nil, nil, nil, nil
		w.statements[[2]federation.EntityID{draft.Issuer, draft.Subject}] = lent
		return nil
	}}
}

// Ending is the change by which an issuer states a subject no more.
func Ending(issuer, subject federation.EntityID) Change {
	return Change{subject, func(w *world, now time.Time) error {
		if _, err := w.own(issuer, now); err != nil {
			return err
		}
		delete(w.statements, [2]federation.EntityID{issuer, subject})
		return nil
	}}
}

// AnchorKeys is the change by which other keys are pinned for an anchor.
func AnchorKeys(anchor federation.EntityID, set *jose.Set) Change {
	return Change{anchor, func(w *world, now time.Time) error {
		if _, err := w.own(anchor, now); err != nil {
			return err
		}
		at := slices.IndexFunc(w.anchors, func(a trust.Anchor) bool { return a.ID == anchor })
		if at < 0 {
			return fmt.Errorf("%w: %s is no trust anchor here", ErrUnknown, anchor)
		}
		w.anchors[at].Keys = set
		return nil
	}}
}

// MarkIssuers is the change by which an anchor says anew who may issue trust marks of which
// types (§3.1.2).
func MarkIssuers(anchor federation.EntityID, issuers map[string][]federation.EntityID) Change {
	return Change{anchor, func(w *world, now time.Time) error {
		own, err := w.own(anchor, now)
		if err != nil {
			return err
		}
		own.MarkIssuers = issuers
		w.statements[[2]federation.EntityID{anchor, anchor}] = own
		return nil
	}}
}
