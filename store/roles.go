package store

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/store/handle"
)

// HasRole reports whether a person has a role and is not locked: a lock ends at once what the
// role lets her do, in the browser and with a token.
func (db RoleBook) HasRole(ctx context.Context, subject authz.Subject, role authz.Role) (bool, error) {
	var n int
	err := db.Reader(ctx).Raw("SELECT count(*) FROM roles r JOIN accounts a ON a.subject = r.subject WHERE r.subject = ? AND r.role = ? AND a.locked_at IS NULL",
		string(subject), string(role)).Scan(&n).Error
	return n > 0, handle.Wrap("reading roles", err)
}

// RolesOf lists the roles of a person, sorted. In a transaction her account is kept
// until its end, so that what is said of before and after is so.
func (db RoleBook) RolesOf(ctx context.Context, subject authz.Subject) ([]authz.Role, error) {
	if db.Joined(ctx) && db.Dialect() == PostgreSQL {
		if err := db.Writer(ctx).Exec("SELECT subject FROM accounts WHERE subject = ? FOR UPDATE", string(subject)).Error; err != nil {
			return nil, handle.Wrap("holding an account", err)
		}
	}
	var roles []authz.Role
	err := db.Reader(ctx).Raw("SELECT role FROM roles WHERE subject = ? ORDER BY role", string(subject)).Scan(&roles).Error
	return roles, handle.Wrap("reading roles", err)
}

// RoleHolder is a person with a role.
type RoleHolder struct {
	Subject authz.Subject `gorm:"column:subject"`
	Role    authz.Role    `gorm:"column:role"`
	Name    string        `gorm:"column:name"`
	Since   time.Time     `gorm:"column:granted_at"`
	Locked  bool          `gorm:"column:locked"`
}

// RoleHolders lists who has a role, at most 1,000 of them.
func (db RoleBook) RoleHolders(ctx context.Context) ([]RoleHolder, error) {
	var list []RoleHolder
	err := db.Reader(ctx).Raw(`SELECT r.subject, r.role, a.name, r.granted_at, a.locked_at IS NOT NULL AS locked
		FROM roles r JOIN accounts a ON a.subject = r.subject ORDER BY r.role, r.granted_at, r.subject LIMIT 1000`).Scan(&list).Error
	for i := range list {
		list[i].Since = list[i].Since.UTC()
	}
	return list, handle.Wrap("listing roles", err)
}

// GrantRole gives a person a role; authz.ErrConflict if she has it.
func (db RoleBook) GrantRole(ctx context.Context, subject authz.Subject, role authz.Role, at time.Time) error {
	return handle.OneRow("giving a role", db.Writer(ctx).Exec(
		"INSERT INTO roles (subject, role, granted_at) VALUES (?, ?, ?) ON CONFLICT (subject, role) DO NOTHING", string(subject), string(role), at.UTC()))
}

// RevokeRole takes a role back; authz.ErrConflict if she has it not. What she may do
// is asked at each page, so it bites at once.
func (db RoleBook) RevokeRole(ctx context.Context, subject authz.Subject, role authz.Role, _ time.Time) error {
	return handle.OneRow("taking a role back", db.Writer(ctx).Exec("DELETE FROM roles WHERE subject = ? AND role = ?", string(subject), string(role)))
}
