// Package federated keeps apps that a federation vouches for: each is a client like any
// other, and a row that says by which chain.
package federated

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"hopnhat/authz"
	"hopnhat/federation/registrar"
	"hopnhat/federation/registration"
	"hopnhat/store/clientrow"
	"hopnhat/store/handle"
)

// Members are these apps. It is safe for concurrent use.
type Members struct{ *handle.Handle }

type row struct {
	Client    clientrow.Row `gorm:"embedded"`
	Issued    *time.Time    `gorm:"column:issued_at"`
	Refreshed *time.Time    `gorm:"column:refreshed_at"`
	Ended     *time.Time    `gorm:"column:ended_at"`
	Way       *string       `gorm:"column:way"`
}

// FederatedClient finds a client, disabled ones included, with what is kept of it; that is
// zero for one that was registered here, but for the revision.
func (db Members) FederatedClient(ctx context.Context, id authz.ClientID) (*authz.Client, registrar.Kept, error) {
	var r row
	res := db.Reader(ctx).Raw("SELECT "+clientrow.Columns+`,
			f.anchor, f.superior, f.issued_at, f.expires_at, f.chain, f.refreshed_at, f.ended_at, f.way
		FROM clients c LEFT JOIN federated_clients f ON f.client_id = c.id WHERE c.id = ?`, string(id)).Scan(&r)
	if res.Error != nil {
		return nil, registrar.Kept{}, handle.Wrap("reading a federated client", res.Error)
	}
	if res.RowsAffected == 0 {
		return nil, registrar.Kept{}, authz.ErrNotFound
	}
	c, err := r.Client.Client()
	if err != nil {
		return nil, registrar.Kept{}, err
	}
	kept := registrar.Kept{Revision: r.Client.Revision}
	if r.Client.Anchor != nil {
		if len(r.Client.Chain) != sha256.Size || r.Client.Superior == nil || r.Way == nil {
			return nil, kept, fmt.Errorf("reading a federated client: the row of %q is damaged", id)
		}
		kept.Membership = c.Membership
		kept.Issued, kept.Refreshed, kept.Ended = handle.Time(r.Issued), handle.Time(r.Refreshed), handle.Time(r.Ended)
		kept.Digest, kept.Way = [sha256.Size]byte(r.Client.Chain), registration.Way(*r.Way)
	}
	return c, kept, nil
}

// JoinClient adds a client and the chain it came by; authz.ErrConflict if the id is taken. It
// is called in a transaction.
func (db Members) JoinClient(ctx context.Context, c *authz.Client, k registrar.Kept) error {
	record, err := clientrow.Record(c)
	if err != nil {
		return err
	}
	if err := handle.OneRow("registering a federated client", db.Writer(ctx).Exec(`INSERT INTO clients (id, record, disabled, revision, created_at, updated_at)
		VALUES (?, ?, ?, 1, ?, ?) ON CONFLICT (id) DO NOTHING`,
		string(c.ID), record, false, k.Refreshed.UTC(), k.Refreshed.UTC())); err != nil {
		return err
	}
	return handle.Wrap("keeping the chain of a client", db.Writer(ctx).Exec(`INSERT INTO federated_clients
		(client_id, anchor, superior, issued_at, expires_at, chain, refreshed_at, way) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		string(c.ID), k.Anchor, k.Superior, k.Issued.UTC(), k.Expires.UTC(), handle.Blob(k.Digest[:]), k.Refreshed.UTC(),
		string(k.Way)).Error)
}

// RenewClient keeps another chain of a client, if what is kept is still what was read, and
// authz.ErrConflict otherwise. Where changed is not nil it takes the place of the client, if
// that is enabled and as it was read. It is called in a transaction.
func (db Members) RenewClient(ctx context.Context, id authz.ClientID, read, k registrar.Kept, changed *authz.Client) error {
	if err := handle.OneRow("renewing the chain of a client", db.Writer(ctx).Exec(`UPDATE federated_clients
		SET anchor = ?, superior = ?, issued_at = ?, expires_at = ?, chain = ?, refreshed_at = ?, ended_at = ?, way = ?
		WHERE client_id = ? AND chain = ? AND expires_at = ?`,
		k.Anchor, k.Superior, k.Issued.UTC(), k.Expires.UTC(), handle.Blob(k.Digest[:]), k.Refreshed.UTC(), handle.NullTime(k.Ended),
		string(k.Way), string(id), handle.Blob(read.Digest[:]), read.Expires.UTC())); err != nil || changed == nil {
		return err
	}
	record, err := clientrow.Record(changed)
	if err != nil {
		return err
	}
	return handle.OneRow("changing a federated client", db.Writer(ctx).Exec(
		"UPDATE clients SET record = ?, revision = revision + 1, updated_at = ? WHERE id = ? AND disabled = ? AND revision = ?",
		record, k.Refreshed.UTC(), string(id), false, read.Revision))
}
