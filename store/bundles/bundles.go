// Package bundles keeps which bundle of a trust anchor is the newest that was taken in or made.
package bundles

import (
	"context"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/bundle/order"
	"hopnhat/store/handle"
)

// Book has the newest bundle of each anchor. It is safe for concurrent use.
type Book struct{ *handle.Handle }

// NewestBundle is the newest of an anchor; zero if there was none.
func (db Book) NewestBundle(ctx context.Context, anchor federation.EntityID) (order.Place, error) {
	var found []struct {
		Serial   int64     `gorm:"column:serial"`
		IssuedAt time.Time `gorm:"column:issued_at"`
		Digest   string    `gorm:"column:digest"`
	}
	err := db.Reader(ctx).Raw("SELECT serial, issued_at, digest FROM federation_bundles WHERE anchor = ?", string(anchor)).Scan(&found).Error
	if err != nil || len(found) == 0 {
		return order.Place{}, handle.Wrap("reading the newest bundle of an anchor", err)
	}
	return order.Place{Serial: found[0].Serial, IssuedAt: found[0].IssuedAt.UTC(), Digest: found[0].Digest}, nil
}

// RaiseBundle makes a bundle the newest of an anchor, and reports whether it is now: false, and
// nothing changes, where one with a greater serial or a later time is kept, or another with its
// serial. Of several at one time, the newest stays.
func (db Book) RaiseBundle(ctx context.Context, anchor federation.EntityID, p order.Place) (bool, error) {
	n, err := db.Change(ctx, "keeping the newest bundle of an anchor", `INSERT INTO federation_bundles (anchor, serial, issued_at, digest)
		VALUES (?, ?, ?, ?) ON CONFLICT (anchor) DO UPDATE SET serial = excluded.serial, issued_at = excluded.issued_at, digest = excluded.digest
		WHERE federation_bundles.serial < excluded.serial AND federation_bundles.issued_at <= excluded.issued_at
		OR federation_bundles.serial = excluded.serial AND federation_bundles.digest = excluded.digest`,
		string(anchor), p.Serial, p.IssuedAt.UTC(), p.Digest)
	return n > 0, err
}
