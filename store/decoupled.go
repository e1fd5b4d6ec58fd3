package store

import (
	"context"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/provider"
	"hopnhat/store/handle"
)

var (
	_ decoupled.Store    = (*DB)(nil)
	_ decoupled.Outbox   = (*DB)(nil)
	_ provider.Decoupled = (*DB)(nil)
)

type decoupledRow struct {
	ID           string     `gorm:"column:id"`
	Channel      string     `gorm:"column:channel"`
	ClientID     string     `gorm:"column:client_id"`
	Subject      string     `gorm:"column:subject"`
	UserCode     []byte     `gorm:"column:user_code"`
	Symbol       string     `gorm:"column:symbol"`
	Message      string     `gorm:"column:message"`
	State        string     `gorm:"column:state"`
	Because      string     `gorm:"column:because"`
	CreatedAt    time.Time  `gorm:"column:created_at"`
	ExpiresAt    time.Time  `gorm:"column:expires_at"`
	DecidedAt    *time.Time `gorm:"column:decided_at"`
	Notification []byte     `gorm:"column:notification"`
	PingAttempts int        `gorm:"column:ping_attempts"`
}

const decoupledColumns = `id, channel, client_id, subject, user_code, symbol, message, state, because, created_at, expires_at, decided_at, notification, ping_attempts`

func (r decoupledRow) request() decoupled.Request {
	return decoupled.Request{
		ID: authz.AuthorizationID(r.ID), Channel: decoupled.Channel(r.Channel), Client: authz.ClientID(r.ClientID),
		Subject:  authz.Subject(r.Subject),
		UserCode: r.UserCode, Symbol: r.Symbol, Message: r.Message, State: decoupled.State(r.State), Because: decoupled.Reason(r.Because),
		Created: r.CreatedAt.UTC(), Expires: r.ExpiresAt.UTC(), Notification: r.Notification,
	}
}

// InsertDecoupled stores a request; authz.ErrConflict when its user code is in
// use.
func (db Approvals) InsertDecoupled(ctx context.Context, r decoupled.Request) error {
	return handle.OneRow("storing a decoupled request", db.Writer(ctx).Exec(`INSERT INTO decoupled_requests
		(id, channel, client_id, subject, user_code, symbol, message, state, created_at, expires_at, notification)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		string(r.ID), string(r.Channel), string(r.Client), string(r.Subject), handle.Blob(r.UserCode), r.Symbol, r.Message, string(r.State),
		r.Created.UTC(), r.Expires.UTC(), handle.Blob(r.Notification)))
}

// Decoupled finds a request, whatever its state.
func (db Approvals) Decoupled(ctx context.Context, id authz.AuthorizationID) (decoupled.Request, error) {
	return db.oneDecoupled(ctx, "WHERE id = ?", string(id))
}

// DecoupledByUserCode finds the request of a user code, whatever its state.
func (db Approvals) DecoupledByUserCode(ctx context.Context, digest []byte) (decoupled.Request, error) {
	return db.oneDecoupled(ctx, "WHERE user_code = ?", digest)
}

func (db Approvals) oneDecoupled(ctx context.Context, where string, key any) (decoupled.Request, error) {
	var row decoupledRow
	res := db.Reader(ctx).Raw("SELECT "+decoupledColumns+" FROM decoupled_requests "+where, key).Scan(&row)
	if res.Error != nil {
		return decoupled.Request{}, handle.Wrap("reading a decoupled request", res.Error)
	}
	if res.RowsAffected == 0 {
		return decoupled.Request{}, authz.ErrNotFound
	}
	return row.request(), nil
}

// polledGrant are a grant's columns beside those of a request. They are named: a statement
// that asks for all columns fails once on each connection when a migration adds one.
var polledGrant = "g." + strings.Join(strings.Fields(grantOwn), " g.") + ", p.represented, p.represented_kind, p.mandate"

// Polled finds a request and, once it was approved, its grant: one query.
func (db Approvals) Polled(ctx context.Context, id authz.AuthorizationID, codeHash []byte) (decoupled.Request, *grant.Grant, error) {
	var row struct {
		State    string    `gorm:"column:request_state"`
		Channel  string    `gorm:"column:request_channel"`
		Client   string    `gorm:"column:request_client"`
		Expires  time.Time `gorm:"column:request_expires"`
		GrantRow *grantRow `gorm:"embedded"`
	}
	res := db.Reader(ctx).Raw(`SELECT d.state AS request_state, d.channel AS request_channel, d.client_id AS request_client, d.expires_at AS request_expires, `+polledGrant+`
		FROM decoupled_requests d LEFT JOIN grants g ON g.code_hash = ?
		LEFT JOIN grant_principals p ON p.grant_id = g.id WHERE d.id = ?`, codeHash, string(id)).Scan(&row)
	if res.Error != nil {
		return decoupled.Request{}, nil, handle.Wrap("reading a decoupled request", res.Error)
	}
	if res.RowsAffected == 0 {
		return decoupled.Request{}, nil, authz.ErrNotFound
	}
	r := decoupled.Request{
		ID: id, State: decoupled.State(row.State), Channel: decoupled.Channel(row.Channel), Client: authz.ClientID(row.Client),
		Expires: row.Expires.UTC(),
	}
	if row.GrantRow == nil || row.GrantRow.ID == "" {
		return r, nil, nil
	}
	g, err := row.GrantRow.grant()
	return r, &g, err
}

// OpenDecoupled lists the requests that a person can still answer, the newest of
// each client first.
func (db Approvals) OpenDecoupled(ctx context.Context, subject authz.Subject, now time.Time, limit int) ([]decoupled.Request, error) {
	var rows []decoupledRow
	err := db.Reader(ctx).Raw("SELECT "+decoupledColumns+` FROM decoupled_requests WHERE subject = ? AND subject <> '' AND expires_at > ?
		AND channel = 'ciba' AND state IN ('requested', 'shown', 'confirmed')
		ORDER BY row_number() OVER (PARTITION BY client_id ORDER BY created_at DESC), created_at DESC LIMIT ?`, string(subject),
		now.UTC(), limit).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("listing decoupled requests", err)
	}
	out := make([]decoupled.Request, len(rows))
	for i, row := range rows {
		out[i] = row.request()
	}
	return out, nil
}

// MoveDecoupled moves a request on by one conditional statement.
func (db Approvals) MoveDecoupled(ctx context.Context, m decoupled.Move) error {
	from, to := decoupled.Leads(m.Event)
	states := make([]string, len(from))
	for i, s := range from {
		states[i] = string(s)
	}
	set, values := "state = ?", []any{string(to)}
	if to == decoupled.Confirmed {
		set, values = set+", subject = ?", append(values, string(m.Subject))
	}
	if !to.Open() {
		set += ", because = ?, decided_at = ?, ping_at = CASE WHEN notification IS NULL THEN ping_at ELSE ? END"
		values = append(values, string(m.Because), m.At.UTC(), m.At.UTC())
	}
	values = append(values, string(m.ID), states, m.At.UTC(), string(m.Subject))
	return handle.OneRow("moving a decoupled request", db.Writer(ctx).Exec("UPDATE decoupled_requests SET "+set+
		" WHERE id = ? AND state IN ? AND expires_at > ? AND (subject = '' OR subject = ?)", values...))
}

// PendingFor counts what waits for a person, and looks whether she disowned a
// request of the client since a time. Her account is held until the transaction of
// the context ends, so that two who count do it one after the other.
func (db Approvals) PendingFor(
	ctx context.Context, subject authz.Subject, client authz.ClientID, now, since time.Time,
) (decoupled.Pending, error) {
	if db.Dialect() == PostgreSQL { // SQLite has one writer at a time
		if err := db.Writer(ctx).Exec("SELECT 1 FROM accounts WHERE subject = ? FOR NO KEY UPDATE", string(subject)).Error; err != nil {
			return decoupled.Pending{}, handle.Wrap("holding an account", err)
		}
	}
	var row struct {
		Waiting  int `gorm:"column:waiting"`
		OfClient int `gorm:"column:of_client"`
		NotMe    int `gorm:"column:not_me"`
	}
	err := db.Reader(ctx).Raw(`SELECT
		(SELECT coalesce(sum(CASE WHEN n < ? THEN n ELSE ? END), 0) FROM (SELECT count(*) AS n FROM decoupled_requests WHERE subject = ? AND subject <> '' AND expires_at > ? AND channel = 'ciba' AND state IN ('requested', 'shown', 'confirmed') GROUP BY client_id) AS each) AS waiting,
		(SELECT count(*) FROM decoupled_requests WHERE subject = ? AND subject <> '' AND client_id = ? AND expires_at > ? AND channel = 'ciba' AND state IN ('requested', 'shown', 'confirmed')) AS of_client,
		(SELECT count(*) FROM decoupled_requests WHERE subject = ? AND subject <> '' AND client_id = ? AND because = 'not_me' AND decided_at > ?) AS not_me`,
		decoupled.MaxRingingOfApp, decoupled.MaxRingingOfApp, string(subject), now.UTC(), string(subject), string(client), now.UTC(),
		string(subject), string(client), since.UTC()).Scan(&row).Error
	return decoupled.Pending{Waiting: row.Waiting, OfClient: row.OfClient, NotMe: row.NotMe > 0}, handle.Wrap(
		"counting decoupled requests", err,
	)
}

// DuePings claims pings by moving their time on to until.
func (db Approvals) DuePings(
	ctx context.Context, now, until time.Time, busy []authz.ClientID, perClient, limit int,
) ([]decoupled.Ping, error) {
	except := []string{""} // no app has this id, and a list must not be empty
	for _, id := range busy {
		except = append(except, string(id))
	}
	var due []decoupledRow
	if err := db.Reader(ctx).Raw("SELECT id FROM decoupled_requests WHERE ping_at <= ? AND client_id NOT IN ? LIMIT 1",
		now.UTC(), except).Scan(&due).Error; err != nil || len(due) == 0 {
		return nil, handle.Wrap("looking for pings to deliver", err)
	}
	skip := ""
	if db.Dialect() == PostgreSQL {
		skip = " FOR UPDATE SKIP LOCKED"
	}
	var rows []decoupledRow
	err := db.Writer(ctx).Raw(`UPDATE decoupled_requests SET ping_at = ? WHERE id IN
		(SELECT id FROM decoupled_requests WHERE ping_at <= ? AND id IN
			(SELECT id FROM (SELECT id, ping_at, ROW_NUMBER() OVER (PARTITION BY client_id ORDER BY ping_at, id) AS place FROM
				(SELECT id, ping_at, client_id FROM decoupled_requests WHERE ping_at <= ? AND client_id NOT IN ? ORDER BY ping_at LIMIT 20000) AS waiting) AS placed
			WHERE place <= ? ORDER BY place, ping_at LIMIT ?)`+skip+`)
		RETURNING `+decoupledColumns, until.UTC(), now.UTC(), now.UTC(), except, perClient, limit).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("claiming pings to deliver", err)
	}
	out := make([]decoupled.Ping, len(rows))
	for i, r := range rows {
		out[i] = decoupled.Ping{
			ID: authz.AuthorizationID(r.ID), Client: authz.ClientID(r.ClientID), Sealed: r.Notification, Attempts: r.PingAttempts,
			Expires: r.ExpiresAt.UTC(),
		}
	}
	return out, nil
}

// FinishPing notes an attempt; once it is over, the client's token goes.
func (db Approvals) FinishPing(ctx context.Context, p decoupled.Ping) error {
	set, values := "ping_attempts = ?, ping_failed = ?, ping_at = NULL, notification = NULL", []any{p.Attempts, string(p.Failed)}
	if !p.Next.IsZero() {
		set, values = "ping_attempts = ?, ping_failed = ?, ping_at = ?", append(values, p.Next.UTC())
	}
	return handle.Wrap(
		"noting a ping", db.Writer(ctx).Exec("UPDATE decoupled_requests SET "+set+" WHERE id = ?", append(values, string(p.ID))...).Error,
	)
}

// KnowPairwise remembers whom a pairwise subject of a sector names.
func (db Approvals) KnowPairwise(ctx context.Context, sector string, sub authz.Pairwise, subject authz.Subject) error {
	return handle.Wrap("noting a pairwise subject", db.Writer(ctx).Exec(
		"INSERT INTO pairwise_subjects (sector, sub, subject) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", sector, string(sub), string(subject)).Error)
}

// SubjectOfPairwise finds whom a pairwise subject of a sector names.
func (db Approvals) SubjectOfPairwise(ctx context.Context, sector string, sub authz.Pairwise) (authz.Subject, error) {
	var subject string
	res := db.Reader(ctx).Raw("SELECT subject FROM pairwise_subjects WHERE sector = ? AND sub = ?", sector, string(sub)).Scan(&subject)
	if res.Error != nil {
		return "", handle.Wrap("looking for a pairwise subject", res.Error)
	}
	if res.RowsAffected == 0 {
		return "", authz.ErrNotFound
	}
	return authz.Subject(subject), nil
}

// SubjectOfNumber finds the subject of a personal number.
func (db Approvals) SubjectOfNumber(ctx context.Context, number authz.PersonalNumber) (authz.Subject, error) {
	a, err := Accounts(db).AccountOf(ctx, number)
	return a.Subject, err
}
