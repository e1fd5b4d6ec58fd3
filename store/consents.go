package store

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/broker"
	"hopnhat/authz/consent"
)

var (
	_ consent.Store      = (*DB)(nil)
	_ broker.Permissions = (*DB)(nil)
)

type consentRow struct {
	ID         string    `gorm:"column:id"`
	Subject    string    `gorm:"column:subject"`
	ClientID   string    `gorm:"column:client_id"`
	Purpose    string    `gorm:"column:purpose"`
	Registry   string    `gorm:"column:registry"`
	Version    int       `gorm:"column:version"`
	State      string    `gorm:"column:state"`
	Attributes string    `gorm:"column:attributes"`
	Basis      string    `gorm:"column:basis"`
	Frequency  string    `gorm:"column:frequency"`
	DataLife   string    `gorm:"column:data_life"`
	ValidUntil time.Time `gorm:"column:valid_until"`
	TextHash   string    `gorm:"column:text_hash"`
	Locale     string    `gorm:"column:locale"`
	At         time.Time `gorm:"column:at"`
}

const consentColumns = "id, subject, client_id, purpose, registry, version, state, attributes, basis, frequency, data_life, valid_until, text_hash, locale, at"

func (r consentRow) consent() consent.Consent {
	return consent.Consent{
		ID: authz.ConsentID(r.ID), Subject: authz.Subject(r.Subject), Client: authz.ClientID(r.ClientID),
		Purpose: authz.PurposeID(r.Purpose), Registry: authz.RegistryID(r.Registry), Version: r.Version, State: consent.State(r.State),
		Attributes: split(r.Attributes), Basis: authz.Basis(r.Basis), Frequency: r.Frequency, DataLife: r.DataLife,
		ValidUntil: r.ValidUntil.UTC(), TextHash: r.TextHash, Locale: r.Locale, At: r.At.UTC(),
	}
}

func split(text string) []authz.AttributeID {
	fields := strings.Fields(text)
	out := make([]authz.AttributeID, len(fields))
	for i, f := range fields {
		out[i] = authz.AttributeID(f)
	}
	return out
}

func join(ids []authz.AttributeID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	return strings.Join(texts, " ")
}

// Consents lists a person's consents, newest first, with one client or with all.
func (db *DB) Consents(ctx context.Context, subject authz.Subject, client authz.ClientID) ([]consent.Consent, error) {
	query, args := "SELECT "+consentColumns+" FROM consents WHERE subject = ?", []any{string(subject)}
	if client != "" {
		query, args = query+" AND client_id = ?", append(args, string(client))
	}
	var rows []consentRow
	if err := db.reader(ctx).Raw(query+" ORDER BY at DESC LIMIT 500", args...).Scan(&rows).Error; err != nil {
		return nil, wrap("listing consents", err)
	}
	out := make([]consent.Consent, len(rows))
	for i, row := range rows {
		out[i] = row.consent()
	}
	return out, nil
}

// Consent finds one of a person's consents; another's is not found.
func (db *DB) Consent(ctx context.Context, subject authz.Subject, id authz.ConsentID) (consent.Consent, error) {
	var row consentRow
	res := db.reader(ctx).Raw("SELECT "+consentColumns+" FROM consents WHERE id = ? AND subject = ?", string(id), string(subject)).Scan(&row)
	if res.Error != nil {
		return consent.Consent{}, wrap("reading a consent", res.Error)
	}
	if res.RowsAffected == 0 {
		return consent.Consent{}, authz.ErrNotFound
	}
	return row.consent(), nil
}

type versionRow struct {
	ConsentID  string    `gorm:"column:consent_id"`
	Number     int       `gorm:"column:number"`
	State      string    `gorm:"column:state"`
	Attributes string    `gorm:"column:attributes"`
	Basis      string    `gorm:"column:basis"`
	Frequency  string    `gorm:"column:frequency"`
	DataLife   string    `gorm:"column:data_life"`
	ValidUntil time.Time `gorm:"column:valid_until"`
	TextHash   string    `gorm:"column:text_hash"`
	Locale     string    `gorm:"column:locale"`
	Channel    string    `gorm:"column:channel"`
	ACR        string    `gorm:"column:acr"`
	SessionID  string    `gorm:"column:session_id"`
	At         time.Time `gorm:"column:at"`
}

// Versions lists the life of a consent, oldest first.
func (db *DB) Versions(ctx context.Context, id authz.ConsentID) ([]consent.Version, error) {
	var rows []versionRow
	err := db.reader(ctx).Raw("SELECT * FROM consent_versions WHERE consent_id = ? ORDER BY number LIMIT 500", string(id)).Scan(&rows).Error
	if err != nil {
		return nil, wrap("listing the versions of a consent", err)
	}
	out := make([]consent.Version, len(rows))
	for i, r := range rows {
		out[i] = consent.Version{
			Consent: authz.ConsentID(r.ConsentID), Number: r.Number, State: consent.State(r.State), Attributes: split(r.Attributes),
			Basis: authz.Basis(r.Basis), Frequency: r.Frequency, DataLife: r.DataLife, ValidUntil: r.ValidUntil.UTC(),
			TextHash: r.TextHash, Locale: r.Locale, Channel: r.Channel, ACR: r.ACR, Session: authz.SessionID(r.SessionID), At: r.At.UTC(),
		}
	}
	return out, nil
}

// Approve adds an approved version; the row's version number is moved on in the
// statement itself, so two approvals at once get two numbers.
func (db *DB) Approve(ctx context.Context, c consent.Consent, v consent.Version) (consent.Consent, error) {
	var row consentRow
	err := db.Tx(ctx, func(ctx context.Context) error {
		err := db.writer(ctx).Raw(`INSERT INTO consents (id, subject, client_id, purpose, registry, version, state, attributes, basis,
				frequency, data_life, valid_until, text_hash, locale, at)
			VALUES (?, ?, ?, ?, ?, 1, 'approved', ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (subject, client_id, purpose, registry) DO UPDATE SET version = consents.version + 1, state = 'approved',
				attributes = excluded.attributes, basis = excluded.basis, frequency = excluded.frequency, data_life = excluded.data_life,
				valid_until = excluded.valid_until, text_hash = excluded.text_hash, locale = excluded.locale, at = excluded.at,
				used_day = '', used_count = 0
			RETURNING `+consentColumns,
			string(c.ID), string(c.Subject), string(c.Client), string(c.Purpose), string(c.Registry), join(v.Attributes), string(v.Basis),
			v.Frequency, v.DataLife, v.ValidUntil.UTC(), v.TextHash, v.Locale, v.At.UTC()).Scan(&row).Error
		if err != nil {
			return wrap("approving a consent", err)
		}
		v.Consent, v.Number = authz.ConsentID(row.ID), row.Version
		return db.insertVersion(ctx, v)
	})
	return row.consent(), err
}

func (db *DB) insertVersion(ctx context.Context, v consent.Version) error {
	return wrap("adding a version of a consent", db.writer(ctx).Exec(`INSERT INTO consent_versions
		(consent_id, number, state, attributes, basis, frequency, data_life, valid_until, text_hash, locale, channel, acr, session_id, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		string(v.Consent), v.Number, string(v.State), join(v.Attributes), string(v.Basis), v.Frequency, v.DataLife, v.ValidUntil.UTC(),
		v.TextHash, v.Locale, v.Channel, v.ACR, string(v.Session), v.At.UTC()).Error)
}

// Withdraw ends a consent in the version that was read; a version in between is
// a conflict.
func (db *DB) Withdraw(ctx context.Context, c consent.Consent, v consent.Version) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		if err := oneRow("withdrawing a consent", db.writer(ctx).Exec(
			"UPDATE consents SET state = 'withdrawn', version = ?, at = ? WHERE id = ? AND version = ? AND state = 'approved'",
			v.Number, v.At.UTC(), string(c.ID), c.Version)); err != nil {
			return err
		}
		return db.insertVersion(ctx, v)
	})
}

type permissionRow struct {
	Subject      string     `gorm:"column:subject"`
	ACR          int        `gorm:"column:acr"`
	Details      []byte     `gorm:"column:details"`
	RevokedAt    *time.Time `gorm:"column:revoked_at"`
	CodeSpentAt  *time.Time `gorm:"column:code_spent_at"`
	ExpiresAt    time.Time  `gorm:"column:expires_at"`
	Person       string     `gorm:"column:person_id"`
	Kind         string     `gorm:"column:kind"`
	AccountLevel int        `gorm:"column:account_level"`
	LockedAt     *time.Time `gorm:"column:locked_at"`

	ConsentID  *string    `gorm:"column:consent_id"`
	Version    int        `gorm:"column:version"`
	State      string     `gorm:"column:state"`
	Attributes string     `gorm:"column:attributes"`
	ValidUntil *time.Time `gorm:"column:valid_until"`
	TextHash   string     `gorm:"column:text_hash"`
	ClientID   string     `gorm:"column:client_id"`
}

// Live reads grant, account and consent in one statement, at the primary keys
// of grants and accounts and the unique index consents_one.
func (db *DB) Live(ctx context.Context, grant authz.GrantID, registry authz.RegistryID, purpose authz.PurposeID) (broker.Permission, error) {
	var row permissionRow
	res := db.reader(ctx).Raw(`SELECT g.subject, g.acr, g.details, g.revoked_at, g.code_spent_at, g.expires_at, g.client_id,
			a.person_id, a.kind, a.account_level, a.locked_at,
			c.id AS consent_id, COALESCE(c.version, 0) AS version, COALESCE(c.state, '') AS state, COALESCE(c.attributes, '') AS attributes,
			c.valid_until, COALESCE(c.text_hash, '') AS text_hash
		FROM grants g JOIN accounts a ON a.subject = g.subject
		LEFT JOIN consents c ON c.subject = g.subject AND c.client_id = g.client_id AND c.purpose = ? AND c.registry = ?
		WHERE g.id = ?`, string(purpose), string(registry), string(grant)).Scan(&row)
	if res.Error != nil {
		return broker.Permission{}, wrap("reading a permission", res.Error)
	}
	if res.RowsAffected == 0 {
		return broker.Permission{}, authz.ErrNotFound
	}
	p := broker.Permission{
		GrantLive: row.RevokedAt == nil && row.CodeSpentAt != nil && db.now().Before(row.ExpiresAt),
		Subject:   authz.Subject(row.Subject), Person: row.Person, Kind: row.Kind, Level: authz.AuthenticationLevel(row.ACR),
		Account: authz.AccountLevel(row.AccountLevel), Locked: row.LockedAt != nil,
	}
	if err := json.Unmarshal(row.Details, &p.Details); err != nil {
		return broker.Permission{}, wrap("decoding the details of a grant", err)
	}
	if row.ConsentID != nil && row.ValidUntil != nil {
		p.Consent = &consent.Consent{
			ID: authz.ConsentID(*row.ConsentID), Subject: p.Subject, Client: authz.ClientID(row.ClientID), Purpose: purpose, Registry: registry,
			Version: row.Version, State: consent.State(row.State), Attributes: split(row.Attributes), ValidUntil: row.ValidUntil.UTC(), TextHash: row.TextHash,
		}
	}
	return p, nil
}

// CountUse counts one release of a consent with a limited frequency; of racing
// calls no more than the limit return nil.
func (db *DB) CountUse(ctx context.Context, id authz.ConsentID, version int, day string, limit int) error {
	err := oneRow("counting a release", db.writer(ctx).Exec(`UPDATE consents
		SET used_count = CASE WHEN used_day = ? THEN used_count + 1 ELSE 1 END, used_day = ?
		WHERE id = ? AND version = ? AND state = 'approved' AND (used_day <> ? OR used_count < ?)`,
		day, day, string(id), version, day, limit))
	if errors.Is(err, authz.ErrConflict) {
		return authz.ErrConflict
	}
	return err
}
