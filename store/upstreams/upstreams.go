// Package upstreams keeps who is linked with a person at another provider, and sign-ins that
// are under way there: see package federation/upstream/flow, whose Store it is.
package upstreams

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/federation/upstream"
	"hopnhat/federation/upstream/flow"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
	"hopnhat/store/spent"
	"hopnhat/store/sqldb"
)

// Book has the links. It is safe for concurrent use.
type Book struct {
	*handle.Handle
	spent.Spent

	// Events are those that links are held against.
	Events evidence.Book
}

var _ flow.Store = Book{}

// New makes a book.
func New(db *handle.Handle, events evidence.Book) Book {
	return Book{db, spent.Spent{Handle: db}, events}
}

// InsertPending keeps a sign-in that is under way.
func (db Book) InsertPending(ctx context.Context, p flow.Pending) error {
	var account, session *string
	if p.Account != "" {
		a, s := string(p.Account), string(p.Session)
		account, session = &a, &s
	}
	_, err := db.Change(ctx, "keeping a sign-in by another provider", `INSERT INTO upstream_pending
		(state, browser, alias, nonce, verifier, fresh, level, next, account, session_id, begun_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		handle.Blob(p.State), handle.Blob(p.Browser), string(p.Alias), p.Nonce, p.Verifier, p.Fresh, int(p.Level), p.Next, account, session,
		p.Begun.UTC(), p.Expires.UTC())
	return err
}

// TakePending finds a sign-in and deletes it, in one statement.
func (db Book) TakePending(ctx context.Context, state []byte) (p flow.Pending, err error) {
	found := false
	err = db.ChangeEach(ctx, "taking a sign-in by another provider", `DELETE FROM upstream_pending WHERE state = ?
		RETURNING browser, alias, nonce, verifier, fresh, level, next, coalesce(account, ''), coalesce(session_id, ''), begun_at, expires_at`,
		[]any{handle.Blob(state)}, func(rows sqldb.Row) error {
			found = true
			return rows.Scan(
				&p.Browser, &p.Alias, &p.Nonce, &p.Verifier, &p.Fresh, &p.Level, &p.Next, &p.Account, &p.Session, &p.Begun, &p.Expires,
			)
		})
	if err == nil && !found {
		err = authz.ErrNotFound
	}
	p.State, p.Begun, p.Expires = state, p.Begun.UTC(), p.Expires.UTC()
	return p, err
}

// InsertProof keeps a link that waits for the person's word.
func (db Book) InsertProof(ctx context.Context, p flow.Proof) error {
	_, err := db.Change(ctx, "keeping a link that waits", `INSERT INTO upstream_proofs
		(id, session_id, account, alias, issuer, provider_subject, level, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		handle.Blob(p.ID), string(p.Session), string(p.Bond.Account), string(p.Bond.Alias), p.Bond.Issuer, p.Bond.Subject,
		int(p.Bond.Level), p.Expires.UTC())
	return err
}

// TakeProof finds such a link and deletes it, in one statement.
func (db Book) TakeProof(ctx context.Context, id []byte) (p flow.Proof, err error) {
	found := false
	err = db.ChangeEach(ctx, "taking a link that waits", `DELETE FROM upstream_proofs WHERE id = ?
		RETURNING session_id, account, alias, issuer, provider_subject, level, expires_at`,
		[]any{handle.Blob(id)}, func(rows sqldb.Row) error {
			found = true
			return rows.Scan(&p.Session, &p.Bond.Account, &p.Bond.Alias, &p.Bond.Issuer, &p.Bond.Subject, &p.Bond.Level, &p.Expires)
		})
	if err == nil && !found {
		err = authz.ErrNotFound
	}
	p.ID, p.Expires = id, p.Expires.UTC()
	return p, err
}

const bondColumns = "id, account, alias, issuer, provider_subject, level, by_number, made_at"

func bond(into *[]upstream.Bond) func(sqldb.Row) error {
	return func(rows sqldb.Row) error {
		var b upstream.Bond
		err := rows.Scan(&b.ID, &b.Account, &b.Alias, &b.Issuer, &b.Subject, &b.Level, &b.ByNumber, &b.Made)
		b.Made = b.Made.UTC()
		*into = append(*into, b)
		return err
	}
}

func only(found []upstream.Bond, err error) (upstream.Bond, error) {
	if err != nil || len(found) == 1 {
		return append(found, upstream.Bond{})[0], err
	}
	return upstream.Bond{}, authz.ErrNotFound
}

// BondOf finds the live bond of a person at a provider; held keeps it from being ended until the
// transaction ends.
func (db Book) BondOf(ctx context.Context, issuer, subject string, held bool) (upstream.Bond, error) {
	query := "SELECT " + bondColumns + " FROM upstream_links WHERE issuer = ? AND provider_subject = ? AND ended_at IS NULL"
	if held {
		query += db.Dialect().Locked()
	}
	var found []upstream.Bond
	err := db.Each(ctx, "reading a link", query, []any{issuer, subject}, bond(&found))
	return only(found, err)
}

// Removed reports whether an account had a bond at a provider that was ended.
func (db Book) Removed(ctx context.Context, account authz.Subject, issuer string) (bool, error) {
	var id string
	return db.One(ctx, "looking for a link that ended", `SELECT id FROM upstream_links
		WHERE account = ? AND issuer = ? AND ended_at IS NOT NULL LIMIT 1`, []any{string(account), issuer}, &id)
}

// maxBonds is more than the providers that an operator may name.
const maxBonds = 100

// Bonds are the live ones of an account.
func (db Book) Bonds(ctx context.Context, account authz.Subject) (found []upstream.Bond, err error) {
	err = db.Each(ctx, "listing links", "SELECT "+bondColumns+` FROM upstream_links
		WHERE account = ? AND ended_at IS NULL ORDER BY id LIMIT ?`, []any{string(account), maxBonds}, bond(&found))
	return found, err
}

// InsertBond makes a bond.
func (db Book) InsertBond(ctx context.Context, b upstream.Bond) error {
	return handle.OneRow("making a link", db.Writer(ctx).Exec(
		"INSERT INTO upstream_links ("+bondColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		b.ID, string(b.Account), string(b.Alias), b.Issuer, b.Subject, int(b.Level), b.ByNumber, b.Made.UTC()))
}

// EndBond ends a bond, and the account's proofs at its provider.
func (db Book) EndBond(ctx context.Context, account authz.Subject, id string, at time.Time) (b upstream.Bond, err error) {
	err = db.Tx(ctx, func(ctx context.Context) error {
		var found []upstream.Bond
		err := db.ChangeEach(ctx, "ending a link", `UPDATE upstream_links SET ended_at = ?
			WHERE id = ? AND account = ? AND ended_at IS NULL RETURNING `+bondColumns, []any{at.UTC(), id, string(account)}, bond(&found))
		if b, err = only(found, err); err != nil {
			return err
		}
		_, err = db.Change(ctx, "ending links that wait", "DELETE FROM upstream_proofs WHERE account = ?", string(account))
		return err
	})
	return b, err
}

// OwnerOf is whose account a live bond binds.
func (db Book) OwnerOf(ctx context.Context, id string) (account authz.Subject, err error) {
	found, err := db.One(ctx, "reading a link", "SELECT account FROM upstream_links WHERE id = ? AND ended_at IS NULL", []any{id}, &account)
	if err == nil && !found {
		err = authz.ErrNotFound
	}
	return account, err
}

func (db Book) holder(ctx context.Context, query, value string) (h upstream.Holder, err error) {
	var locked *time.Time
	found, err := db.One(ctx, "reading an account", "SELECT a.subject, a.account_level, a.locked_at FROM "+query, []any{value},
		&h.Account, &h.Level, &locked)
	if err == nil && !found {
		err = authz.ErrNotFound
	}
	h.Locked = locked != nil
	return h, err
}

// HolderOf finds an account; held keeps it as it is until the transaction ends.
func (db Book) HolderOf(ctx context.Context, account authz.Subject, held bool) (upstream.Holder, error) {
	query := "accounts a WHERE a.subject = ?"
	if held {
		query += db.Dialect().Locked()
	}
	return db.holder(ctx, query, string(account))
}

// HolderNamed finds the account that has a number, or had it before it was issued anew.
func (db Book) HolderNamed(ctx context.Context, number authz.PersonalNumber) (upstream.Holder, error) {
	return db.holder(ctx, "identifiers i JOIN accounts a ON a.subject = i.subject WHERE i.number = ? AND i.kind = 'number'", number.Reveal())
}

// NoteSession notes by which bond a session goes on.
func (db Book) NoteSession(ctx context.Context, b flow.Begun) error {
	_, err := db.Change(ctx, "noting by which provider a session began", `INSERT INTO upstream_sessions (session_id, link_id, alias, there)
		VALUES (?, ?, ?, ?) ON CONFLICT (session_id) DO UPDATE SET link_id = excluded.link_id, alias = excluded.alias, there = excluded.there`,
		string(b.Session), b.Bond, string(b.Alias), b.There)
	return err
}

const (
	begunQuery = "SELECT u.session_id, s.subject, u.link_id, u.alias, u.there FROM upstream_sessions u JOIN sessions s ON s.id = u.session_id WHERE "
	live       = " AND s.ended_at IS NULL ORDER BY u.session_id DESC LIMIT 1000"
)

func (db Book) begun(ctx context.Context, condition string, values ...any) (list []flow.Begun, err error) {
	err = db.Each(ctx, "listing sessions by a provider", begunQuery+condition, values, func(rows sqldb.Row) error {
		var b flow.Begun
		err := rows.Scan(&b.Session, &b.Account, &b.Bond, &b.Alias, &b.There)
		list = append(list, b)
		return err
	})
	return list, err
}

// SessionsBy are the live sessions by a bond, the newest first and at most 1,000.
func (db Book) SessionsBy(ctx context.Context, bond string) ([]flow.Begun, error) {
	return db.begun(ctx, "u.link_id = ?"+live, bond)
}

// SessionsOf are the live sessions of a person at a provider, by whichever bond, also one that has
// ended; of one session there if that is not empty. They come as from SessionsBy.
func (db Book) SessionsOf(ctx context.Context, issuer, subject, there string) ([]flow.Begun, error) {
	const hers = "u.link_id IN (SELECT id FROM upstream_links WHERE issuer = ? AND provider_subject = ?)"
	if there == "" {
		return db.begun(ctx, hers+live, issuer, subject)
	}
	return db.begun(ctx, hers+" AND u.there = ?"+live, issuer, subject, there)
}

// SessionsThere are the live sessions by one session at a provider.
func (db Book) SessionsThere(ctx context.Context, alias upstream.Alias, there string) ([]flow.Begun, error) {
	return db.begun(ctx, "u.alias = ? AND u.there = ?"+live, string(alias), there)
}

// BegunBy says by which bond a session began, also one that is over.
func (db Book) BegunBy(ctx context.Context, id authz.SessionID) (flow.Begun, error) {
	list, err := db.begun(ctx, "u.session_id = ?", string(id))
	if err == nil && len(list) == 0 {
		err = authz.ErrNotFound
	}
	return append(list, flow.Begun{})[0], err
}

// Purge deletes what is under way and expired, at most limit rows of each kind.
func (db Book) Purge(ctx context.Context, now time.Time, limit int) (total int64, err error) {
	for _, t := range []struct{ table, key string }{{"upstream_pending", "state"}, {"upstream_proofs", "id"}} {
		deleted, err := db.Change(ctx, "purging "+t.table, "DELETE FROM "+t.table+" WHERE "+t.key+" IN (SELECT "+t.key+" FROM "+t.table+
			" WHERE expires_at < ? ORDER BY expires_at LIMIT ?"+db.Dialect().SkipLocked()+")", now.UTC(), limit)
		if err != nil {
			return total, err
		}
		total += deleted
	}
	return total, nil
}
