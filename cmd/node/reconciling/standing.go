package reconciling

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/change"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/incident"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/store"
	"hopnhat/store/evidence"
	"hopnhat/store/leafrows"
	"hopnhat/store/streams"
)

// Pseudonyms gives the name that a person has in the evidence.
type Pseudonyms interface {
	Audit(ctx context.Context, subject authz.Subject) (string, error)
}

// Standings reads the roles, apps, APIs and incidents of a database, and the decisions that are
// not as they were written.
func Standings(db *store.DB, source streams.Source, names Pseudonyms) func(ctx context.Context) ([]reconcile.Standing, error) {
	return func(ctx context.Context) (all []reconcile.Standing, err error) {
		roles, err := source.Roles(ctx)
		if err != nil {
			return nil, err
		}
		for _, one := range roles {
			name, err := names.Audit(ctx, authz.Subject(one[0]))
			if err != nil {
				return nil, err
			}
			all = append(all, reconcile.Standing{Kind: reconcile.RoleUnexplained, Object: one[1], Pseudonym: name})
		}
		err = db.Incidents.Standing(ctx, func(id string, state incident.State, altered bool) {
			all = append(all, reconcile.Standing{
				Kind: reconcile.IncidentUnexplained, Object: id, State: []byte(broughtBy[state]), Altered: altered,
			})
		})
		if err != nil {
			return nil, err
		}
		err = db.Leaves.Decisions(ctx, func(d leafrows.Decision, altered bool) {
			if altered {
				all = append(all, reconcile.Standing{
					Kind: reconcile.StateForged, Altered: true,
					Object: commitment.Bounded(fmt.Sprintf("decision on %s below %d", d.Origin, d.Size)),
				})
			}
		})
		if err != nil {
			return nil, err
		}
		if all, err = apps(ctx, db, all); err != nil {
			return nil, err
		}
		return apis(ctx, db, all)
	}
}

// Agreements reads consents page by page, each with its newest event. leaf reads the log of the
// site: a row without a MAC is the newest event only where its leaf is. That of another site is
// read by that site; what it says is believed while the release before may have written it.
func Agreements(
	source streams.Source, book evidence.Book, names Pseudonyms, leaf rowseal.LeafAt,
) func(ctx context.Context, after string) ([]reconcile.Agreement, string, error) {
	believed := func(ctx context.Context, r audit.Recorded) (bool, error) {
		want, err := audit.Leaf(r.Event, r.Salt)
		if err != nil {
			return false, nil
		}
		var got []byte
		if err = authz.ErrNotFound; r.Logged {
			got, err = leaf(ctx, r.Origin, r.Index)
		}
		if errors.Is(err, authz.ErrNotFound) {
			return evidence.WrittenBefore(ctx, book, r.Event.When.Decided)
		}
		return bytes.Equal(got, want), err
	}
	return func(ctx context.Context, after string) ([]reconcile.Agreement, string, error) {
		return source.Agreements(ctx, book, after, page, names.Audit, believed)
	}
}

// broughtBy are the actions that bring incidents into their states.
var broughtBy = map[incident.State]audit.Action{
	incident.Open: audit.IncidentOpened, incident.Proposed: audit.IncidentCloseProposed, incident.Closed: audit.IncidentClosed,
}

// page is how many apps or APIs are read in one statement.
const page = 200

func apps(ctx context.Context, db *store.DB, all []reconcile.Standing) ([]reconcile.Standing, error) {
	for after := authz.ClientID(""); ; {
		list, err := db.Clients(ctx, after, page)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			after = c.ID
			state, err := change.State(c)
			if err != nil {
				return nil, err
			}
			all = append(all, reconcile.Standing{
				Kind: reconcile.AppUnexplained, Object: commitment.Bounded(string(c.ID)), State: state,
				Ended: !c.Ended.IsZero() && c.Disabled && len(c.SecretHash) == 0 && len(c.JWKS) == 0 && c.JWKSURI == "",
			})
		}
		if len(list) < page {
			return all, nil
		}
	}
}

func apis(ctx context.Context, db *store.DB, all []reconcile.Standing) ([]reconcile.Standing, error) {
	for after := ""; ; {
		list, err := db.Resources(ctx, after, page)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			after = r.ID
			state, err := change.State(change.Resource(r))
			if err != nil {
				return nil, err
			}
			all = append(all, reconcile.Standing{Kind: reconcile.ResourceUnexplained, Object: commitment.Bounded(r.ID), State: state})
		}
		if len(list) < page {
			return all, nil
		}
	}
}
