package store

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/consent"
	"hopnhat/authz/outbox"
	"hopnhat/authz/session"
	"hopnhat/store/handle"
)

var _ session.Outbox = (*DB)(nil)

type deliveryRow struct {
	ID        string     `gorm:"column:id"`
	SessionID string     `gorm:"column:session_id"`
	Subject   string     `gorm:"column:subject"`
	ClientID  string     `gorm:"column:client_id"`
	URI       string     `gorm:"column:uri"`
	Attempts  int        `gorm:"column:attempts"`
	NextAt    time.Time  `gorm:"column:next_at"`
	DoneAt    *time.Time `gorm:"column:done_at"`
	Failed    string     `gorm:"column:failed"`
	About     string     `gorm:"column:about"`
}

const deliveryColumns = "id, session_id, subject, client_id, uri, attempts, next_at, done_at, failed, about"

func deliveries(rows []deliveryRow) []session.Delivery {
	out := make([]session.Delivery, len(rows))
	for i, r := range rows {
		out[i] = session.Delivery{
			ID: r.ID, Session: authz.SessionID(r.SessionID), Subject: authz.Subject(r.Subject), Client: authz.ClientID(r.ClientID),
			URI: r.URI, Attempts: r.Attempts, Next: r.NextAt.UTC(), Done: handle.Time(r.DoneAt), Failed: outbox.Cause(r.Failed),
			About: r.About,
		}
	}
	return out
}

// QueueLogout puts a delivery into the outbox.
func (db Outbox) QueueLogout(ctx context.Context, d session.Delivery) error {
	return handle.Wrap("queueing a logout token", db.Writer(ctx).Exec(
		"INSERT INTO logout_deliveries (id, session_id, subject, client_id, uri, next_at) VALUES (?, ?, ?, ?, ?, ?)",
		d.ID, string(d.Session), string(d.Subject), string(d.Client), d.URI, d.Next.UTC()).Error)
}

// QueueWithdrawal puts the notice of a withdrawn consent into the outbox.
func (db Outbox) QueueWithdrawal(ctx context.Context, client authz.ClientID, uri string, c consent.Consent, at time.Time) error {
	return handle.Wrap("queueing the notice of a withdrawal", db.Writer(ctx).Exec(
		"INSERT INTO logout_deliveries (id, session_id, subject, client_id, uri, next_at, about) VALUES (?, '', ?, ?, ?, ?, ?)",
		authz.NewID(), string(c.Subject), string(client), uri, at.UTC(), c.Reference()).Error)
}

// WithdrawalTold finds where the notice of a consent stands that was withdrawn in a
// version ([consent.Consent.Reference]); authz.ErrNotFound where there was none, or it
// is long ago.
func (db Outbox) WithdrawalTold(ctx context.Context, reference string) (session.Delivery, error) {
	var rows []deliveryRow
	err := db.Reader(ctx).Raw("SELECT "+deliveryColumns+" FROM logout_deliveries WHERE about = ? AND about <> '' LIMIT 1", reference).Scan(&rows).Error
	if err == nil && len(rows) == 0 {
		return session.Delivery{}, authz.ErrNotFound
	}
	if err != nil {
		return session.Delivery{}, handle.Wrap("looking for the notice of a withdrawal", err)
	}
	return deliveries(rows)[0], nil
}

// DueLogouts claims deliveries by moving their time on to until: the oldest of each
// app first, so that one with thousands waiting leaves room for the others.
func (db Outbox) DueLogouts(
	ctx context.Context, now, until time.Time, busy []authz.ClientID, perClient, limit int,
) ([]session.Delivery, error) {
	except := []string{""} // no app has this id, and a list must not be empty
	for _, id := range busy {
		except = append(except, string(id))
	}
	var due []deliveryRow
	if err := db.Reader(ctx).Raw("SELECT id FROM logout_deliveries WHERE done_at IS NULL AND next_at <= ? AND client_id NOT IN ? LIMIT 1",
		now.UTC(), except).Scan(&due).Error; err != nil || len(due) == 0 {
		return nil, handle.Wrap("looking for logout tokens to deliver", err)
	}
	skip := ""
	if db.Dialect() == PostgreSQL {
		skip = " FOR UPDATE SKIP LOCKED"
	}
	var rows []deliveryRow
	err := db.Writer(ctx).Raw(`UPDATE logout_deliveries SET next_at = ? WHERE id IN
		(SELECT id FROM logout_deliveries WHERE done_at IS NULL AND next_at <= ? AND id IN
			(SELECT id FROM (SELECT id, next_at, ROW_NUMBER() OVER (PARTITION BY client_id ORDER BY next_at, id) AS place FROM
				(SELECT id, next_at, client_id FROM logout_deliveries WHERE done_at IS NULL AND next_at <= ? AND client_id NOT IN ? ORDER BY next_at LIMIT 20000) AS waiting) AS placed
			WHERE place <= ? ORDER BY place, next_at LIMIT ?)`+skip+`)
		RETURNING `+deliveryColumns, until.UTC(), now.UTC(), now.UTC(), except, perClient, limit).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("claiming logout tokens to deliver", err)
	}
	return deliveries(rows), nil
}

// FinishLogout notes an attempt.
func (db Outbox) FinishLogout(ctx context.Context, d session.Delivery) error {
	var done *time.Time
	if !d.Done.IsZero() {
		done = &d.Done
	}
	return handle.Wrap("noting a delivery", db.Writer(ctx).Exec("UPDATE logout_deliveries SET attempts = ?, next_at = ?, done_at = ?, failed = ? WHERE id = ?",
		d.Attempts, d.Next.UTC(), done, string(d.Failed), d.ID).Error)
}

// Logouts lists deliveries to an app, the newest first, before one of them. Without
// an app it lists those of all apps that failed at least once.
func (db Outbox) Logouts(ctx context.Context, client authz.ClientID, before string, limit int) ([]session.Delivery, error) {
	query, values := "SELECT "+deliveryColumns+" FROM logout_deliveries WHERE failed <> ''", []any{}
	if client != "" {
		query, values = "SELECT "+deliveryColumns+" FROM logout_deliveries WHERE client_id = ?", []any{string(client)}
	}
	if before != "" {
		query, values = query+" AND id < ?", append(values, before)
	}
	var rows []deliveryRow
	err := db.Reader(ctx).Raw(query+" ORDER BY id DESC LIMIT ?", append(values, limit)...).Scan(&rows).Error
	return deliveries(rows), handle.Wrap("listing logout tokens", err)
}

// LogoutsOf lists the deliveries for sessions, at most 500.
func (db Outbox) LogoutsOf(ctx context.Context, sessions []authz.SessionID) ([]session.Delivery, error) {
	if len(sessions) == 0 {
		return nil, nil
	}
	ids := make([]string, len(sessions))
	for i, id := range sessions {
		ids[i] = string(id)
	}
	var rows []deliveryRow
	err := db.Reader(ctx).Raw("SELECT "+deliveryColumns+" FROM logout_deliveries WHERE session_id IN ? ORDER BY id LIMIT 500", ids).Scan(&rows).Error
	return deliveries(rows), handle.Wrap("listing the logout tokens of a session", err)
}

// RetryLogout lets a delivery that failed begin again at once; authz.ErrNotFound if
// there is none, or it was delivered.
func (db Outbox) RetryLogout(ctx context.Context, id string, at time.Time) error {
	res := db.Writer(ctx).Exec("UPDATE logout_deliveries SET attempts = 0, next_at = ?, done_at = NULL WHERE id = ? AND failed <> ''", at.UTC(), id)
	if res.Error != nil {
		return handle.Wrap("trying a logout token again", res.Error)
	}
	if res.RowsAffected == 0 {
		return authz.ErrNotFound
	}
	return nil
}
