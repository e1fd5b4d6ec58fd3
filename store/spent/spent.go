// Package spent remembers what is accepted once: client assertions, DPoP proofs, and
// access tokens that were revoked by themselves.
package spent

import (
	"bytes"
	"context"
	"errors"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/store/handle"
)

// Spent is what was spent. It is safe for concurrent use.
type Spent struct{ *handle.Handle }

const insert = "INSERT INTO used_assertions (digest, expires_at) VALUES "

// values are the rows of what is spent. The assertion comes first, always: so two that
// have both in common never wait for each other.
func values(once clientauth.Assertion) (rows string, values []any) {
	if len(once.Digest) > 0 {
		values = append(values, handle.Blob(once.Digest), once.Expires.UTC())
	}
	if len(once.Proof.Digest) > 0 {
		values = append(values, handle.Blob(once.Proof.Digest), once.Proof.Expires.UTC())
	}
	switch len(values) {
	case 0:
		return "", nil
	case 2:
		return "(?, ?)", values
	}
	return "(?, ?), (?, ?)", values
}

// Spend remembers a client assertion and the DPoP proof that came with it, in one
// statement.
func (db Spent) Spend(ctx context.Context, once clientauth.Assertion) error {
	const doing = "remembering a client assertion or a DPoP proof"
	rows, values := values(once)
	if rows == "" {
		return nil
	}
	if !db.Joined(ctx) {
		// A statement of its own that fails leaves nothing, whichever of the two it was.
		_, err := db.Change(ctx, doing, insert+rows, values...)
		if !errors.Is(err, authz.ErrConflict) {
			return err
		}
		return db.Tx(ctx, func(ctx context.Context) error { return db.Spend(ctx, once) })
	}
	var fresh [][]byte
	res := db.Writer(ctx).Raw(insert+rows+" ON CONFLICT (digest) DO NOTHING RETURNING digest", values...).Scan(&fresh)
	switch {
	case res.Error != nil:
		return handle.Wrap(doing, res.Error)
	case len(fresh) == len(values)/2:
		return nil
	case len(once.Digest) == 0, len(fresh) > 0 && bytes.Equal(fresh[0], once.Digest):
		return clientauth.ErrProofUsed
	}
	return clientauth.ErrAssertionUsed
}

// With runs a statement and spends what came with it, in one commit, and tells how many
// rows the statement changed: what was fresh is spent also where it changes none. With an
// error nothing of both stays. On PostgreSQL both are one statement; when that fails
// because something was spent before, the two in a transaction say what it was. An UPDATE
// ends with its conditions and is guarded: what is spent is written before it locks a row,
// in every case, so two that come together never wait for each other.
func (db Spent) With(ctx context.Context, once clientauth.Assertion, doing, statement string, guarded bool, args ...any,
) (changed int64, err error) {
	rows, values := values(once)
	if rows == "" {
		return db.Change(ctx, doing, statement, args...)
	}
	if db.Dialect() == handle.PostgreSQL && !db.Joined(ctx) {
		text := "WITH once AS (" + insert + rows + " RETURNING 1) " + statement
		if guarded {
			text += " AND (SELECT count(*) FROM once) > 0"
		}
		changed, err = db.Change(ctx, doing, text, append(values, args...)...)
		if !errors.Is(err, authz.ErrConflict) {
			return changed, err
		}
	}
	err = db.Tx(ctx, func(ctx context.Context) error {
		if err := db.Spend(ctx, once); err != nil {
			return err
		}
		changed, err = db.Change(ctx, doing, statement, args...)
		return err
	})
	return changed, err
}

// Taken reports whether something with a digest was spent.
func (db Spent) Taken(ctx context.Context, digest []byte) (bool, error) {
	var expires time.Time
	return db.One(ctx, "looking for what was spent", "SELECT expires_at FROM used_assertions WHERE digest = ?", []any{handle.Blob(digest)}, &expires)
}

// RevokeToken remembers a revoked token that has no grant.
func (db Spent) RevokeToken(ctx context.Context, digest []byte, expires time.Time) error {
	return handle.Wrap("revoking a token", db.Writer(ctx).Exec(
		"INSERT INTO revoked_tokens (digest, expires_at) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING", handle.Blob(digest), expires.UTC()).Error)
}

// TokenRevoked reports whether RevokeToken was called for a token.
func (db Spent) TokenRevoked(ctx context.Context, digest []byte) (bool, error) {
	var n int
	err := db.Reader(ctx).Raw("SELECT count(*) FROM revoked_tokens WHERE digest = ?", digest).Scan(&n).Error
	return n > 0, handle.Wrap("looking for a revoked token", err)
}

// PurgeSpent forgets assertions and proofs that expired before a time, at most limit
// of them, and tells how many went.
func (db Spent) PurgeSpent(ctx context.Context, before time.Time, limit int) (int64, error) {
	return Once{db.Handle, "used_assertions"}.PurgeSpent(ctx, before, limit)
}
