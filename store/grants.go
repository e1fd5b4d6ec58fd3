package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/request"
	"hopnhat/store/handle"
	"hopnhat/store/spent"
)

var _ grant.Store = (*DB)(nil)

type authorizationRow struct {
	ID         string     `gorm:"column:id"`
	ClientID   string     `gorm:"column:client_id"`
	Pushed     bool       `gorm:"column:pushed"`
	Request    []byte     `gorm:"column:request"`
	CreatedAt  time.Time  `gorm:"column:created_at"`
	ExpiresAt  time.Time  `gorm:"column:expires_at"`
	FinishedAt *time.Time `gorm:"column:finished_at"`
	Refused    string     `gorm:"column:refused"`
}

func (authorizationRow) TableName() string { return "authorizations" }

// InsertPending stores a request that waits, and spends what came with it.
func (db Grants) InsertPending(ctx context.Context, p grant.Pending, once clientauth.Assertion) error {
	body, err := json.Marshal(p.Request)
	if err != nil {
		return handle.Wrap("encoding an authorization request", err)
	}
	_, err = db.spent().With(ctx, once, "storing an authorization request",
		"INSERT INTO authorizations (id, client_id, pushed, request, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)", false,
		string(p.ID), string(p.Request.ClientID), p.Pushed, string(body), p.Created.UTC(), p.Expires.UTC())
	return err
}

func (db Grants) spent() spent.Spent { return spent.Spent{Handle: db.Handle} }

// Pending reads a request that waits, or waited; once a request of a browser, and together
// with the session of that browser ([authz.Reading]).
func (db Grants) Pending(ctx context.Context, id authz.AuthorizationID) (grant.Pending, error) {
	once := reading(ctx, db.Handle)
	if kept, ok := once.Kept(pendingKey(id)); ok {
		return kept.(grant.Pending), nil
	}
	query, values := pendingQuery, []any{string(id)}
	with := once != nil && once.Session != nil
	if with {
		query, values = waitingQueries[db.Dialect()], []any{once.Session, string(id)}
	}
	var all []waitingRow
	if err := db.Reader(ctx).Raw(query, values...).Scan(&all).Error; err != nil {
		return grant.Pending{}, handle.Wrap("reading an authorization request", err)
	}
	if len(all) == 0 {
		return grant.Pending{}, authz.ErrNotFound
	}
	row := all[0].Pending
	p := grant.Pending{
		ID: id, Pushed: row.Pushed, Created: row.CreatedAt.UTC(), Expires: row.ExpiresAt.UTC(), Finished: handle.Time(row.FinishedAt),
		Refused: row.Refused,
	}
	if err := json.Unmarshal(row.Request, &p.Request); err != nil {
		return grant.Pending{}, handle.Wrap("decoding an authorization request", err)
	}
	once.Keep(pendingKey(id), p)
	if with {
		return p, keepWaiting(once, p.Request.ClientID, all)
	}
	return p, nil
}

// FinishPending marks a request answered; only the first call does.
func (db Grants) FinishPending(ctx context.Context, id authz.AuthorizationID, at time.Time, refused string) error {
	return handle.OneRow("finishing an authorization request", db.Writer(ctx).Exec(
		"UPDATE authorizations SET finished_at = ?, refused = ? WHERE id = ? AND finished_at IS NULL", at.UTC(), refused, string(id)))
}

type grantRow struct {
	ID                string     `gorm:"column:id"`
	Continues         string     `gorm:"column:continues"`
	ClientID          string     `gorm:"column:client_id"`
	Subject           string     `gorm:"column:subject"`
	Represented       *string    `gorm:"column:represented"`
	RepresentedKind   *string    `gorm:"column:represented_kind"`
	Mandate           *string    `gorm:"column:mandate"`
	SessionID         string     `gorm:"column:session_id"`
	Profile           string     `gorm:"column:profile"`
	Scope             string     `gorm:"column:scope"`
	Details           []byte     `gorm:"column:details"`
	Request           []byte     `gorm:"column:request"`
	ACR               int        `gorm:"column:acr"`
	AMR               string     `gorm:"column:amr"`
	AuthTime          time.Time  `gorm:"column:auth_time"`
	Bound             string     `gorm:"column:dpop_jkt"` // Confirmation.Text: a certificate has a prefix
	CreatedAt         time.Time  `gorm:"column:created_at"`
	ExpiresAt         time.Time  `gorm:"column:expires_at"`
	RevokedAt         *time.Time `gorm:"column:revoked_at"`
	RevokedBecause    string     `gorm:"column:revoked_because"`
	CodeHash          []byte     `gorm:"column:code_hash"`
	CodeExpiresAt     time.Time  `gorm:"column:code_expires_at"`
	CodeSpentAt       *time.Time `gorm:"column:code_spent_at"`
	RefreshSalt       []byte     `gorm:"column:refresh_salt"`
	RefreshRotatedAt  *time.Time `gorm:"column:refresh_rotated_at"`
	RefreshGeneration int        `gorm:"column:refresh_generation"`
}

func (grantRow) TableName() string { return "grants" }

// grantTables and grantColumns are a grant with whom the person acts for, which has a
// table of its own.
const (
	grantTables  = "grants LEFT JOIN grant_principals ON grant_id = id"
	grantColumns = grantOwn + ", represented, represented_kind, mandate"
)

const grantOwn = `id, continues, client_id, subject, session_id, profile, scope, details, request, acr, amr, auth_time, dpop_jkt,
	created_at, expires_at, revoked_at, revoked_because, code_hash, code_expires_at, code_spent_at,
	refresh_salt, refresh_rotated_at, refresh_generation`

func (r grantRow) grant() (grant.Grant, error) {
	g := grant.Grant{
		ID: authz.GrantID(r.ID), Continues: authz.GrantID(r.Continues), ClientID: authz.ClientID(r.ClientID),
		Principal: principalOf(r.Subject, r.Represented, r.RepresentedKind, r.Mandate),
		Session:   authz.SessionID(r.SessionID), Profile: authz.ProfileName(r.Profile), Scope: strings.Fields(r.Scope),
		Level: authz.AuthenticationLevel(r.ACR), Methods: strings.Fields(r.AMR), AuthTime: r.AuthTime.UTC(),
		Bound:   authz.ParseConfirmation(r.Bound),
		Created: r.CreatedAt.UTC(), Expires: r.ExpiresAt.UTC(), Revoked: handle.Time(r.RevokedAt), RevokedBecause: r.RevokedBecause,
		CodeHash: r.CodeHash, CodeExpires: r.CodeExpiresAt.UTC(), CodeSpent: handle.Time(r.CodeSpentAt),
		RefreshSalt: r.RefreshSalt, RefreshRotated: handle.Time(r.RefreshRotatedAt), RefreshGeneration: r.RefreshGeneration,
	}
	if err := json.Unmarshal(r.Details, &g.Details); err != nil {
		return g, handle.Wrap("decoding the details of a grant", err)
	}
	g.Request = request.Authorization{}
	if err := json.Unmarshal(r.Request, &g.Request); err != nil {
		return g, handle.Wrap("decoding the request of a grant", err)
	}
	return g, nil
}

// InsertGrant stores a grant with its code, or without one, if the session it is of
// lives and the account is open, and keeps both so until the transaction ends;
// authz.ErrConflict if they do not: once a sign-out or lock was acknowledged, no
// grant of the session or account begins. It finishes the request that the grant answers,
// unless that is empty; authz.ErrConflict if it is finished. Of both nothing happens, or
// all; on PostgreSQL they are one statement.
func (db Grants) InsertGrant(ctx context.Context, g grant.Grant, answers authz.AuthorizationID) error {
	represented, kind, mandate := representedColumns(g.Principal)
	if represented == nil && (answers == "" || db.Dialect() == PostgreSQL) {
		return db.insertGrant(ctx, g, answers)
	}
	return db.Tx(ctx, func(ctx context.Context) error {
		if answers != "" {
			if err := db.FinishPending(ctx, answers, g.Created, ""); err != nil {
				return err
			}
		}
		if err := db.insertGrant(ctx, g, ""); err != nil || represented == nil {
			return err
		}
		return handle.Wrap("storing whom a grant acts for", db.Writer(ctx).Exec(
			"INSERT INTO grant_principals (grant_id, represented, represented_kind, mandate) VALUES (?, ?, ?, ?)", string(g.ID), represented, kind, mandate).Error)
	})
}

// What a grant is inserted by: from its session and account, and on PostgreSQL, which
// locks both, from the end of the request that it answers.
const (
	insertGrant = `INSERT INTO grants
		(id, continues, client_id, subject, session_id, profile, scope, details, request, acr, amr, auth_time, dpop_jkt,
		 created_at, expires_at, code_hash, code_expires_at, code_spent_at, refresh_salt)
		SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM `
	liveSession = `SELECT 1 FROM sessions s JOIN accounts a ON a.subject = s.subject
		WHERE s.id = ? AND s.subject = ? AND s.ended_at IS NULL AND a.locked_at IS NULL`
	insertWaiting = "WITH live AS (" + liveSession + ` FOR SHARE OF s, a), finished AS (UPDATE authorizations SET finished_at = ?, refused = ''
		WHERE id = ? AND finished_at IS NULL AND EXISTS (SELECT 1 FROM live) RETURNING 1) ` + insertGrant + "finished"
)

func (db Grants) insertGrant(ctx context.Context, g grant.Grant, answers authz.AuthorizationID) error {
	const doing = "storing a grant"
	details, err := json.Marshal(g.Details)
	if err != nil {
		return handle.Wrap("encoding the details of a grant", err)
	}
	body, err := json.Marshal(g.Request)
	if err != nil {
		return handle.Wrap("encoding the request of a grant", err)
	}
	values := []any{
		string(g.ID), string(g.Continues), string(g.ClientID), string(g.Actor), string(g.Session), string(g.Profile),
		strings.Join(g.Scope, " "), string(details), string(body), int(g.Level), strings.Join(g.Methods, " "),
		g.AuthTime.UTC(), g.Bound.Text(), g.Created.UTC(), g.Expires.UTC(), handle.Blob(g.CodeHash), g.CodeExpires.UTC(),
		handle.NullTime(g.CodeSpent), g.RefreshSalt,
	}
	holder := []any{string(g.Session), string(g.Actor)}
	var statement string
	switch {
	case answers != "":
		statement, values = insertWaiting, slices.Concat(holder, []any{g.Created.UTC(), string(answers)}, values)
	case db.Dialect() == PostgreSQL:
		statement, values = insertGrant+"("+liveSession+" FOR SHARE OF s, a) AS live", append(values, holder...)
	default: // SQLite has one writer at a time
		statement, values = insertGrant+"("+liveSession+") AS live", append(values, holder...)
	}
	changed, err := db.Change(ctx, doing, statement, values...)
	if err == nil && changed == 0 {
		err = fmt.Errorf("%s: %w", doing, authz.ErrConflict)
	}
	return err
}

// GrantByCode finds the grant of a code, whatever its state.
func (db Grants) GrantByCode(ctx context.Context, codeHash []byte) (grant.Grant, error) {
	return db.oneGrant(ctx, "SELECT "+grantColumns+" FROM "+grantTables+" WHERE code_hash = ?", codeHash)
}

// Grant finds a grant, whatever its state.
func (db Grants) Grant(ctx context.Context, id authz.GrantID) (grant.Grant, error) {
	return db.oneGrant(ctx, "SELECT "+grantColumns+" FROM "+grantTables+" WHERE id = ?", string(id))
}

// GrantByPublicID finds the grant that has a public id now.
func (db Grants) GrantByPublicID(ctx context.Context, id authz.GrantID) (grant.Grant, error) {
	return db.oneGrant(ctx, "SELECT "+grantColumns+" FROM "+grantTables+` WHERE (id = ? OR continues = ?)
		AND code_spent_at IS NOT NULL AND revoked_at IS NULL ORDER BY created_at DESC, id DESC LIMIT 1`, string(id), string(id))
}

// Supersede ends what a grant continues; authz.ErrConflict if nothing was live.
func (db Grants) Supersede(ctx context.Context, g grant.Grant, at time.Time) error {
	// The grant itself is locked too, in its place.
	line := db.Dialect().InOrder("grants", `id = ? OR (id = ? OR continues = ?) AND client_id = ? AND subject = ?
		AND revoked_at IS NULL AND code_spent_at IS NOT NULL AND expires_at > ?`)
	res := db.Writer(ctx).Exec(`UPDATE grants SET revoked_at = ?, revoked_because = 'continued by another grant', code_spent_at = COALESCE(code_spent_at, ?)
		WHERE (`+line+") AND id <> ?", at.UTC(), at.UTC(),
		string(g.ID), string(g.Continues), string(g.Continues), string(g.ClientID), string(g.Actor), at.UTC(), string(g.ID))
	if res.Error == nil && res.RowsAffected == 0 {
		return fmt.Errorf("continuing a grant: %w", authz.ErrConflict)
	}
	return handle.Wrap("continuing a grant", res.Error)
}

func (db Grants) oneGrant(ctx context.Context, query string, keys ...any) (grant.Grant, error) {
	var r grantRow
	found, err := db.One(ctx, "reading a grant", query, keys, // grantColumns
		&r.ID, &r.Continues, &r.ClientID, &r.Subject, &r.SessionID, &r.Profile, &r.Scope, &r.Details, &r.Request, &r.ACR, &r.AMR,
		&r.AuthTime,
		&r.Bound, &r.CreatedAt, &r.ExpiresAt, &r.RevokedAt, &r.RevokedBecause, &r.CodeHash, &r.CodeExpiresAt, &r.CodeSpentAt,
		&r.RefreshSalt, &r.RefreshRotatedAt, &r.RefreshGeneration, &r.Represented, &r.RepresentedKind, &r.Mandate)
	if err != nil {
		return grant.Grant{}, err
	}
	if !found {
		return grant.Grant{}, authz.ErrNotFound
	}
	return r.grant()
}

// RedeemCode spends the code of a grant, and what came with it. Of any number of calls
// for one grant, however they overlap, exactly one returns nil (RFC 6749 §4.1.2).
func (db Grants) RedeemCode(ctx context.Context, id authz.GrantID, bound authz.Confirmation, at time.Time,
	once clientauth.Assertion,
) error {
	return db.changeOne(ctx, once, "redeeming a code",
		"UPDATE grants SET code_spent_at = ?, dpop_jkt = ? WHERE id = ? AND code_spent_at IS NULL AND revoked_at IS NULL",
		at.UTC(), bound.Text(), string(id))
}

// Rotate moves the refresh generation of a live grant on by one, and spends what came
// with the refresh token.
func (db Grants) Rotate(ctx context.Context, id authz.GrantID, generation int, at time.Time, once clientauth.Assertion) error {
	return db.changeOne(ctx, once, "rotating a refresh token",
		`UPDATE grants SET refresh_generation = refresh_generation + 1, refresh_rotated_at = ?
		 WHERE id = ? AND refresh_generation = ? AND revoked_at IS NULL AND expires_at > ?`,
		at.UTC(), string(id), generation, at.UTC())
}

// changeOne is [spent.Spent.With] for a statement that must change a row.
func (db Grants) changeOne(ctx context.Context, once clientauth.Assertion, doing, statement string, values ...any) error {
	changed, err := db.spent().With(ctx, once, doing, statement, true, values...)
	if err == nil && changed == 0 {
		err = fmt.Errorf("%s: %w", doing, authz.ErrConflict)
	}
	return err
}

// Revoke ends a grant and spends its code.
func (db Grants) Revoke(ctx context.Context, id authz.GrantID, because string, at time.Time) error {
	return handle.Wrap("revoking a grant", db.Writer(ctx).Exec(
		`UPDATE grants SET revoked_at = ?, revoked_because = ?, code_spent_at = COALESCE(code_spent_at, ?)
		 WHERE id = ? AND revoked_at IS NULL`, at.UTC(), because, at.UTC(), string(id)).Error)
}

// PurgeGrants deletes what expired before a time, at most limit rows of each
// kind, and tells how many went. Grants stay until then as evidence that a
// refresh token was reused.
func (db Grants) PurgeGrants(ctx context.Context, before time.Time, limit int) (int64, error) {
	var total int64
	for _, t := range []struct{ table, key string }{
		{"authorizations", "id"},
		{"grants", "id"},
		{"revoked_tokens", "digest"},
		{"decoupled_requests", "id"},
	} {
		res := db.Writer(ctx).Exec("DELETE FROM "+t.table+" WHERE "+t.key+" IN (SELECT "+t.key+" FROM "+t.table+
			" WHERE expires_at < ? ORDER BY expires_at LIMIT ?"+db.Dialect().SkipLocked()+")", before.UTC(), limit)
		if res.Error != nil {
			return total, handle.Wrap("purging "+t.table, res.Error)
		}
		total += res.RowsAffected
	}
	return total, nil
}
