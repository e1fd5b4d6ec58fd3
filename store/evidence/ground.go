package evidence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/authz/audit/trees"
	"hopnhat/store/handle"
)

// GroundJoin joins to a consent c the newest event d by which it was given or ended, one with a
// MAC before one without, and a place q of it with a MAC: of the first few places, so that
// whoever adds some makes no release slow. Where none of these counts, the event is held
// against the log.
const GroundJoin = `LEFT JOIN events d ON d.id = COALESCE(
			(SELECT x.id FROM events x WHERE x.consent = c.id AND x.mac IS NOT NULL AND ` + decides + ` ORDER BY x.id DESC LIMIT 1),
			(SELECT x.id FROM events x WHERE x.consent = c.id AND x.mac IS NULL AND ` + decides + ` ORDER BY x.id DESC LIMIT 1))
		LEFT JOIN event_places q ON q.event_id = d.id AND (q.origin, q.idx) = (SELECT found.origin, found.idx FROM
			(SELECT p.origin, p.idx, p.mac, ` + LivePlace + ` AS live FROM event_places p WHERE p.event_id = d.id LIMIT 8) found
			WHERE found.mac IS NOT NULL AND found.live ORDER BY found.origin, found.idx LIMIT 1)`

// decides is the condition that an event x gives or ends a consent, as the indexes
// events_given and events_given_before have it ([trees.Ends]).
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
// over: the events of the consent are found by their tags then, however many others there are.
// One without a MAC, of the release before, counts where there is no other. An error is of the
// database or of the keyring.
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
// nil if there is none. version is one that the database names, and r as for [Book.Ground].
func Decided(ctx context.Context, db Book, consent authz.ConsentID, version int, r *GroundRow) (*audit.Event, error) {
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
	var newest *audit.Event
	for _, from := range []int{max(version-versionsRead/2, 1), 1} {
		all, err := decisions(ctx, db, consent, from)
		if err != nil {
			return nil, fmt.Errorf("looking for the newest event of consent %s: %w", consent, err)
		}
		for _, r := range all {
			if newest == nil || r.Event.ID > newest.ID {
				newest = &r.Event
			}
		}
		if newest != nil {
			return newest, nil
		}
	}
	err = decidedBefore(ctx, db, consent, func(r audit.Recorded) (more bool) {
		newest = &r.Event
		return false
	})
	return newest, err
}

// DecidedBefore is the event without a MAC, as the release before writes it, by which a consent was
// given or ended after another event, in the highest version; nil if there is none. believed
// says whether the log has the leaf of one: anybody who can write to the database adds rows.
func DecidedBefore(
	ctx context.Context, db Book, consent authz.ConsentID, after audit.Event,
	believed func(ctx context.Context, r audit.Recorded) (bool, error),
) (highest *audit.Event, err error) {
	above, failed := after.Consent.Version, error(nil)
	err = decidedBefore(ctx, db, consent, func(r audit.Recorded) (more bool) {
		if r.Event.Consent.Version <= above || r.Event.When.Decided.Before(after.When.Decided) {
			return true
		}
		var holds bool
		if holds, failed = believed(ctx, r); holds {
			highest, above = &r.Event, r.Event.Consent.Version
		}
		return failed == nil
	})
	return highest, errors.Join(err, failed)
}

// groundsTried bounds the events of one consent without a MAC that are read: the newest.
const groundsTried = 500

// decidedBefore tells of the events without a MAC, as the release before writes them, by which a
// consent was given or ended, the newest first.
func decidedBefore(ctx context.Context, db Book, consent authz.ConsentID, visit func(r audit.Recorded) (more bool)) error {
	condition := "consent = ? AND mac IS NULL AND " + strings.ReplaceAll(decides, "x.", "") + " ORDER BY id DESC LIMIT ?"
	found, err := db.readEvents(ctx, "looking for the events of a consent", condition, "found.id DESC", string(consent), groundsTried)
	if err != nil {
		return err
	}
	for _, r := range found {
		if r.Fault == audit.FaultUnsealed && r.Event.Consent.ID == consent && !visit(r) {
			break
		}
	}
	return nil
}

// Tagged are the genuine events of a consent, or of none, with some tags ([rowseal.Keys.TagOf]),
// the newest first. However many others somebody added, they are not read.
func Tagged(ctx context.Context, db Book, consent authz.ConsentID, tags ...int64) ([]audit.Recorded, error) {
	found, err := db.readEvents(ctx, "looking for events by their tags", "consent = ? AND tag IN ? AND tag IS NOT NULL",
		"found.id DESC", string(consent), tags)
	return slices.DeleteFunc(found, func(r audit.Recorded) bool { return r.Fault != "" || r.Event.Consent.ID != consent }), err
}

// versionsRead is how many versions of a consent are looked at by one statement.
const versionsRead = 32

// decisions are the genuine events by which a consent was given or ended, in a version and those
// after it, found by their tags: a version without either is the last. Whatever somebody added
// is not read.
func decisions(ctx context.Context, db Book, consent authz.ConsentID, version int) (all []audit.Recorded, err error) {
	keys := db.seals.Load()
	for {
		var tags []int64
		for n := range versionsRead {
			gives, ends, some, err := keys.DecisionTags(ctx, string(consent), version+n)
			if err != nil || !some {
				return all, err
			}
			tags = append(tags, gives, ends)
		}
		found, err := Tagged(ctx, db, consent, tags...)
		if err != nil || len(found) == 0 {
			return all, err
		}
		all = append(all, found...)
		version += versionsRead
	}
}

func searchGround(ctx context.Context, db Book, consent authz.ConsentID, version int) (ground *commitment.Ground, err error) {
	wrap := func(err error) error {
		return fmt.Errorf("looking for the event by which consent %s was given: %w", consent, err)
	}
	all, err := decisions(ctx, db, consent, max(version-versionsRead/2, 1))
	if err != nil {
		return nil, wrap(err)
	}
	var sealed time.Time // of the newest event with a MAC
	for _, r := range all {
		if r.Event.When.Decided.After(sealed) {
			sealed = r.Event.When.Decided
		}
		found, ended := groundOf(r, r.Logged && !r.Unproven, consent, version)
		if ended {
			return nil, nil
		}
		if ground == nil {
			ground = found
		}
	}
	if ground != nil {
		return ground, nil
	}
	over := false // one of before there were MACs ends it
	err = decidedBefore(ctx, db, consent, func(r audit.Recorded) (more bool) {
		found, ended := groundOf(r, r.Logged && !r.Unproven, consent, version)
		over = over || ended
		// A version comes after those before it: a row of long ago is none that the release
		// before wrote since.
		if ground == nil && !over && !r.Event.When.Decided.Before(sealed) {
			ground = found
		}
		return true
	})
	if err != nil {
		return nil, wrap(err)
	}
	return ground, nil
}
