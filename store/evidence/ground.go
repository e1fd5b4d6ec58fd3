package evidence

import (
	"context"
	"fmt"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/authz/audit/trees"
	"hopnhat/store/handle"
)

// GroundJoin joins to a consent c the newest event d by which it was given or ended, one with a
// MAC before one without, and its first place q with a MAC.
const GroundJoin = `LEFT JOIN events d ON d.id = (SELECT x.id FROM events x WHERE x.consent = c.id AND ` + decides + `
			ORDER BY x.mac IS NULL, x.id DESC LIMIT 1)
		LEFT JOIN event_places q ON q.event_id = d.id AND (q.origin, q.idx) = (SELECT p.origin, p.idx FROM event_places p
			WHERE p.event_id = d.id AND p.mac IS NOT NULL AND ` + LivePlace + ` ORDER BY p.origin, p.idx LIMIT 1)`

// decides is the condition that an event x gives or ends a consent, as the index
// events_decided has it ([trees.Ends]).
const decides = "x.type IN ('consent.approved', 'consent.withdrawn', 'consent.expired', 'consent.suspended', 'consent.ended')"

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

// Ground is the event by which a consent was given in this version; nil if there is none, or a
// later one ended it. It is the row that was read with the consent, if that is genuine and
// says so. A row that is not, as anybody who can write to the database adds one, is passed
// over: the others of the consent are read then, the newest first. One without a MAC, of the
// release before, counts where there is no other. An error is of the database or of the keyring.
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
	read, err := keys.Read(ctx, r.sealed())
	if err != nil {
		return nil, err
	}
	switch ground, ended := groundOf(read, logged, consent, version); {
	case ended:
		return nil, nil
	case ground != nil:
		return ground, nil
	}
	return searchGround(ctx, db, consent, version)
}

// groundOf is what a row says of a version of a consent: that it was given, that it ended, or
// neither.
func groundOf(r audit.Recorded, logged bool, consent authz.ConsentID, version int) (ground *commitment.Ground, ended bool) {
	if r.Fault != "" && r.Fault != audit.FaultUnsealed || r.Event.Consent.ID != consent {
		return nil, false
	}
	if slices.Contains(trees.Ends, r.Event.Type) {
		return nil, r.Event.Consent.Version >= version
	}
	if r.Event.Consent.Version != version {
		return nil, false
	}
	canonical, err := r.Event.Canonical()
	if err != nil {
		return nil, false
	}
	g, err := commitment.GroundOf(canonical, r.Salt, logged)
	if err != nil {
		return nil, false
	}
	return &g, false
}

// Decided is the newest genuine event by which a consent was given or ended, in whichever version;
// nil if there is none. r is as for [Book.Ground].
func Decided(ctx context.Context, db Book, consent authz.ConsentID, r *GroundRow) (*audit.Event, error) {
	if r.id == nil {
		return nil, nil
	}
	read, err := db.seals.Load().Read(ctx, r.sealed())
	if err != nil {
		return nil, err
	}
	if read.Fault == "" && read.Event.Consent.ID == consent {
		return &read.Event, nil
	}
	var newest *audit.Event // of before there were MACs, until one that has one is found
	tried := 0
	err = db.Walk(ctx, "consent = ? AND consent <> '' AND type IN ?", func(r audit.Recorded, _ []byte) (more bool) {
		tried++
		switch {
		case r.Event.Consent.ID != consent:
		case r.Fault == "":
			newest = &r.Event
			return false
		case r.Fault == audit.FaultUnsealed && newest == nil:
			newest = &r.Event
		}
		return tried < groundsTried
	}, string(consent), append([]audit.Type{audit.ConsentApproved}, trees.Ends...))
	if err != nil {
		return nil, fmt.Errorf("looking for the newest event of consent %s: %w", consent, err)
	}
	return newest, nil
}

// DecidedBefore is the event without a MAC, as the release before writes it, by which a consent was
// given or ended in the highest version above one; nil if there is none.
func DecidedBefore(ctx context.Context, db Book, consent authz.ConsentID, above int) (highest *audit.Event, err error) {
	tried := 0
	err = db.Walk(ctx, "consent = ? AND consent <> '' AND mac IS NULL AND type IN ?", func(r audit.Recorded, _ []byte) (more bool) {
		if r.Fault == audit.FaultUnsealed && r.Event.Consent.ID == consent && r.Event.Consent.Version > above {
			highest, above = &r.Event, r.Event.Consent.Version
		}
		tried++
		return tried < groundsTried
	}, string(consent), append([]audit.Type{audit.ConsentApproved}, trees.Ends...))
	return highest, err
}

// groundsTried bounds the events of one consent that are read where the newest is false.
const groundsTried = 20_000

func searchGround(ctx context.Context, db Book, consent authz.ConsentID, version int) (*commitment.Ground, error) {
	var ground *commitment.Ground // of before there were MACs, until one that has one is found
	tried, over := 0, false       // of before there were MACs, one that ends it
	err := db.Walk(ctx, "consent = ? AND consent <> '' AND type IN ?", func(r audit.Recorded, _ []byte) (more bool) {
		found, ended := groundOf(r, r.Logged && !r.Unproven, consent, version)
		switch {
		case ended && r.Fault == "":
			ground = nil
			return false
		case ended:
			over = true
		case found != nil && (r.Fault == "" || ground == nil && !over):
			if ground = found; r.Fault == "" {
				return false
			}
		}
		tried++
		return tried < groundsTried
	}, string(consent), append([]audit.Type{audit.ConsentApproved}, trees.Ends...))
	if err != nil {
		return nil, fmt.Errorf("looking for the event by which consent %s was given: %w", consent, err)
	}
	return ground, nil
}
