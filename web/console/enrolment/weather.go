package enrolment

import (
	"errors"
	"net/url"

	"hopnhat/federation"
	"hopnhat/federation/desk"
	"hopnhat/web/page"
	"hopnhat/web/view"
	"hopnhat/web/view/federated"
)

// Bounds on what the page of the weather shows.
const (
	maxBranches = 100
	maxNamed    = 5 // entities of a branch that are out of reach, or sign weakly
)

// Weather says what threatens the federation.
func (p *Pages) Weather(v *page.Visit) error {
	f, err := p.o.Weather()
	body := view.Weather{Forecast: federated.Forecast{BackURL: Path, Known: err == nil}}
	if errors.Is(err, desk.ErrNotKnown) {
		return v.Show(body, nav()...)
	}
	if err != nil {
		return err
	}
	body.KnownAt, body.FirstEnd, body.Trusted, body.Refused = f.At, f.FirstEnd, f.Trusted, f.Refused
	body.Unreachable, body.OneKey, body.Weakly = f.Unreachable(), f.OneKey(), f.Weak()
	for i, b := range f.Branches {
		if i == maxBranches {
			body.More = len(f.Branches) - i
			break
		}
		body.Rows = append(body.Rows, federated.BranchRow{
			Entity: string(b.Entity), URL: TrustPath + "?" + url.Values{"id": {string(b.Entity)}}.Encode(),
			Trusted: b.Trusted, Refused: b.Refused,
			FirstEnd: b.FirstEnd, Issuer: string(b.EndsIssuer), Subject: string(b.Ends), OneKey: len(b.OneKey),
			Unreachable: first(b.Unreachable), Weak: first(b.Weak),
		})
	}
	return v.Show(body, nav()...)
}

func first(ids []federation.EntityID) []string { return texts(ids[:min(len(ids), maxNamed)]) }
