package enrolment

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hopnhat/federation"
	"hopnhat/federation/desk"
	"hopnhat/federation/explain"
	"hopnhat/federation/metadata"
	"hopnhat/federation/rehearsal"
	"hopnhat/federation/trust"
	"hopnhat/web/page"
	"hopnhat/web/view"
	"hopnhat/web/view/federated"
)

// Trust says whether an entity is trusted, and why not: by what is known, without a request to
// anybody.
func (p *Pages) Trust(v *page.Visit) error {
	asked, at := strings.TrimSpace(v.C.Query("id")), strings.TrimSpace(v.C.Query("at"))
	if len(asked) > federation.MaxEntityID || len(at) > maxPart {
		return page.Fault(view.ErrorBadRequest)
	}
	body := view.TrustExplained{Trust: federated.Trust{URL: TrustPath, Entity: asked, Time: at}}
	if at != "" {
		return p.trustedThen(v, body)
	}
	known, since, err := p.o.Known()
	if body.Known = err == nil; body.Known {
		body.KnownAt = since
	} else if !errors.Is(err, desk.ErrNotKnown) {
		return err
	}
	if asked == "" {
		return v.Show(body, nav()...)
	}
	id, err := federation.ParseEntityID(asked)
	if err != nil {
		body.Malformed = true
		return v.Show(body, nav()...)
	}
	if body.Asked = true; body.Known {
		tell(&body, explain.Explain(known, id, p.o.Now()))
	}
	return v.Show(body, nav()...)
}

// tell fills in what is known of an entity.
func tell(body *view.TrustExplained, a explain.Answer) {
	if body.Found = a.Found; !a.Found {
		return
	}
	v := a.Verdict
	body.Trusted, body.Anchor, body.Until = v.Valid(), string(v.Anchor), v.Expiry
	if v.Err != nil {
		body.Error = v.Err.Error()
		body.Advice.VI, body.Advice.EN = v.Advice()
	}
	for i, s := range slices.Backward(v.Chain) {
		failed := slices.ContainsFunc(v.Trail, func(c trust.Check) bool { return c.Statement == i && !c.Passed })
		body.Chain = append(body.Chain, federated.TrustLink{
			Issuer: string(s.Issuer), Subject: string(s.Subject), Own: s.IsConfiguration(), Until: s.Expiry,
			Keys: desk.ThumbprintsOf(s.RawKeys()), Failed: failed,
		})
	}
	for _, c := range v.Trail {
		one := federated.TrustCheck{Rule: federated.TrustRule(c.Rule), Section: c.Section, Saw: c.Saw, Passed: c.Passed}
		if c.Statement >= 0 && c.Statement < len(v.Chain) {
			s := v.Chain[c.Statement]
			one.About = fmt.Sprintf("[%d] %s → %s", c.Statement, s.Issuer, s.Subject)
		}
		body.Checks = append(body.Checks, one)
	}
	for _, s := range v.Steps {
		body.Steps = append(body.Steps, stepOf(v, s))
	}
	for _, m := range a.Marks {
		one := federated.TrustMark{Type: m.Type, Issuer: string(m.Verdict.Mark.Issuer), Counts: m.Counts()}
		switch {
		case m.Verdict.Err != nil:
			one.Error = m.Verdict.Err.Error()
		case !m.Held:
			one.Error = "its issuer does not say that the entity has it"
		}
		body.Marks = append(body.Marks, one)
	}
}

func stepOf(v trust.Verdict, s metadata.Step) federated.Change {
	name := rehearsal.Parameter{Type: s.Type, Name: s.Parameter}.Named()
	return federated.Change{
		Name: name, Operator: s.Operator, Value: valueOf(s.Configured), Before: valueOf(s.Before), After: valueOf(s.After),
		From: texts(rehearsal.Origins(v, s)),
	}
}
