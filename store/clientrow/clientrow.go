// Package clientrow is how an app stands in a row of the table clients: for package store, where
// operators and apps add them, and for package federated, where a federation does.
package clientrow

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"hopnhat/authz"
	"hopnhat/store/handle"
)

// Columns are those of a [Row] without its chain, of the table clients named c.
const Columns = "c.id, c.record, c.disabled, c.revision, c.created_at, c.updated_at"

// Row is a row of clients.
type Row struct {
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
	Chain    []byte     `gorm:"column:chain"`
}

// Client is the app of a row. What stands in a column of its own counts, and not what the record
// says of it.
func (r Row) Client() (*authz.Client, error) {
	var c authz.Client
	if err := json.Unmarshal(r.Record, &c); err != nil {
		return nil, handle.Wrap("decoding a client", err)
	}
	c.ID, c.Disabled = authz.ClientID(r.ID), r.Disabled
	c.CreatedAt, c.UpdatedAt = r.CreatedAt.UTC(), r.UpdatedAt.UTC()
	if r.Anchor != nil && r.Superior != nil {
		c.Membership = authz.Membership{
			Anchor: *r.Anchor, Superior: *r.Superior, Chain: base64.RawURLEncoding.EncodeToString(r.Chain), Expires: handle.Time(r.Expires),
		}
	}
	return &c, nil
}

// Record is what the column record keeps of an app.
func Record(c *authz.Client) (string, error) {
	record, err := json.Marshal(c)
	return string(record), handle.Wrap("encoding a client", err)
}
