package store

import (
	"context"
	"time"

	"hopnhat/authz"
)

// HasRole tells whether a person has a role.
func (db *DB) HasRole(ctx context.Context, subject authz.Subject, role string) (bool, error) {
	var n int
	err := db.reader(ctx).Raw("SELECT count(*) FROM roles WHERE subject = ? AND role = ?", string(subject), role).Scan(&n).Error
	return n > 0, wrap("reading roles", err)
}

// GrantRole gives a person a role; giving it twice is nil.
func (db *DB) GrantRole(ctx context.Context, subject authz.Subject, role string, at time.Time) error {
	return wrap("giving a role", db.writer(ctx).Exec(
		"INSERT INTO roles (subject, role, granted_at) VALUES (?, ?, ?) ON CONFLICT (subject, role) DO NOTHING", string(subject), role, at.UTC()).Error)
}
