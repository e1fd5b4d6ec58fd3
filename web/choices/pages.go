// Package choices is where a person says at the providers of which provinces she wants to sign
// in, also when the centre is out of reach, and takes it back. She is signed in, see the route
// table of package web.
package choices

import (
	"context"
	"errors"
	"slices"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/regional"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// Path is the address of the room.
const Path = page.PortalPath + "/provinces"

// Choices are what a person chose.
type Choices interface {
	// Days is how long what a province is handed is good.
	Days() int
	Providers() []regional.Provider
	Of(ctx context.Context, who authz.Subject) ([]regional.Choice, error)
	// Choose and Withdraw do nothing where that is done; regional.ErrNoProvider for a province
	// that there is not.
	Choose(ctx context.Context, who authz.Subject, provider federation.EntityID) error
	Withdraw(ctx context.Context, who authz.Subject, provider federation.EntityID) error
}

// Pages are the pages of the room. They are safe for concurrent use.
type Pages struct{ choices Choices }

// New makes the pages.
func New(c Choices) *Pages { return &Pages{c} }

// Show lists the provinces. Those that are offered no more are listed while she has them.
func (p *Pages) Show(v *page.Visit) error { return p.show(v, "") }

func (p *Pages) show(v *page.Visit, done view.ProvinceDone) error {
	chosen, err := p.choices.Of(v.Context, v.Session.Actor)
	if err != nil {
		return err
	}
	body := view.Provinces{Action: Path, Days: p.choices.Days(), Done: done}
	for _, one := range p.choices.Providers() {
		row := view.Province{Entity: string(one.Entity), Name: one.Name}
		if i := slices.IndexFunc(chosen, func(c regional.Choice) bool { return c.Provider == one.Entity }); i >= 0 {
			row.Chosen, row.Since, chosen = true, chosen[i].Chosen, slices.Delete(chosen, i, i+1)
		}
		body.Provinces = append(body.Provinces, row)
	}
	for _, c := range chosen {
		name := authz.LocalizedText{VI: c.Provider.Host()}
		body.Provinces = append(body.Provinces, view.Province{Entity: string(c.Provider), Name: name, Chosen: true, Since: c.Chosen})
	}
	return v.Show(body, view.PortalNav(page.PortalPath, view.SectionSessions)...)
}

// Change chooses a province, or takes the choice back.
func (p *Pages) Change(v *page.Visit) error {
	provider, done := federation.EntityID(v.Field("provider")), view.ProvinceDone(v.Field("choice"))
	var err error
	switch done {
	case view.ProvinceChosen:
		err = p.choices.Choose(v.Context, v.Session.Actor, provider)
	case view.ProvinceWithdrawn:
		err = p.choices.Withdraw(v.Context, v.Session.Actor, provider)
	default:
		return page.Fault(view.ErrorBadRequest)
	}
	if errors.Is(err, regional.ErrNoProvider) {
		return page.Fault(view.ErrorNotFound)
	}
	if err != nil {
		return err
	}
	v.FormPath = Path
	return p.show(v, done)
}
