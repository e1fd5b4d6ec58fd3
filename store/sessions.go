package store

import (
	"context"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/store/handle"
)

var _ session.Store = (*DB)(nil)

type sessionRow struct {
	ID              string     `gorm:"column:id"`
	Subject         string     `gorm:"column:subject"`
	Represented     *string    `gorm:"column:represented"`
	RepresentedKind *string    `gorm:"column:represented_kind"`
	Mandate         *string    `gorm:"column:mandate"`
	AuthTime        time.Time  `gorm:"column:auth_time"`
	Methods         string     `gorm:"column:methods"`
	Level           int        `gorm:"column:level"`
	Device          string     `gorm:"column:device"`
	CreatedAt       time.Time  `gorm:"column:created_at"`
	SeenAt          time.Time  `gorm:"column:seen_at"`
	EndedAt         *time.Time `gorm:"column:ended_at"`
	Kind            string     `gorm:"column:kind"`
	AccountLevel    int        `gorm:"column:account_level"`
	Name            string     `gorm:"column:name"`
	PersonID        string     `gorm:"column:person_id"`
	LockedAt        *time.Time `gorm:"column:locked_at"`
}

// columns are where the columns of sessionQuery go, in their order.
func (r *sessionRow) columns() []any {
	return []any{
		&r.ID, &r.Subject, &r.Represented, &r.RepresentedKind, &r.Mandate, &r.AuthTime, &r.Methods, &r.Level, &r.Device, &r.CreatedAt,
		&r.SeenAt, &r.EndedAt, &r.Kind, &r.AccountLevel, &r.Name, &r.PersonID, &r.LockedAt,
	}
}

func (r sessionRow) session() session.Session {
	return session.Session{
		ID: authz.SessionID(r.ID), Principal: principalOf(r.Subject, r.Represented, r.RepresentedKind, r.Mandate),
		AuthTime: r.AuthTime.UTC(),
		Methods:  strings.Fields(r.Methods), Level: authz.AuthenticationLevel(r.Level), Device: r.Device,
		Created: r.CreatedAt.UTC(), Seen: r.SeenAt.UTC(), Ended: handle.Time(r.EndedAt),
		Kind: authz.Kind(r.Kind), Account: authz.AccountLevel(r.AccountLevel), Name: r.Name, Person: authz.PersonID(r.PersonID),
		Locked: r.LockedAt != nil,
	}
}

const (
	sessionColumns = `s.id, s.subject, s.represented, s.represented_kind, s.mandate, s.auth_time, s.methods, s.level, s.device, s.created_at, s.seen_at, s.ended_at,
	a.kind, a.account_level, a.name, a.person_id, a.locked_at`
	sessionQuery = "SELECT " + sessionColumns + " FROM sessions s JOIN accounts a ON a.subject = s.subject "
)

// RenewSession lets a live session go on with a new sign-in. The sign-in before stays
// as a row of its own, that has ended: who had access is kept for five years.
func (db Browsers) RenewSession(ctx context.Context, s session.Session, secretHash []byte) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		res := db.Writer(ctx).Exec(`INSERT INTO sessions
			(id, secret_hash, subject, represented, represented_kind, mandate, auth_time, methods, level, device, created_at, seen_at, ended_at, ended_because)
			SELECT ?, ?, subject, represented, represented_kind, mandate, auth_time, methods, level, device, created_at, seen_at, ?, ? FROM sessions
			WHERE id = ? AND subject = ? AND ended_at IS NULL`,
			authz.NewID(), authz.HashSecret(authz.NewSecret()), s.AuthTime.UTC(), "signed in again", string(s.ID), string(s.Actor))
		if res.Error != nil {
			return handle.Wrap("keeping the sign-in before", res.Error)
		}
		if res.RowsAffected == 0 {
			return authz.ErrNotFound
		}
		represented, kind, mandate := representedColumns(s.Principal)
		res = db.Writer(ctx).Exec(`UPDATE sessions SET secret_hash = ?, represented = ?, represented_kind = ?, mandate = ?, auth_time = ?, methods = ?, level = ?, device = ?, created_at = ?, seen_at = ?
			WHERE id = ? AND subject = ? AND ended_at IS NULL`,
			secretHash, represented, kind, mandate, s.AuthTime.UTC(), strings.Join(s.Methods, " "), int(s.Level), s.Device,
			s.Created.UTC(), s.Seen.UTC(), string(s.ID), string(s.Actor))
		if res.Error == nil && res.RowsAffected == 0 {
			return authz.ErrNotFound // ended in between
		}
		return handle.Wrap("renewing a session", res.Error)
	})
}

// SessionBySecret finds a session with its account, ended ones included; once a request
// ([authz.Reading]).
func (db Browsers) SessionBySecret(ctx context.Context, secretHash []byte) (session.Session, error) {
	once, key := reading(ctx, db.Handle), sessionKey(secretHash)
	kept, found := once.Kept(key)
	row, _ := kept.(sessionRow)
	if !found {
		if _, err := db.One(ctx, "reading a session", sessionQuery+"WHERE s.secret_hash = ?", []any{secretHash}, row.columns()...); err != nil {
			return session.Session{}, err
		}
		once.Keep(key, row)
	}
	if row.ID == "" {
		return session.Session{}, authz.ErrNotFound
	}
	return row.session(), nil
}

// TouchSession notes that a session was seen.
func (db Browsers) TouchSession(ctx context.Context, id authz.SessionID, at time.Time) error {
	return handle.Wrap("noting a session", db.Writer(ctx).Exec("UPDATE sessions SET seen_at = ? WHERE id = ? AND ended_at IS NULL", at.UTC(), string(id)).Error)
}

// Sessions lists a person's sessions seen since a time, newest first, at most 100.
func (db Browsers) Sessions(ctx context.Context, subject authz.Subject, activeSince time.Time) ([]session.Session, error) {
	var rows []sessionRow
	err := db.Reader(ctx).Raw(sessionQuery+`WHERE s.subject = ? AND s.ended_at IS NULL AND s.seen_at > ?
		ORDER BY s.seen_at DESC LIMIT 100`, string(subject), activeSince.UTC()).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("listing sessions", err)
	}
	out := make([]session.Session, len(rows))
	for i, row := range rows {
		out[i] = row.session()
	}
	return out, nil
}

// EndSession ends a session of a subject and revokes its grants.
func (db Browsers) EndSession(
	ctx context.Context, subject authz.Subject, id authz.SessionID, because string, at time.Time,
) ([]authz.ClientID, error) {
	res := db.Writer(ctx).Exec("UPDATE sessions SET ended_at = ?, ended_because = ? WHERE id = ? AND subject = ? AND ended_at IS NULL",
		at.UTC(), because, string(id), string(subject))
	if res.Error != nil {
		return nil, handle.Wrap("ending a session", res.Error)
	}
	if res.RowsAffected == 0 {
		return nil, authz.ErrNotFound
	}
	var clients []authz.ClientID
	if err := db.Writer(ctx).Raw("SELECT DISTINCT client_id FROM grants WHERE session_id = ? AND revoked_at IS NULL ORDER BY client_id", string(id)).Scan(&clients).Error; err != nil {
		return nil, handle.Wrap("finding the apps of a session", err)
	}
	live := db.Dialect().InOrder("grants", "session_id = ? AND revoked_at IS NULL")
	return clients, handle.Wrap("revoking grants", db.Writer(ctx).Exec(
		"UPDATE grants SET revoked_at = ?, revoked_because = ? WHERE "+live, at.UTC(), because, string(id)).Error)
}

// EndAtClient revokes the grants that a client has of a live session.
func (db Browsers) EndAtClient(
	ctx context.Context, subject authz.Subject, id authz.SessionID, client authz.ClientID, because string, at time.Time,
) error {
	res := db.Writer(ctx).Exec("UPDATE grants SET revoked_at = ?, revoked_because = ? WHERE "+db.Dialect().InOrder(
		"grants", `session_id = ? AND client_id = ? AND revoked_at IS NULL
		AND EXISTS (SELECT 1 FROM sessions WHERE id = ? AND subject = ? AND ended_at IS NULL)`),
		at.UTC(), because, string(id), string(client), string(id), string(subject))
	if res.Error != nil {
		return handle.Wrap("revoking the grants of an app", res.Error)
	}
	if res.RowsAffected == 0 {
		return authz.ErrNotFound
	}
	return nil
}

// PurgeSessions deletes what counts attempts to sign in of which there was none for a day,
// delivered logout tokens older than 30 days, and sessions older than the five
// years for which access to an account must be kept (Decree 69/2024/NĐ-CP Art.
// 17(2)); at most limit rows of each.
func (db Browsers) PurgeSessions(ctx context.Context, now time.Time, limit int) (int64, error) {
	var total int64
	for _, t := range []struct {
		table, key, column string
		before             any
	}{
		{"sign_in_attempts", "key", "seen_at", now.AddDate(0, 0, -1).Add(-time.Hour).UnixMilli()}, // kept to the hour
		{"attempts", "number_key", "failed_at", now.AddDate(0, 0, -1).UTC()},                      // of the release before
		{"logout_deliveries", "id", "done_at", now.AddDate(0, 0, -30).UTC()},
		{"sessions", "id", "created_at", now.AddDate(-5, 0, 0).UTC()},
	} {
		res := db.Writer(ctx).Exec("DELETE FROM "+t.table+" WHERE "+t.key+" IN (SELECT "+t.key+" FROM "+t.table+
			" WHERE "+t.column+" < ? ORDER BY "+t.column+" LIMIT ?"+db.Dialect().SkipLocked()+")", t.before, limit)
		if res.Error != nil {
			return total, handle.Wrap("purging "+t.table, res.Error)
		}
		total += res.RowsAffected
	}
	return total, nil
}
