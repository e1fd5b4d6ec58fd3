package spent

import (
	"context"
	"time"

	"hopnhat/authz/clientauth"
	"hopnhat/store/handle"
)

// Once is what is accepted once and stands apart, since nodes of other roles spend it than what
// apps send. It is safe for concurrent use.
type Once struct {
	*handle.Handle
	table string
}

// Challenges are those of passkeys that were answered.
func Challenges(db *handle.Handle) Once { return Once{db, "used_challenges"} }

// Proofs are those by which entities of a federation said at its endpoints who they are.
func Proofs(db *handle.Handle) Once { return Once{db, "used_proofs"} }

// Spend remembers one, in the transaction of the context if there is one. Of any number that come
// at once one counts; the error of the others is clientauth.ErrAssertionUsed.
func (o Once) Spend(ctx context.Context, once clientauth.Assertion) error {
	n, err := o.Change(ctx, "remembering what is accepted once",
		"INSERT INTO "+o.table+" (digest, expires_at) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING", handle.Blob(once.Digest), once.Expires.UTC())
	if err == nil && n == 0 {
		err = clientauth.ErrAssertionUsed
	}
	return err
}

// PurgeSpent forgets what expired before a time, at most limit of it, and tells how many went.
func (o Once) PurgeSpent(ctx context.Context, before time.Time, limit int) (int64, error) {
	return o.Change(ctx, "forgetting what was accepted once", "DELETE FROM "+o.table+" WHERE digest IN (SELECT digest FROM "+o.table+
		" WHERE expires_at < ? ORDER BY expires_at LIMIT ?)", before.UTC(), limit)
}
