// Package apis keeps the agencies' resource servers (RFC 8707).
package apis

import (
	"context"
	"encoding/json"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/resource"
	"hopnhat/store/handle"
)

// APIs are the resource servers, by their URLs. It is safe for concurrent use.
type APIs struct{ *handle.Handle }

var _ resource.Resources = APIs{}

type row struct {
	ID        string    `gorm:"column:id;primaryKey"`
	Record    []byte    `gorm:"column:record;type:jsonb"`
	Disabled  bool      `gorm:"column:disabled"`
	CreatedAt time.Time `gorm:"column:created_at"`
}

func (r row) resource() (*authz.Resource, error) {
	var out authz.Resource
	if err := json.Unmarshal(r.Record, &out); err != nil {
		return nil, err
	}
	out.ID, out.Disabled, out.CreatedAt = r.ID, r.Disabled, r.CreatedAt.UTC()
	return &out, nil
}

// Resource reads one registration, disabled ones included.
func (db APIs) Resource(ctx context.Context, id string) (*authz.Resource, error) {
	var found row
	res := db.Reader(ctx).Raw("SELECT id, record, disabled, created_at FROM resources WHERE id = ?", id).Scan(&found)
	if res.Error != nil {
		return nil, handle.Wrap("reading a resource", res.Error)
	}
	if res.RowsAffected == 0 {
		return nil, authz.ErrNotFound
	}
	return found.resource()
}

// Resources lists registrations in the order of their URLs, after one, at most
// limit of them.
func (db APIs) Resources(ctx context.Context, after string, limit int) ([]*authz.Resource, error) {
	var rows []row
	err := db.Reader(ctx).Raw("SELECT id, record, disabled, created_at FROM resources WHERE id > ? ORDER BY id LIMIT ?", after, limit).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("listing resources", err)
	}
	out := make([]*authz.Resource, 0, len(rows))
	for _, one := range rows {
		r, err := one.resource()
		if err != nil {
			return nil, handle.Wrap("reading a resource", err)
		}
		out = append(out, r)
	}
	return out, nil
}

// SaveResource adds a registration or replaces it.
func (db APIs) SaveResource(ctx context.Context, r *authz.Resource) error {
	record, err := json.Marshal(r)
	if err != nil {
		return handle.Wrap("encoding a resource", err)
	}
	now := db.Now().UTC()
	return handle.Wrap("saving a resource", db.Writer(ctx).Exec(`INSERT INTO resources (id, record, disabled, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET record = excluded.record, disabled = excluded.disabled, updated_at = excluded.updated_at`,
		r.ID, string(record), r.Disabled, now, now).Error)
}
