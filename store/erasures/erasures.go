// Package erasures keeps which events were ordered to be erased, and deletes their rows.
package erasures

import (
	"context"
	"fmt"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/erasure"
	"hopnhat/store/handle"
	"hopnhat/store/migrations"
)

// Book implements [erasure.Orders].
type Book struct{ *handle.Handle }

var _ erasure.Orders = Book{}

// MayErase asks PostgreSQL for the two privileges that no server has. Whoever can open the
// file of SQLite has all of them.
func (db Book) MayErase(ctx context.Context) error {
	if db.Dialect() != handle.PostgreSQL {
		return nil
	}
	var who struct {
		Name string `gorm:"column:name"`
		May  bool   `gorm:"column:may"`
	}
	err := db.Reader(ctx).Raw("SELECT current_user AS name, " +
		"has_table_privilege('events', 'DELETE') AND has_table_privilege('event_erasures', 'INSERT') AS may").Scan(&who).Error
	if err == nil && !who.May {
		return fmt.Errorf("role %q of the database may not erase: connect as %s, which hopnhat migrate --print-roles makes: %w",
			who.Name, migrations.RoleErase, erasure.ErrRole)
	}
	return handle.Wrap("asking whether events may be erased", err)
}

// Ordered returns the tombstone of an event, empty if its erasure was not ordered.
func (db Book) Ordered(ctx context.Context, event string) (string, error) {
	var tombstones []string
	err := db.Reader(ctx).Raw("SELECT tombstone FROM event_erasures WHERE event_id = ?", event).Scan(&tombstones).Error
	if err != nil || len(tombstones) == 0 {
		return "", handle.Wrap("reading an order to erase", err)
	}
	return tombstones[0], nil
}

// Places are those that are noted of an event.
func (db Book) Places(ctx context.Context, event string) ([]audit.Place, error) {
	var rows []struct {
		Origin string `gorm:"column:origin"`
		Index  int64  `gorm:"column:idx"`
	}
	err := db.Reader(ctx).Raw("SELECT origin, idx FROM event_places WHERE event_id = ? ORDER BY origin, idx", event).Scan(&rows).Error
	places := make([]audit.Place, len(rows))
	for i, r := range rows {
		places[i] = audit.Place{Origin: r.Origin, Index: uint64(r.Index)}
	}
	return places, handle.Wrap("reading the places of an event", err)
}

// Order notes that an event is to be erased, once.
func (db Book) Order(ctx context.Context, event, tombstone string, at time.Time) error {
	res := db.Writer(ctx).Exec("INSERT INTO event_erasures (event_id, tombstone, ordered_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		event, tombstone, at.UTC())
	if res.Error == nil && res.RowsAffected == 0 {
		return fmt.Errorf("its erasure was ordered at the same time by somebody else: %w", authz.ErrConflict)
	}
	return handle.Wrap("ordering an erasure", res.Error)
}

// Delete deletes the row of an event; a trigger refuses it before its tombstone is in the log.
func (db Book) Delete(ctx context.Context, event string) error {
	return handle.Wrap("erasing an event", db.Writer(ctx).Exec("DELETE FROM events WHERE id = ?", event).Error)
}
