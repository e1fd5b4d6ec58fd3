package reconciling

import (
	"context"

	"hopnhat/authz/audit/reconcile"
	"hopnhat/federation/upstream/flow"
	"hopnhat/store/streams"
	"hopnhat/store/upstreams"
)

// Links reads links with people at other providers page by page, each with its events.
func Links(
	source streams.Source, book upstreams.Book, names Pseudonyms,
) func(ctx context.Context, after string) ([]reconcile.Link, string, error) {
	return func(ctx context.Context, after string) (all []reconcile.Link, last string, err error) {
		found, err := book.Standing(ctx, after, page)
		if err != nil {
			return nil, "", err
		}
		for _, one := range found {
			l := reconcile.Link{ID: one.ID, Ended: one.Ended}
			if l.Pseudonym, err = names.Audit(ctx, one.Account); err != nil {
				return nil, "", err
			}
			if l.State, err = flow.State(one.Bond); err != nil {
				return nil, "", err
			}
			if l.Made, l.Over, err = book.EventsOf(ctx, l.Pseudonym, l.ID); err != nil {
				return nil, "", err
			}
			if l.Differs() {
				if l.Erased, err = source.ErasedOf(ctx, l.Pseudonym); err != nil {
					return nil, "", err
				}
			}
			all = append(all, l)
		}
		if len(found) == page {
			last = found[page-1].ID
		}
		return all, last, nil
	}
}

// links holds a page of links against their events.
func (e Evidence) links(ctx context.Context, c Cursor, tell func(reconcile.Finding)) (Cursor, error) {
	if e.Links == nil {
		c.Stage, c.After = enrolled, ""
		return c, nil
	}
	var last string
	err := reconcile.Again(func(tell func(reconcile.Finding)) error {
		all, next, err := e.Links(ctx, c.After)
		last = next
		reconcile.Links(all, tell)
		return err
	}, tell)
	if err != nil {
		return c, err
	}
	if c.After = last; last == "" {
		c.Stage = enrolled
	}
	return c, nil
}
