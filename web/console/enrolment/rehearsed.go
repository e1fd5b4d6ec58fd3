package enrolment

import (
	"cmp"
	"errors"
	"slices"

	"hopnhat/federation"
	"hopnhat/federation/desk"
	"hopnhat/federation/enrol"
	"hopnhat/federation/rehearsal"
	"hopnhat/web/view"
	"hopnhat/web/view/federated"
)

// rehearse says what the approval of what waits would do.
func (p *Pages) rehearse(s enrol.Subordinate) (*federated.Rehearsed, error) {
	r, err := p.o.Desk.Rehearse(s)
	if errors.Is(err, desk.ErrNotKnown) {
		return &federated.Rehearsed{}, nil
	}
	if err != nil {
		return nil, err
	}
	out := &federated.Rehearsed{
		Known: true, KnownAt: r.KnownAt, Judged: r.Judged, Before: r.Before, After: r.After, Harmed: len(r.Harms()), Digest: r.Digest,
	}
	// The worst first: what is left out is never worse than what is seen.
	worst := slices.SortedStableFunc(slices.Values(r.Effects), func(a, b rehearsal.Effect) int {
		return cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind))
	})
	for i, e := range worst {
		if i == maxEffects {
			out.More = len(worst) - i
			break
		}
		out.Effects = append(out.Effects, effectOf(e))
	}
	return out, nil
}

// kinds are those of effects, the worst first.
var kinds = []rehearsal.Kind{rehearsal.Lost, rehearsal.RoleLost, rehearsal.MarkLost, rehearsal.Altered, rehearsal.Gained}

func effectOf(e rehearsal.Effect) federated.Effect {
	out := federated.Effect{Subject: string(e.Subject), Kind: federated.EffectKind(e.Kind), From: texts(e.From), Marks: e.MarksLost}
	if y := e.Why; y != nil {
		out.Section, out.Advice = y.Section, view.Words{VI: y.AdviceVI, EN: y.AdviceEN}
	}
	for _, p := range e.Parameters {
		c := federated.Change{
			Name: p.Named(), Operator: p.Operator, Before: valueOf(p.Before), After: valueOf(p.After),
			From: texts(p.From),
		}
		if p.Operator != "" {
			c.Value = valueOf(p.Configured)
		}
		out.Changes = append(out.Changes, c)
	}
	return out
}

func texts(ids []federation.EntityID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}
