package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/consent"
	"hopnhat/store/clientrow"
	"hopnhat/store/handle"
)

var _ consent.Store = (*DB)(nil)

type consentRow struct {
	ID         string    `gorm:"column:id"`
	Subject    string    `gorm:"column:subject"`
	ClientID   string    `gorm:"column:client_id"`
	Purpose    string    `gorm:"column:purpose"`
	Registry   string    `gorm:"column:registry"`
	Version    int       `gorm:"column:version"`
	State      string    `gorm:"column:state"`
	Attributes string    `gorm:"column:attributes"`
	Offered    string    `gorm:"column:offered"`
	Basis      string    `gorm:"column:basis"`
	Frequency  string    `gorm:"column:frequency"`
	DataLife   string    `gorm:"column:data_life"`
	ValidUntil time.Time `gorm:"column:valid_until"`
	TextHash   string    `gorm:"column:text_hash"`
	Locale     string    `gorm:"column:locale"`
	At         time.Time `gorm:"column:at"`
}

const consentColumns = "id, subject, client_id, purpose, registry, version, state, attributes, offered, basis, frequency, data_life, valid_until, text_hash, locale, at"

func (r consentRow) consent() consent.Consent {
	return consent.Consent{
		ID: authz.ConsentID(r.ID), Subject: authz.Subject(r.Subject), Client: authz.ClientID(r.ClientID),
		Purpose: authz.PurposeID(r.Purpose), Registry: authz.RegistryID(r.Registry), Version: r.Version, State: consent.State(r.State),
		Attributes: split(r.Attributes), Offered: split(r.Offered), Basis: authz.Basis(r.Basis), Frequency: r.Frequency,
		DataLife:   r.DataLife,
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
func (db Agreements) Consents(ctx context.Context, subject authz.Subject, client authz.ClientID) ([]consent.Consent, error) {
	query, args := "SELECT "+columnsOf("k", consentColumns)+`, v.at AS agreed_at FROM consents k LEFT JOIN consent_versions v ON v.consent_id = k.id
		AND v.number = (SELECT max(a.number) FROM consent_versions a WHERE a.consent_id = k.id AND a.state = 'approved')
		WHERE k.subject = ?`, []any{string(subject)}
	if client != "" {
		query, args = query+" AND k.client_id = ?", append(args, string(client))
	}
	var rows []struct {
		Consent consentRow `gorm:"embedded"`
		Agreed  time.Time  `gorm:"column:agreed_at"`
	}
	if err := db.Reader(ctx).Raw(query+" ORDER BY k.at DESC LIMIT 500", args...).Scan(&rows).Error; err != nil {
		return nil, handle.Wrap("listing consents", err)
	}
	out := make([]consent.Consent, len(rows))
	for i, row := range rows {
		out[i] = row.Consent.consent()
		out[i].Agreed = row.Agreed.UTC()
	}
	return out, nil
}

// standingRow is an app with one of a person's consents with it, or with none.
type standingRow struct {
	Record    []byte     `gorm:"column:record"`
	Disabled  bool       `gorm:"column:disabled"`
	CreatedAt time.Time  `gorm:"column:created_at"`
	UpdatedAt time.Time  `gorm:"column:updated_at"`
	Informed  string     `gorm:"column:told"`
	Consent   consentRow `gorm:"embedded"`
}

// standingColumns are the columns of a standingRow of an app c and consents k, each under
// a prefix; concerned is who agreed to them.
func standingColumns(dialect Dialect, prefix, concerned string) string {
	together := "group_concat"
	if dialect == PostgreSQL {
		together = "string_agg"
	}
	var b strings.Builder
	for column := range strings.SplitSeq("c.record, c.disabled, c.created_at, c.updated_at, "+columnsOf("k", consentColumns), ", ") {
		b.WriteString(column + " AS " + prefix + column[2:] + ", ")
	}
	return b.String() + "(SELECT " + together + `(n.purpose || '/' || n.registry || ' ' || n.text_hash || ' ' || n.attributes, ';')
		FROM announcements n WHERE n.subject = ` + concerned + " AND n.client_id = c.id) AS " + prefix + "told"
}

var standingQueries = map[Dialect]string{SQLite: standingQuery(SQLite), PostgreSQL: standingQuery(PostgreSQL)}

func standingQuery(dialect Dialect) string {
	return "SELECT " + standingColumns(dialect, "", "?") + `
		FROM clients c LEFT JOIN consents k ON k.client_id = c.id AND k.subject = ? WHERE c.id = ? ORDER BY k.at DESC LIMIT 500`
}

// Standing reads an app and a person's consents with it in one statement, newest
// first. In a transaction the app's row is locked until its end, so that a change of
// the registration and the answer of a person who read it come one after the other.
func (db Agreements) Standing(ctx context.Context, subject authz.Subject, client authz.ClientID) (consent.Standing, error) {
	if kept, ok := reading(ctx, db.Handle).Kept(standingKey{subject, client}); ok {
		return kept.(consent.Standing), nil
	}
	query := standingQueries[db.Dialect()]
	if db.Dialect() == PostgreSQL && db.Joined(ctx) { // SQLite has one writer at a time
		query += " FOR SHARE OF c"
	}
	var rows []standingRow
	if err := db.Reader(ctx).Raw(query, string(subject), string(subject), string(client)).Scan(&rows).Error; err != nil {
		return consent.Standing{}, handle.Wrap("reading what a person agreed to with an app", err)
	}
	if len(rows) == 0 {
		return consent.Standing{}, authz.ErrNotFound
	}
	return standingOf(client, rows)
}

func standingOf(client authz.ClientID, rows []standingRow) (out consent.Standing, err error) {
	app := clientrow.Row{
		ID: string(client), Record: rows[0].Record, Disabled: rows[0].Disabled, CreatedAt: rows[0].CreatedAt, UpdatedAt: rows[0].UpdatedAt,
	}
	out.Informed = map[string]consent.Informed{}
	if out.Client, err = app.Client(); err != nil {
		return consent.Standing{}, handle.Wrap("decoding a client", err)
	}
	for _, row := range rows {
		if row.Consent.ID != "" {
			out.Consents = append(out.Consents, row.Consent.consent())
		}
	}
	for entry := range strings.SplitSeq(rows[0].Informed, ";") {
		if item, rest, ok := strings.Cut(entry, " "); ok {
			hash, attributes, _ := strings.Cut(rest, " ")
			out.Informed[item] = consent.Informed{TextHash: hash, Attributes: split(attributes)}
		}
	}
	return out, nil
}

// Announce remembers what a person was told, in one statement.
func (db Agreements) Announce(ctx context.Context, all []consent.Announcement) error {
	if len(all) == 0 {
		return nil
	}
	args := make([]any, 0, 10*len(all))
	for _, a := range all {
		args = append(args, string(a.Subject), string(a.Client), string(a.Purpose), string(a.Registry), a.TextHash, join(a.Attributes),
			a.Notice, a.Locale,
			string(a.Session), a.At.UTC())
	}
	rows := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?), ", len(all)), ", ")
	return handle.Wrap("remembering what a person was told", db.Writer(ctx).Exec(`INSERT INTO announcements
			(subject, client_id, purpose, registry, text_hash, attributes, notice_hash, locale, session_id, at) VALUES `+rows+`
		ON CONFLICT (subject, client_id, purpose, registry) DO UPDATE SET text_hash = excluded.text_hash, attributes = excluded.attributes,
			notice_hash = excluded.notice_hash, locale = excluded.locale, session_id = excluded.session_id, at = excluded.at`,
		args...).Error)
}

// columnsOf puts a table's name before each column of a list.
func columnsOf(table, columns string) string {
	return table + "." + strings.ReplaceAll(columns, ", ", ", "+table+".")
}

// Names are the names of apps; in a transaction they stay until its end.
func (db Agreements) Names(ctx context.Context, clients []authz.ClientID) (map[authz.ClientID]authz.LocalizedText, error) {
	ids := make([]string, len(clients))
	for i, id := range clients {
		ids[i] = string(id)
	}
	query := "SELECT id, record, disabled, revision, created_at, updated_at FROM clients WHERE id IN ? ORDER BY id"
	if db.Dialect() == PostgreSQL && db.Joined(ctx) {
		query += " FOR SHARE"
	}
	var rows []clientrow.Row
	if err := db.Reader(ctx).Raw(query, ids).Scan(&rows).Error; err != nil {
		return nil, handle.Wrap("reading the names of apps", err)
	}
	names := map[authz.ClientID]authz.LocalizedText{}
	for _, row := range rows {
		c, err := row.Client()
		if err != nil {
			return nil, err
		}
		names[c.ID] = c.Name
	}
	return names, nil
}

// Consent finds one of a person's consents; another's is not found. In a
// transaction the row is kept until its end, so that a withdrawal and the
// releases on the same consent come one after the other.
func (db Agreements) Consent(ctx context.Context, subject authz.Subject, id authz.ConsentID) (consent.Consent, error) {
	query := "SELECT " + consentColumns + " FROM consents WHERE id = ? AND subject = ?"
	if db.Dialect() == PostgreSQL && db.Joined(ctx) { // SQLite has one writer at a time
		query += " FOR UPDATE"
	}
	var row consentRow
	res := db.Reader(ctx).Raw(query, string(id), string(subject)).Scan(&row)
	if res.Error != nil {
		return consent.Consent{}, handle.Wrap("reading a consent", res.Error)
	}
	if res.RowsAffected == 0 {
		return consent.Consent{}, authz.ErrNotFound
	}
	return row.consent(), nil
}

type versionRow struct {
	ConsentID       string    `gorm:"column:consent_id"`
	Number          int       `gorm:"column:number"`
	State           string    `gorm:"column:state"`
	Attributes      string    `gorm:"column:attributes"`
	Offered         string    `gorm:"column:offered"`
	Basis           string    `gorm:"column:basis"`
	Frequency       string    `gorm:"column:frequency"`
	DataLife        string    `gorm:"column:data_life"`
	ValidUntil      time.Time `gorm:"column:valid_until"`
	TextHash        string    `gorm:"column:text_hash"`
	Locale          string    `gorm:"column:locale"`
	Notice          string    `gorm:"column:notice_hash"`
	Channel         string    `gorm:"column:channel"`
	ACR             string    `gorm:"column:acr"`
	SessionID       string    `gorm:"column:session_id"`
	Actor           string    `gorm:"column:actor"`
	Represented     *string   `gorm:"column:represented"`
	RepresentedKind *string   `gorm:"column:represented_kind"`
	Mandate         *string   `gorm:"column:mandate"`
	At              time.Time `gorm:"column:at"`
}

const versionColumns = `consent_id, number, state, attributes, offered, basis, frequency, data_life, valid_until, text_hash, locale, notice_hash, channel, acr,
	session_id, actor, representation, represented, represented_kind, mandate, at`

// Versions lists the life of a consent, oldest first: its newest 500 steps.
func (db Agreements) Versions(ctx context.Context, id authz.ConsentID) ([]consent.Version, error) {
	var rows []versionRow
	err := db.Reader(ctx).Raw("SELECT "+versionColumns+" FROM consent_versions WHERE consent_id = ? ORDER BY number DESC LIMIT 500", string(id)).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("listing the versions of a consent", err)
	}
	slices.Reverse(rows)
	out := make([]consent.Version, len(rows))
	for i, r := range rows {
		out[i] = consent.Version{
			Consent: authz.ConsentID(r.ConsentID), Number: r.Number, State: consent.State(r.State), Attributes: split(r.Attributes),
			Offered: split(r.Offered),
			Basis:   authz.Basis(r.Basis), Frequency: r.Frequency, DataLife: r.DataLife, ValidUntil: r.ValidUntil.UTC(),
			TextHash: r.TextHash, Locale: r.Locale, Notice: r.Notice, Channel: r.Channel, ACR: r.ACR, Session: authz.SessionID(r.SessionID),
			Principal: principalOf(r.Actor, r.Represented, r.RepresentedKind, r.Mandate), At: r.At.UTC(),
		}
	}
	return out, nil
}

// Approve adds an approved version; the row's version number is moved on in the
// statement itself, so two approvals at once get two numbers. PostgreSQL writes both
// rows by one statement.
func (db Agreements) Approve(ctx context.Context, c consent.Consent, v consent.Version) (consent.Consent, error) {
	const upsert = `INSERT INTO consents (id, subject, client_id, purpose, registry, version, state, attributes, offered, basis,
			frequency, data_life, valid_until, text_hash, locale, at)
		VALUES (?, ?, ?, ?, ?, 1, 'approved', ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (subject, client_id, purpose, registry) DO UPDATE SET version = consents.version + 1, state = 'approved',
			attributes = excluded.attributes, offered = excluded.offered, basis = excluded.basis, frequency = excluded.frequency, data_life = excluded.data_life,
			valid_until = excluded.valid_until, text_hash = excluded.text_hash, locale = excluded.locale, at = excluded.at
		RETURNING ` + consentColumns
	values := []any{
		string(c.ID), string(c.Subject), string(c.Client), string(c.Purpose), string(c.Registry), join(v.Attributes), join(v.Offered), string(v.Basis),
		v.Frequency, v.DataLife, v.ValidUntil.UTC(), v.TextHash, v.Locale, v.At.UTC(),
	}
	var row consentRow
	if db.Dialect() == PostgreSQL {
		represented, kind, mandate := representedColumns(v.Principal)
		err := db.Writer(ctx).Raw("WITH approved AS ("+upsert+`), written AS (INSERT INTO consent_versions (`+versionColumns+`)
			SELECT id, version, state, attributes, offered, basis, frequency, data_life, valid_until, text_hash, locale, ?, ?, ?, ?, ?, ?, ?, ?, ?, at FROM approved)
			SELECT `+consentColumns+" FROM approved", append(values, v.Notice, v.Channel, v.ACR, string(v.Session), string(v.Actor), string(v.Relation()),
			represented, kind, mandate)...).Scan(&row).Error
		return row.consent(), handle.Wrap("approving a consent", err)
	}
	err := db.Tx(ctx, func(ctx context.Context) error {
		if err := db.Writer(ctx).Raw(upsert, values...).Scan(&row).Error; err != nil {
			return handle.Wrap("approving a consent", err)
		}
		v.Consent, v.Number = authz.ConsentID(row.ID), row.Version
		return db.insertVersion(ctx, v)
	})
	return row.consent(), err
}

func (db Agreements) insertVersion(ctx context.Context, v consent.Version) error {
	represented, kind, mandate := representedColumns(v.Principal)
	return handle.Wrap("adding a version of a consent", db.Writer(ctx).Exec("INSERT INTO consent_versions ("+versionColumns+
		") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		string(v.Consent), v.Number, string(v.State), join(v.Attributes), join(v.Offered), string(v.Basis), v.Frequency, v.DataLife,
		v.ValidUntil.UTC(),
		v.TextHash, v.Locale, v.Notice, v.Channel, v.ACR, string(v.Session), string(v.Actor), string(v.Relation()), represented, kind,
		mandate, v.At.UTC()).Error)
}

// Withdraw ends a consent in the version that was read; a version in between is
// a conflict.
func (db Agreements) Withdraw(ctx context.Context, c consent.Consent, v consent.Version) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		if err := handle.OneRow("withdrawing a consent", db.Writer(ctx).Exec(
			"UPDATE consents SET state = 'withdrawn', version = ?, at = ? WHERE id = ? AND version = ? AND state = 'approved'",
			v.Number, v.At.UTC(), string(c.ID), c.Version)); err != nil {
			return err
		}
		return db.insertVersion(ctx, v)
	})
}

// ExpireConsents writes the end of consents whose time is over, at most limit of
// them, in one commit, and returns them as they are then. Releases on them are refused
// from their time on whether this ran or not.
func (db Agreements) ExpireConsents(ctx context.Context, now time.Time, limit int) ([]consent.Consent, error) {
	var expired []consent.Consent
	err := db.Tx(ctx, func(ctx context.Context) error {
		lock := ""
		if db.Dialect() == PostgreSQL {
			lock = " FOR UPDATE SKIP LOCKED"
		}
		var rows []consentRow
		if err := db.Writer(ctx).Raw("SELECT "+consentColumns+` FROM consents WHERE state = 'approved' AND valid_until <= ?
			ORDER BY valid_until LIMIT ?`+lock, now.UTC(), limit).Scan(&rows).Error; err != nil {
			return handle.Wrap("looking for expired consents", err)
		}
		for _, row := range rows {
			c := row.consent()
			if err := handle.OneRow("expiring a consent", db.Writer(ctx).Exec(
				"UPDATE consents SET state = 'expired', version = version + 1, at = ? WHERE id = ? AND version = ? AND state = 'approved'",
				now.UTC(), row.ID, row.Version)); err != nil {
				return err
			}
			if err := db.insertVersion(ctx, consent.Version{
				Consent: c.ID, Number: c.Version + 1, State: consent.Expired, Attributes: c.Attributes, Offered: c.Offered,
				Basis: c.Basis, Frequency: c.Frequency,
				DataLife: c.DataLife, ValidUntil: c.ValidUntil, TextHash: c.TextHash, Locale: c.Locale, Channel: "clock", At: now,
			}); err != nil {
				return err
			}
			c.Version, c.State, c.At = c.Version+1, consent.Expired, now.UTC()
			expired = append(expired, c)
		}
		return nil
	})
	return expired, err
}
