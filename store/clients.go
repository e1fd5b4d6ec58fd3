package store

import (
	"context"
	"encoding/json"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/federation/registrar"
	"hopnhat/store/handle"
)

var (
	_ clientauth.Clients = (*DB)(nil)
	_ registrar.Store    = (*DB)(nil)
)

type clientRow struct {
	ID        string    `gorm:"column:id;primaryKey"`
	Record    []byte    `gorm:"column:record;type:jsonb"`
	Disabled  bool      `gorm:"column:disabled"`
	Revision  int64     `gorm:"column:revision"`
	CreatedAt time.Time `gorm:"column:created_at"`
	UpdatedAt time.Time `gorm:"column:updated_at"`
	// The chain of an app that a federation vouches for; null for others.
	Anchor   *string    `gorm:"column:anchor"`
	Superior *string    `gorm:"column:superior"`
	Expires  *time.Time `gorm:"column:expires_at"`
}

// clientsWithChains are clients, each with the chain that a federation vouches for it by.
const clientsWithChains = `SELECT c.id, c.record, c.disabled, c.revision, c.created_at, c.updated_at, f.anchor, f.superior, f.expires_at
	FROM clients c LEFT JOIN federated_clients f ON f.client_id = c.id`

func (r clientRow) client() (*authz.Client, error) {
	var c authz.Client
	if err := json.Unmarshal(r.Record, &c); err != nil {
		return nil, err
	}
	c.ID, c.Disabled = authz.ClientID(r.ID), r.Disabled
	c.CreatedAt, c.UpdatedAt = r.CreatedAt.UTC(), r.UpdatedAt.UTC()
	if r.Anchor != nil && r.Superior != nil {
		c.Membership = authz.Membership{Anchor: *r.Anchor, Superior: *r.Superior, Expires: handle.Time(r.Expires)}
	}
	return &c, nil
}

// Client reads one registration, disabled ones included.
func (db Apps) Client(ctx context.Context, id authz.ClientID) (*authz.Client, error) {
	var row clientRow
	res := db.Reader(ctx).Raw(clientsWithChains+" WHERE c.id = ?", string(id)).Scan(&row)
	if res.Error != nil {
		return nil, handle.Wrap("reading a client", res.Error)
	}
	if res.RowsAffected == 0 {
		return nil, authz.ErrNotFound
	}
	return row.client()
}

// Clients lists registrations in the order of their ids, after one id, at most
// limit of them.
func (db Apps) Clients(ctx context.Context, after authz.ClientID, limit int) ([]*authz.Client, error) {
	var rows []clientRow
	err := db.Reader(ctx).Raw(clientsWithChains+" WHERE c.id > ? ORDER BY c.id LIMIT ?", string(after), limit).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("listing clients", err)
	}
	clients := make([]*authz.Client, 0, len(rows))
	for _, row := range rows {
		c, err := row.client()
		if err != nil {
			return nil, handle.Wrap("reading a client", err)
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// SaveClient adds a registration or replaces it; the revision counts changes.
func (db Apps) SaveClient(ctx context.Context, c *authz.Client) error {
	record, err := json.Marshal(c)
	if err != nil {
		return handle.Wrap("encoding a client", err)
	}
	now := db.Now().UTC()
	created := c.CreatedAt
	if created.IsZero() {
		created = now
	}
	return handle.Wrap("saving a client", db.Writer(ctx).Exec(`INSERT INTO clients (id, record, disabled, revision, created_at, updated_at)
		VALUES (?, ?, ?, 1, ?, ?)
		ON CONFLICT (id) DO UPDATE SET record = excluded.record, disabled = excluded.disabled,
			revision = clients.revision + 1, updated_at = excluded.updated_at`,
		string(c.ID), string(record), c.Disabled, created, now).Error)
}
