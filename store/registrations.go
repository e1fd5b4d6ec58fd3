package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/registration"
	"hopnhat/authz/registration/endpoint"
	"hopnhat/store/clientrow"
	"hopnhat/store/handle"
)

var _ endpoint.Registrations = (*DB)(nil)

type initialRow struct {
	ID        string     `gorm:"column:id"`
	Policy    []byte     `gorm:"column:policy"`
	UsesLeft  int        `gorm:"column:uses_left"`
	CreatedAt time.Time  `gorm:"column:created_at"`
	ExpiresAt time.Time  `gorm:"column:expires_at"`
	RevokedAt *time.Time `gorm:"column:revoked_at"`
}

func (r initialRow) initial() (registration.Initial, error) {
	i := registration.Initial{
		ID: r.ID, UsesLeft: r.UsesLeft, Created: r.CreatedAt.UTC(), Expires: r.ExpiresAt.UTC(), Revoked: handle.Time(r.RevokedAt),
	}
	if err := json.Unmarshal(r.Policy, &i.Policy); err != nil {
		return i, handle.Wrap("decoding the policy of an initial access token", err)
	}
	return i, nil
}

// InsertInitialToken keeps an initial access token by its digest.
func (db Apps) InsertInitialToken(ctx context.Context, i registration.Initial, digest []byte) error {
	policy, err := json.Marshal(i.Policy)
	if err != nil {
		return handle.Wrap("encoding the policy of an initial access token", err)
	}
	return handle.Wrap("storing an initial access token", db.Writer(ctx).Exec(
		"INSERT INTO initial_access_tokens (id, digest, policy, uses_left, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
		i.ID, handle.Blob(digest), string(policy), i.UsesLeft, i.Created.UTC(), i.Expires.UTC()).Error)
}

// InitialToken finds an initial access token by its digest, dead ones included.
func (db Apps) InitialToken(ctx context.Context, digest []byte) (registration.Initial, error) {
	var row initialRow
	res := db.Reader(ctx).Raw("SELECT id, policy, uses_left, created_at, expires_at, revoked_at FROM initial_access_tokens WHERE digest = ?", digest).Scan(&row)
	if res.Error != nil {
		return registration.Initial{}, handle.Wrap("reading an initial access token", res.Error)
	}
	if res.RowsAffected == 0 {
		return registration.Initial{}, authz.ErrNotFound
	}
	return row.initial()
}

// InitialTokens lists initial access tokens, the newest first, at most limit.
func (db Apps) InitialTokens(ctx context.Context, limit int) ([]registration.Initial, error) {
	var rows []initialRow
	err := db.Reader(ctx).Raw("SELECT id, policy, uses_left, created_at, expires_at, revoked_at FROM initial_access_tokens ORDER BY id DESC LIMIT ?", limit).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("listing initial access tokens", err)
	}
	var list []registration.Initial
	for _, row := range rows {
		i, err := row.initial()
		if err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	return list, nil
}

// SpendInitialToken takes one use of a live initial access token. Of any number
// of calls for the last use, exactly one returns nil, the others
// authz.ErrConflict.
func (db Apps) SpendInitialToken(ctx context.Context, id string, now time.Time) error {
	return handle.OneRow("spending an initial access token", db.Writer(ctx).Exec(
		"UPDATE initial_access_tokens SET uses_left = uses_left - 1 WHERE id = ? AND uses_left > 0 AND expires_at > ? AND revoked_at IS NULL", id, now.UTC()))
}

// RevokeInitialToken ends an initial access token: no app can be registered or
// updated with it any more.
func (db Apps) RevokeInitialToken(ctx context.Context, id string, at time.Time) error {
	return handle.OneRow("revoking an initial access token", db.Writer(ctx).Exec(
		"UPDATE initial_access_tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", at.UTC(), id))
}

type registrationRow struct {
	Client    clientrow.Row `gorm:"embedded"`
	InitialID string        `gorm:"column:initial_id"`
	Token     []byte        `gorm:"column:token_digest"`
	Previous  []byte        `gorm:"column:previous_digest"`
	Statement string        `gorm:"column:statement"`
	Began     time.Time     `gorm:"column:began_at"`
	Changed   time.Time     `gorm:"column:changed_at"`
	Policy    []byte        `gorm:"column:policy"`
	RevokedAt *time.Time    `gorm:"column:revoked_at"`
}

// InsertRegistration adds an app and its registration; authz.ErrConflict if the
// id is taken. It is called in a transaction.
func (db Apps) InsertRegistration(ctx context.Context, c *authz.Client, r registration.Registration) error {
	record, err := clientrow.Record(c)
	if err != nil {
		return err
	}
	if err := db.Writer(ctx).Exec("INSERT INTO clients (id, record, disabled, revision, created_at, updated_at) VALUES (?, ?, ?, 1, ?, ?)",
		string(c.ID), record, c.Disabled, r.Created.UTC(), r.Created.UTC()).Error; err != nil {
		return handle.Wrap("registering a client", err)
	}
	var initial *string
	if r.Initial != "" {
		initial = &r.Initial
	}
	return handle.Wrap("registering a client", db.Writer(ctx).Exec(
		"INSERT INTO registrations (client_id, initial_id, token_digest, statement, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
		string(c.ID), initial, handle.Blob(r.Token), r.Statement, r.Created.UTC(), r.Created.UTC()).Error)
}

// Registration finds an app that registered itself and is not ended, in one query.
func (db Apps) Registration(ctx context.Context, id authz.ClientID) (*authz.Client, registration.Registration, error) {
	var row registrationRow
	res := db.Reader(ctx).Raw("SELECT "+clientrow.Columns+`,
			COALESCE(r.initial_id, '') AS initial_id, r.token_digest, r.previous_digest, r.statement, r.created_at AS began_at, r.updated_at AS changed_at,
			i.policy, i.revoked_at
		FROM registrations r JOIN clients c ON c.id = r.client_id LEFT JOIN initial_access_tokens i ON i.id = r.initial_id
		WHERE r.client_id = ?`, string(id)).Scan(&row)
	if res.Error != nil {
		return nil, registration.Registration{}, handle.Wrap("reading a registration", res.Error)
	}
	if res.RowsAffected == 0 {
		return nil, registration.Registration{}, authz.ErrNotFound
	}
	c, err := row.Client.Client()
	if err != nil {
		return nil, registration.Registration{}, err
	}
	r := registration.Registration{
		Client: id, Initial: row.InitialID, Token: row.Token, Previous: row.Previous, Statement: row.Statement,
		Created: row.Began.UTC(), Updated: row.Changed.UTC(), Revision: row.Client.Revision,
		Policy: registration.Policy{Open: row.InitialID == ""}, Revoked: handle.Time(row.RevokedAt),
	}
	if row.InitialID != "" {
		if err := json.Unmarshal(row.Policy, &r.Policy); err != nil {
			return nil, r, handle.Wrap("decoding the policy of an initial access token", err)
		}
	}
	return c, r, nil
}

// SettleRegistration forgets the registration access token before the present
// one.
func (db Apps) SettleRegistration(ctx context.Context, id authz.ClientID, token []byte) error {
	return handle.Wrap("settling a registration", db.Writer(ctx).Exec(
		"UPDATE registrations SET previous_digest = NULL WHERE client_id = ? AND token_digest = ?", string(id), handle.Blob(token)).Error)
}

// ReplaceRegistration changes an enabled app whose token is still the one that
// was read; authz.ErrConflict otherwise, and registration.ErrMeanwhile where the app is
// not as it was read any more. It is called in a transaction.
func (db Apps) ReplaceRegistration(ctx context.Context, c *authz.Client, r registration.Registration, read []byte) error {
	record, err := clientrow.Record(c)
	if err != nil {
		return err
	}
	if err := handle.OneRow("updating a registration", db.Writer(ctx).Exec(
		"UPDATE registrations SET token_digest = ?, previous_digest = ?, statement = ?, updated_at = ? WHERE client_id = ? AND token_digest = ?",
		handle.Blob(r.Token), handle.Blob(r.Previous), r.Statement, r.Updated.UTC(), string(c.ID), handle.Blob(read))); err != nil {
		return err
	}
	err = handle.OneRow("updating a client", db.Writer(ctx).Exec(
		"UPDATE clients SET record = ?, revision = revision + 1, updated_at = ? WHERE id = ? AND disabled = ? AND revision = ?",
		record, r.Updated.UTC(), string(c.ID), false, r.Revision))
	if errors.Is(err, authz.ErrConflict) {
		return registration.ErrMeanwhile
	}
	return err
}

// EndClient disables an app for good and forgets its keys, its secret and the
// token it managed itself with; its name stays for the record. It is called in a
// transaction.
func (db Apps) EndClient(ctx context.Context, id authz.ClientID, at time.Time) error {
	c, err := db.Client(ctx, id)
	if err != nil {
		return err
	}
	c.Disabled, c.Ended, c.SecretHash, c.JWKS, c.JWKSURI = true, at.UTC(), nil, nil, ""
	if err := db.SaveClient(ctx, c); err != nil {
		return err
	}
	return handle.Wrap("ending a registration", db.Writer(ctx).Exec("DELETE FROM registrations WHERE client_id = ?", string(id)).Error)
}

// EndGrants revokes live grants of an app, at most limit, and tells how many.
func (db Apps) EndGrants(ctx context.Context, id authz.ClientID, because string, at time.Time, limit int) (int, error) {
	res := db.Writer(ctx).Exec(`UPDATE grants SET revoked_at = ?, revoked_because = ?, code_spent_at = COALESCE(code_spent_at, ?)
		WHERE id IN (SELECT id FROM grants WHERE client_id = ? AND revoked_at IS NULL ORDER BY id LIMIT ?`+db.Dialect().Locked()+`)`,
		at.UTC(), because, at.UTC(), string(id), limit)
	return int(res.RowsAffected), handle.Wrap("revoking the grants of a client", res.Error)
}
