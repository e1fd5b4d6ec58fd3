package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/store/handle"
)

var _ authn.FailedStore = (*DB)(nil)

// CountFailed adds to the counts of accounts and windows, in one commit.
func (db Accounts) CountFailed(ctx context.Context, all []authn.Failed) error {
	const most = 500
	if len(all) > most {
		return db.Tx(ctx, func(ctx context.Context) error {
			for some := range slices.Chunk(all, most) {
				if err := db.CountFailed(ctx, some); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if len(all) == 0 {
		return nil
	}
	// Nodes that count at once hold the rows in one order.
	all = slices.SortedFunc(slices.Values(all), func(a, b authn.Failed) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), a.Began.Compare(b.Began))
	})
	var values []any
	for _, one := range all {
		values = append(values, string(one.Subject), one.Began.UTC(), one.Count)
	}
	rows := strings.TrimSuffix(strings.Repeat("(?, ?, ?), ", len(all)), ", ")
	return handle.Wrap("counting failed sign-ins", db.Writer(ctx).Exec("INSERT INTO failed_sign_ins AS f (subject, began_at, failed) VALUES "+rows+
		" ON CONFLICT (subject, began_at) DO UPDATE SET failed = f.failed + excluded.failed", values...).Error)
}

// TakeFailed removes the counts of windows that began before a time, and returns them.
// The statement removes each row once, whoever else runs it.
func (db Accounts) TakeFailed(ctx context.Context, before time.Time) ([]authn.Failed, error) {
	var rows []struct {
		Subject string    `gorm:"column:subject"`
		Began   time.Time `gorm:"column:began_at"`
		Failed  int       `gorm:"column:failed"`
	}
	err := db.Writer(ctx).Raw("DELETE FROM failed_sign_ins WHERE began_at < ? RETURNING subject, began_at, failed",
		before.UTC()).Scan(&rows).Error
	all := make([]authn.Failed, len(rows))
	for i, row := range rows {
		all[i] = authn.Failed{Subject: authz.Subject(row.Subject), Began: row.Began.UTC(), Count: row.Failed}
	}
	return all, handle.Wrap("taking failed sign-ins", err)
}
