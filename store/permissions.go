package store

import (
	"context"
	"encoding/json"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/broker"
	"hopnhat/authz/consent"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
)

var _ broker.Permissions = (*DB)(nil)

// permissionRow is what livePermission reads, in its order.
type permissionRow struct {
	Subject         string
	Represented     *string
	RepresentedKind *string
	Mandate         *string
	ACR             int
	AuthTime        time.Time
	Details         []byte
	RevokedAt       *time.Time
	CodeSpentAt     *time.Time
	ExpiresAt       time.Time
	Person          string
	Kind            string
	AccountLevel    int
	LockedAt        *time.Time
	OpenedAt        time.Time

	ConsentID  *string
	Version    int
	State      string
	Attributes string
	ValidUntil *time.Time
	TextHash   string
	Basis      string
	Frequency  string
	Ended      int
	ClientID   string

	Agreed evidence.GroundRow
}

func livePermission(d Dialect) string {
	return `SELECT g.subject, p.represented, p.represented_kind, p.mandate, g.acr, g.auth_time, g.details, g.revoked_at,
			g.code_spent_at, g.expires_at, g.client_id, a.person_id, a.kind, a.account_level, a.locked_at, a.created_at AS opened_at,
			c.id AS consent_id, COALESCE(c.version, 0) AS version, COALESCE(c.state, '') AS state, COALESCE(c.attributes, '') AS attributes,
			c.valid_until, COALESCE(c.text_hash, '') AS text_hash,
			COALESCE(c.basis, '') AS basis, COALESCE(c.frequency, '') AS frequency,
			COALESCE((SELECT max(v.number) FROM consent_versions v WHERE v.consent_id = c.id AND v.state <> 'approved'), 0) AS ended,
			` + evidence.GroundColumns(d) + `
		FROM grants g JOIN accounts a ON a.subject = g.subject
		LEFT JOIN grant_principals p ON p.grant_id = g.id
		LEFT JOIN consents c ON c.subject = COALESCE(p.represented, g.subject) AND c.client_id = g.client_id AND c.purpose = ? AND c.registry = ?
		` + evidence.GroundJoin + `
		WHERE g.id = ?`
}

var livePermissions = map[Dialect]string{SQLite: livePermission(SQLite), PostgreSQL: livePermission(PostgreSQL)}

// Live reads grant, account, consent and the event by which it was given in one statement,
// at the primary keys of grants, accounts and events, the unique index consents_one and the
// indexes events_given, events_given_before and event_places_tagged. Where that event is not
// genuine, or is of another version of the consent, others are read.
func (db Permissions) Live(
	ctx context.Context, grant authz.GrantID, registry authz.RegistryID, purpose authz.PurposeID,
) (broker.Permission, error) {
	var row permissionRow
	found, err := db.One(ctx, "reading a permission", livePermissions[db.Dialect()], []any{string(purpose), string(registry), string(grant)}, append([]any{
		&row.Subject, &row.Represented, &row.RepresentedKind, &row.Mandate, &row.ACR, &row.AuthTime, &row.Details, &row.RevokedAt,
		&row.CodeSpentAt, &row.ExpiresAt, &row.ClientID, &row.Person, &row.Kind, &row.AccountLevel, &row.LockedAt, &row.OpenedAt,
		&row.ConsentID, &row.Version, &row.State, &row.Attributes, &row.ValidUntil, &row.TextHash, &row.Basis, &row.Frequency, &row.Ended,
	}, row.Agreed.Targets()...)...)
	if err != nil {
		return broker.Permission{}, err
	}
	if !found {
		return broker.Permission{}, authz.ErrNotFound
	}
	alive := row.RevokedAt == nil && db.Now().Before(row.ExpiresAt)
	p := broker.Permission{
		GrantLive: alive && row.CodeSpentAt != nil, Unredeemed: alive && row.CodeSpentAt == nil, Proofed: row.OpenedAt.UTC(),
		Client: authz.ClientID(row.ClientID), Principal: principalOf(row.Subject, row.Represented, row.RepresentedKind, row.Mandate),
		Person: authz.PersonID(row.Person), Kind: authz.Kind(row.Kind), Level: authz.AuthenticationLevel(row.ACR),
		Account: authz.AccountLevel(row.AccountLevel), Locked: row.LockedAt != nil, AuthTime: row.AuthTime.UTC(),
	}
	if err := json.Unmarshal(row.Details, &p.Details); err != nil {
		return broker.Permission{}, handle.Wrap("decoding the details of a grant", err)
	}
	if row.ConsentID != nil && row.ValidUntil != nil {
		if p.Agreed, err = db.events.Ground(ctx, authz.ConsentID(*row.ConsentID), row.Version, &row.Agreed); err != nil {
			return broker.Permission{}, err
		}
		p.Consent = &consent.Consent{
			ID: authz.ConsentID(*row.ConsentID), Subject: p.Concerned(), Client: authz.ClientID(row.ClientID), Purpose: purpose,
			Registry: registry,
			Version:  row.Version, Ended: row.Ended, State: consent.State(row.State), Attributes: split(row.Attributes),
			ValidUntil: row.ValidUntil.UTC(), TextHash: row.TextHash,
			Basis: authz.Basis(row.Basis), Frequency: row.Frequency,
		}
	}
	return p, nil
}

// CountUse counts one use of a permission; of racing calls no more than the
// limit return nil, the others broker.ErrUsedUp. A count whose time is over begins
// anew.
func (db Permissions) CountUse(ctx context.Context, u broker.Use) error {
	now := db.Now().UTC()
	res := db.Writer(ctx).Exec(`INSERT INTO release_uses (permission, day, used, expires_at) VALUES (?, ?, 1, ?)
		ON CONFLICT (permission, day) DO UPDATE SET used = CASE WHEN release_uses.expires_at <= ? THEN 1 ELSE release_uses.used + 1 END,
			expires_at = CASE WHEN release_uses.expires_at <= ? THEN excluded.expires_at ELSE release_uses.expires_at END
		WHERE release_uses.used < ? OR release_uses.expires_at <= ?`,
		u.Permission, u.Day, u.Expires.UTC(), now, now, u.Limit, now)
	switch {
	case res.Error != nil:
		return handle.Wrap("counting a release", res.Error)
	case res.RowsAffected == 0:
		return broker.ErrUsedUp
	}
	return nil
}

// PurgeUses deletes counts of permissions that ended before a time, at most limit.
func (db Permissions) PurgeUses(ctx context.Context, before time.Time, limit int) (int64, error) {
	res := db.Writer(ctx).Exec(`DELETE FROM release_uses WHERE (permission, day) IN
		(SELECT permission, day FROM release_uses WHERE expires_at < ? ORDER BY expires_at LIMIT ?)`, before.UTC(), limit)
	return res.RowsAffected, handle.Wrap("purging release counts", res.Error)
}

// UsesOf tells how often consents let data go, those without a release left out.
func (db Permissions) UsesOf(ctx context.Context, ids []authz.ConsentID) (map[authz.ConsentID]consent.Uses, error) {
	uses := map[authz.ConsentID]consent.Uses{}
	if len(ids) == 0 {
		return uses, nil
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = string(id)
	}
	var rows []struct {
		Consent string    `gorm:"column:consent"`
		Count   int       `gorm:"column:uses"`
		Last    time.Time `gorm:"column:at"`
	}
	err := db.Reader(ctx).Raw(`SELECT u.consent, u.uses, e.at FROM
		(SELECT consent, count(*) AS uses, max(id) AS last FROM events WHERE consent <> '' AND consent IN ? AND type = ? GROUP BY consent) AS u
		JOIN events e ON e.id = u.last`, names, string(audit.ReleasePermitted)).Scan(&rows).Error
	for _, row := range rows {
		uses[authz.ConsentID(row.Consent)] = consent.Uses{Count: row.Count, Last: row.Last.UTC()}
	}
	return uses, handle.Wrap("counting the uses of consents", err)
}
