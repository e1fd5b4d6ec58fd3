package enrol

import (
	"fmt"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/mark"
)

// Mark is the record of a trust mark that we granted.
type Mark struct {
	Type    string              `json:"-"`
	Subject federation.EntityID `json:"-"`
	By      string              `json:"by"`
	// GrantedAt is iat of the mark, in whole seconds; Until its exp, zero for no end.
	GrantedAt time.Time `json:"granted_at"`
	Until     time.Time `json:"until,omitzero"`
	// RevokedAt is zero while it is not revoked.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	RevokedBy string    `json:"revoked_by,omitempty"`
	Why       string    `json:"why,omitempty"`
	// Revision counts the changes; storage compares it.
	Revision int `json:"-"`
}

// Status is that of the mark at a time (OpenID Federation 1.0 §8.4.2).
func (m Mark) Status(now time.Time) mark.Status {
	switch {
	case !m.RevokedAt.IsZero():
		return mark.Revoked
	case !m.Until.IsZero() && !now.Before(m.Until):
		return mark.Expired
	}
	return mark.Active
}

// Grant grants the mark anew, whatever it was: zero until is for no end.
func (m Mark) Grant(by string, until, now time.Time) (Mark, error) {
	if err := person(by, "", false); err != nil {
		return m, err
	}
	switch {
	case m.Type == "" || len(m.Type) > federation.MaxEntityID || authz.CheckText(m.Type) != nil:
		return m, fmt.Errorf("%w: the type of the mark is empty, too long, or not a text", ErrStep)
	case !until.IsZero() && !until.After(now):
		return m, fmt.Errorf("%w: the mark would end at %s, which is past", ErrStep, stamp(until))
	}
	return Mark{
		Type: m.Type, Subject: m.Subject, By: by, GrantedAt: now.UTC().Truncate(time.Second), Until: until.UTC().Truncate(time.Second),
		Revision: m.Revision,
	}, nil
}

// Revoke takes the mark back.
func (m Mark) Revoke(by, why string, now time.Time) (Mark, error) {
	if m.Revision == 0 || !m.RevokedAt.IsZero() {
		return m, fmt.Errorf("%w: %s does not have the mark %q", ErrStep, m.Subject, m.Type)
	}
	if err := person(by, why, true); err != nil {
		return m, err
	}
	m.RevokedAt, m.RevokedBy, m.Why = now.UTC(), by, why
	return m, nil
}

// Claims are the payload of the mark (§7.1).
func (m Mark) Claims(issuer federation.EntityID) map[string]any {
	claims := map[string]any{"iss": issuer, "sub": m.Subject, "trust_mark_type": m.Type, "iat": m.GrantedAt.Unix()}
	if !m.Until.IsZero() {
		claims["exp"] = m.Until.Unix()
	}
	return claims
}
