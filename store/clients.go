package store

import (
	"context"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/federation/registrar"
	"hopnhat/store/clientrow"
	"hopnhat/store/handle"
)

var (
	_ clientauth.Clients = (*DB)(nil)
	_ registrar.Store    = (*DB)(nil)
)

// clientsWithChains are clients, each with the chain that a federation vouches for it by.
const clientsWithChains = "SELECT " + clientrow.Columns + `, f.anchor, f.superior, f.expires_at, f.chain
	FROM clients c LEFT JOIN federated_clients f ON f.client_id = c.id`

// Client reads one registration, disabled ones included.
func (db Apps) Client(ctx context.Context, id authz.ClientID) (*authz.Client, error) {
	var row clientrow.Row
	res := db.Reader(ctx).Raw(clientsWithChains+" WHERE c.id = ?", string(id)).Scan(&row)
	if res.Error != nil {
		return nil, handle.Wrap("reading a client", res.Error)
	}
	if res.RowsAffected == 0 {
		return nil, authz.ErrNotFound
	}
	return row.Client()
}

// Clients lists registrations in the order of their ids, after one id, at most
// limit of them.
func (db Apps) Clients(ctx context.Context, after authz.ClientID, limit int) ([]*authz.Client, error) {
	var rows []clientrow.Row
	err := db.Reader(ctx).Raw(clientsWithChains+" WHERE c.id > ? ORDER BY c.id LIMIT ?", string(after), limit).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("listing clients", err)
	}
	clients := make([]*authz.Client, 0, len(rows))
	for _, row := range rows {
		c, err := row.Client()
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// SaveClient adds a registration or replaces it; the revision counts changes.
func (db Apps) SaveClient(ctx context.Context, c *authz.Client) error {
	record, err := clientrow.Record(c)
	if err != nil {
		return err
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
		string(c.ID), record, c.Disabled, created, now).Error)
}
