package regional

import (
	"context"
	"slices"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/federation"
)

// Grounds is what the centre recorded of people's choices, and whom it tells where a choice has no
// ground there.
type Grounds struct {
	// Events finds what the centre recorded, of people under their pseudonyms.
	Events interface {
		Find(ctx context.Context, q audit.Query) ([]audit.Recorded, error)
	}
	Pseudonyms audit.Pseudonyms
	// Report opens an incident.
	Report func(ctx context.Context, f reconcile.Finding) error
}

// newest is the newest genuine event of a query that is such a one; the zero event if there is
// none.
func (g Grounds) newest(ctx context.Context, q audit.Query, is func(audit.Event) bool) (audit.Event, error) {
	list, err := g.Events.Find(ctx, q)
	if err != nil {
		return audit.Event{}, err
	}
	for _, r := range list {
		if r.Fault == "" && is(r.Event) {
			return r.Event, nil
		}
	}
	return audit.Event{}, nil
}

// actsOn asks whether an event says that somebody did one of some acts on the choice of a
// province.
func actsOn(province federation.EntityID, acts ...audit.Action) func(audit.Event) bool {
	return func(e audit.Event) bool {
		return e.Detail.Object == string(province) && slices.Contains(acts, audit.Action(e.Detail.Action))
	}
}

// explained holds the choices of people against the newest genuine event of each: without one
// by which she chose the province nothing is handed over of her, and it is an incident. It says of
// whom something was handed over since.
func (g Grounds) explained(ctx context.Context, province federation.EntityID, list []Chosen) error {
	for i := range list {
		p := &list[i]
		if !p.signsIn() {
			continue
		}
		pseudonym, err := g.Pseudonyms.Audit(ctx, p.Subject)
		if err != nil {
			return err
		}
		newest, err := g.newest(ctx, audit.Query{Pseudonym: pseudonym, Type: audit.FactorChanged, Limit: audit.MaxLimit},
			actsOn(province, audit.RegionalChosen, audit.RegionalWithdrawn, audit.RegionalHanded))
		if err != nil {
			return err
		}
		switch audit.Action(newest.Detail.Action) {
		case audit.RegionalHanded, audit.RegionalChosen:
			p.Handed = audit.Action(newest.Detail.Action) == audit.RegionalHanded
			continue
		}
		p.Locked = true
		f := reconcile.Finding{Kind: reconcile.ChoiceUnexplained, Object: string(province), Pseudonym: pseudonym}
		if err := g.Report(ctx, f); err != nil {
			return err
		}
	}
	return nil
}
