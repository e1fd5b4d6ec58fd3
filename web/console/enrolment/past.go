package enrolment

import (
	"slices"
	"strings"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/history"
	"hopnhat/web/page"
	"hopnhat/web/view"
	"hopnhat/web/view/federated"
)

// trustedThen says what was known of an entity at a time, by what the nodes kept.
func (p *Pages) trustedThen(v *page.Visit, body view.TrustExplained) error {
	at, err := history.ParseTime(body.Time)
	if body.BadTime = err != nil || at.After(p.o.Now()); body.BadTime {
		return v.Show(body, nav()...)
	}
	if body.Entity == "" {
		return v.Show(body, nav()...)
	}
	id, err := federation.ParseEntityID(body.Entity)
	if err != nil {
		body.Malformed = true
		return v.Show(body, nav()...)
	}
	answers, err := p.o.Past(v.Context, id, at)
	if err != nil {
		return err
	}
	body.Then = &federated.Then{At: at}
	for _, a := range answers {
		body.Then.Nodes = append(body.Then.Nodes, thenOf(a, at))
	}
	return v.Show(body, nav()...)
}

// thenOf is what one node knew.
func thenOf(a history.Answer, at time.Time) federated.ThenNode {
	out := federated.ThenNode{
		Node: a.Node, Looked: a.Looked(at), Known: !a.Since.IsZero(), Trusted: a.Trusted, Gone: a.Gone, Since: a.Since,
		Before: a.Before, After: a.After, Anchor: string(a.Anchor), Marks: strings.Join(a.Marks, " "), Section: a.Section, Error: a.Error,
		Advice: view.Words{VI: a.AdviceVI, EN: a.AdviceEN},
	}
	for _, l := range slices.Backward(a.Chain) {
		out.Chain = append(out.Chain, federated.TrustLink{
			Issuer: string(l.Issuer), Subject: string(l.Subject), Own: l.Issuer == l.Subject, Keys: l.Keys,
		})
	}
	return out
}
