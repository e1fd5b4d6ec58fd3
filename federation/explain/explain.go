// Package explain says why an entity is trusted or is not, from statements that are at hand:
// the verdict with its trail, and the verdicts on its trust marks. The functions are pure.
package explain

import (
	"slices"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/mark"
	"hopnhat/federation/rehearsal"
	"hopnhat/federation/trust"
)

// Answer is what is known of an entity.
type Answer struct {
	// Found says that statements lead from the entity to an anchor. All else is empty where
	// none do.
	Found bool
	// Verdict is on the chain to use, or on the first if none is valid (§10.3).
	Verdict trust.Verdict
	Marks   []Mark
}

// Mark is a trust mark in the configuration of an entity.
type Mark struct {
	// Type is what stands beside the mark (§3.1.2).
	Type    string
	Verdict mark.Verdict
	// Held says that its issuer says so, too.
	Held bool
}

// Counts reports whether the entity has the mark.
func (m Mark) Counts() bool { return m.Verdict.Valid() && m.Held }

// Explain judges an entity at a time by what is known.
func Explain(k rehearsal.Known, id federation.EntityID, now time.Time) Answer {
	pool := trust.Collect(k.Statements...)
	verdicts := trust.Resolve(id, pool, k.Anchors, now)
	if len(verdicts) == 0 {
		return Answer{}
	}
	a := Answer{Found: true, Verdict: verdicts[0]}
	if !a.Verdict.Valid() {
		return a
	}
	for _, m := range a.Verdict.Chain[0].Marks {
		one := Mark{Type: m.Type, Held: true}
		q := mark.Question{Holder: id, Beside: m.Type, Now: now}
		if parsed, err := mark.Parse(m.JWT); err == nil {
			one.Held = k.Holds == nil || k.Holds(parsed.Issuer, m.Type, id)
			issuers := trust.Resolve(parsed.Issuer, pool, k.Anchors, now)
			if i := slices.IndexFunc(issuers, func(v trust.Verdict) bool { return v.Anchor == a.Verdict.Anchor }); i >= 0 {
				q.Issuer = issuers[i]
			}
		}
		one.Verdict = mark.Validate(m.JWT, q)
		a.Marks = append(a.Marks, one)
	}
	return a
}
