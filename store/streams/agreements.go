package streams

import (
	"context"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/consent"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
)

// Agreements are consents after an id, in their order, each with the person as the database has
// her and the newest genuine event by which it was given or ended; last is the id to go on after,
// empty at the end. name gives the person's name in the evidence, and believed says of a row
// without a MAC whether the log has its leaf.
func (s Source) Agreements(
	ctx context.Context, book evidence.Book, after string, limit int, name func(ctx context.Context, subject authz.Subject) (string, error),
	believed func(ctx context.Context, r audit.Recorded) (bool, error),
) (all []reconcile.Agreement, last string, err error) {
	const doing = "reading consents with their events"
	found, err := s.Background().QueryContext(ctx, s.Bind("SELECT c.id, c.subject, c.client_id, c.purpose, c.registry, c.version, c.state, c.attributes,"+
		" c.valid_until, c.text_hash, "+evidence.GroundColumns(s.Dialect())+" FROM consents c "+evidence.GroundJoin+
		" WHERE c.id > ? ORDER BY c.id LIMIT ?"), after, limit)
	if err != nil {
		return nil, "", handle.Wrap(doing, err)
	}
	type row struct {
		reconcile.Agreement
		subject, state, attributes string
		until                      evidence.Moment
		newest                     evidence.GroundRow
	}
	var rows []*row
	for found.Next() {
		r := &row{}
		if err := found.Scan(append([]any{
			&r.ID, &r.subject, &r.Client, &r.Purpose, &r.Registry, &r.Version, &r.state, &r.attributes, &r.until, &r.Text,
		}, r.newest.Targets()...)...); err != nil {
			found.Close()
			return nil, "", handle.Wrap(doing, err)
		}
		rows = append(rows, r)
	}
	if err := found.Err(); err != nil {
		return nil, "", handle.Wrap(doing, err)
	}
	for _, r := range rows {
		if last = r.ID; len(rows) < limit {
			last = ""
		}
		r.Approved, r.Attributes, r.Until = r.state == string(consent.Approved), strings.Fields(r.attributes), r.until.UTC()
		if r.Pseudonym, err = name(ctx, authz.Subject(r.subject)); err != nil {
			return nil, "", err
		}
		if r.Newest, err = evidence.Decided(ctx, book, authz.ConsentID(r.ID), r.Version, &r.newest); err != nil {
			return nil, "", err
		}
		if r.Differs() { // the release before may have written a newer event
			before, err := evidence.DecidedBefore(ctx, book, authz.ConsentID(r.ID), *r.Newest, believed)
			if err != nil {
				return nil, "", handle.Wrap(doing, err)
			}
			if before != nil {
				r.Newest = before
			}
		}
		if r.Differs() {
			if r.Erased, err = s.ErasedOf(ctx, r.Newest.Person.Pseudonym); err != nil {
				return nil, "", err
			}
		}
		all = append(all, r.Agreement)
	}
	return all, last, nil
}

// ErasedOf reports whether an event of a person was erased.
func (s Source) ErasedOf(ctx context.Context, pseudonym string) (was bool, err error) {
	err = s.genuine(ctx, false, "SELECT "+s.columns()+" FROM events e WHERE e.type = ? AND e.pseudonym = ? ORDER BY e.mac IS NULL, e.id DESC LIMIT 100",
		[]any{string(audit.Erased), pseudonym}, func(audit.Event, audit.Salt) { was = true })
	return was, err
}
