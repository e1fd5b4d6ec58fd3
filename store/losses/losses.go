// Package losses is what is asked of a database that was restored from an older copy than the
// log, so that what the log knows to have ended has ended.
package losses

import (
	"context"

	"hopnhat/authz"
	"hopnhat/store/handle"
)

// Book asks by what events name, which is not what requests know.
type Book struct{ *handle.Handle }

// OwnerOf is whose consent one is; authz.ErrNotFound if there is none.
func (db Book) OwnerOf(ctx context.Context, id authz.ConsentID) (authz.Subject, error) {
	var found []string
	err := db.Reader(ctx).Raw("SELECT subject FROM consents WHERE id = ?", string(id)).Scan(&found).Error
	if err == nil && len(found) == 0 {
		return "", authz.ErrNotFound
	}
	if err != nil {
		return "", handle.Wrap("looking for the person of a consent", err)
	}
	return authz.Subject(found[0]), nil
}

// Subjects lists accounts behind one, in their order.
func (db Book) Subjects(ctx context.Context, after authz.Subject, limit int) ([]authz.Subject, error) {
	var found []authz.Subject
	err := db.Reader(ctx).Raw("SELECT subject FROM accounts WHERE subject > ? ORDER BY subject LIMIT ?", string(after), limit).Scan(&found).Error
	return found, handle.Wrap("listing accounts", err)
}

// Locked reports whether an account is locked.
func (db Book) Locked(ctx context.Context, subject authz.Subject) (bool, error) {
	var n int
	err := db.Reader(ctx).Raw("SELECT count(*) FROM accounts WHERE subject = ? AND locked_at IS NOT NULL", string(subject)).Scan(&n).Error
	return n > 0, handle.Wrap("reading a lock", err)
}

// Count raises the last running number of a person to one that was given, so that it is given to no
// other event.
func (db Book) Count(ctx context.Context, pseudonym string, to int64) error {
	const doing = "counting the numbers of a person"
	err := db.Writer(ctx).Exec("INSERT INTO event_numbers (pseudonym, last) SELECT CAST(? AS text), 1 WHERE ? >= 1 ON CONFLICT (pseudonym) DO NOTHING",
		pseudonym, to).Error
	for changed := int64(1); err == nil && changed > 0; { // one at a time: the triggers refuse any other step
		res := db.Writer(ctx).Exec("UPDATE event_numbers SET last = last + 1 WHERE pseudonym = ? AND last < ?", pseudonym, to)
		changed, err = res.RowsAffected, res.Error
	}
	return handle.Wrap(doing, err)
}
