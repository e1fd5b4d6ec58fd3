package evidence

import (
	"context"
	"fmt"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/store/handle"
)

// GroundJoin joins to a consent c the newest event d by which it was given, one with a MAC
// before one without, and its first place q with a MAC.
const GroundJoin = `LEFT JOIN events d ON d.id = (SELECT x.id FROM events x WHERE x.consent = c.id AND x.type = 'consent.approved'
			ORDER BY x.mac IS NULL, x.id DESC LIMIT 1)
		LEFT JOIN event_places q ON q.event_id = d.id AND (q.origin, q.idx) = (SELECT p.origin, p.idx FROM event_places p
			WHERE p.event_id = d.id AND p.mac IS NOT NULL AND ` + LivePlace + ` ORDER BY p.origin, p.idx LIMIT 1)`

// GroundColumns are their columns, for [GroundRow.Targets].
func GroundColumns(d handle.Dialect) string {
	return Columns(d, "d") + ", " + placeColumns(d, "q", "place_mac")
}

// GroundRow is what those columns say; nothing of a consent that no event gave.
type GroundRow struct {
	id, kind, client, pseudonym, purpose, registry, consent, canonical, key *string
	at, visible, noted                                                      Moment
	permit, late                                                            *bool
	salt, mac, placeMAC                                                     []byte
	sequence, index                                                         *int64
	origin                                                                  *string
}

// Targets are where the columns are scanned to, in their order.
func (r *GroundRow) Targets() []any {
	return []any{
		&r.id, &r.at, &r.kind, &r.client, &r.pseudonym, &r.purpose, &r.registry, &r.permit, &r.consent, &r.visible, &r.canonical, &r.salt,
		&r.sequence, &r.mac, &r.key, &r.origin, &r.index, &r.late, &r.noted, &r.placeMAC,
	}
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (r *GroundRow) sealed() rowseal.Row {
	return rowseal.Row{
		ID: value(r.id), At: r.at.Time, Type: value(r.kind), Client: value(r.client), Pseudonym: value(r.pseudonym),
		Purpose: value(r.purpose), Registry: value(r.registry), Permit: value(r.permit), Consent: value(r.consent),
		VisibleFrom: r.visible.pointer(),
		Sequence:    value(r.sequence), Canonical: []byte(value(r.canonical)), Salt: r.salt, MAC: r.mac, Key: value(r.key),
	}
}

// Ground is the event by which a consent was given in this version; nil if there is none. It
// is the row that was read with the consent, if that is genuine and says so. A row that is
// not, as anybody who can write to the database adds one, is passed over: the others of the
// consent are read then, the newest first. One without a MAC, of the release before, counts
// where there is no other. An error is of the database or of the keyring.
func (db Book) Ground(ctx context.Context, consent authz.ConsentID, version int, r *GroundRow) (*commitment.Ground, error) {
	if r.id == nil {
		return nil, nil
	}
	keys := db.seals.Load()
	logged, err := keys.ProvesPlace(ctx, rowseal.Place{
		Origin: value(r.origin), Index: uint64(value(r.index)), Event: *r.id, Late: value(r.late), Noted: r.noted.Time,
	}, r.placeMAC)
	if err != nil {
		return nil, err
	}
	sealed := r.sealed()
	fault, err := keys.Fault(ctx, sealed)
	if err != nil {
		return nil, err
	}
	if fault == "" || fault == audit.FaultUnsealed {
		if g := groundOf(consent, version, sealed.Canonical, sealed.Salt, logged); g != nil {
			return g, nil
		}
	}
	return searchGround(ctx, db, consent, version)
}

func groundOf(consent authz.ConsentID, version int, canonical, salt []byte, logged bool) *commitment.Ground {
	if len(salt) != len(audit.Salt{}) {
		return nil
	}
	g, err := commitment.GroundOf(canonical, audit.Salt(salt), logged)
	if err != nil || g.Consent != string(consent) || g.Version != version {
		return nil
	}
	return &g
}

// groundsTried bounds the events of one consent that are read where the newest is false.
const groundsTried = 20_000

func searchGround(ctx context.Context, db Book, consent authz.ConsentID, version int) (ground *commitment.Ground, err error) {
	tried := 0
	err = db.Walk(ctx, "consent = ? AND consent <> '' AND type = ?", func(r audit.Recorded, _ []byte) (more bool) {
		if r.Event.Consent.ID != consent || r.Event.Consent.Version != version || r.Fault != "" && r.Fault != audit.FaultUnsealed {
			tried++
			return tried < groundsTried
		}
		if r.Fault == "" || ground == nil {
			canonical, err := r.Event.Canonical()
			if err == nil {
				ground = groundOf(consent, version, canonical, r.Salt[:], r.Logged && !r.Unproven)
			}
		}
		return r.Fault != "" || ground == nil
	}, string(consent), string(audit.ConsentApproved))
	if err != nil {
		return nil, fmt.Errorf("looking for the event by which consent %s was given: %w", consent, err)
	}
	return ground, nil
}
