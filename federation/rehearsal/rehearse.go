package rehearsal

import (
	"cmp"
	"errors"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hopnhat/federation"
	"hopnhat/federation/mark"
	"hopnhat/federation/metadata"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
)

// Rehearse says what a change would do at a time. Entities are judged as the resolver judges
// them: under each anchor by the chain that is preferred. The error wraps ErrUnknown if
// nothing that is in force is known of the entity at which the change is made.
func Rehearse(k Known, c Change, now time.Time) (Report, error) {
	before := newSide(worldOf(k), k, now)
	changed := before.world.clone()
	if err := c.make(changed, now); err != nil {
		return Report{}, err
	}
	after := newSide(changed, k, now)
	affected := below(before.world, after.world, c.at)
	for _, s := range before.world.statements {
		if s.IsConfiguration() && !affected[s.Subject] && slices.ContainsFunc(s.Marks, func(m statement.Mark) bool {
			parsed, err := mark.Parse(m.JWT)
			return err == nil && affected[parsed.Issuer]
		}) {
			affected[s.Subject] = true
		}
	}
	subjects := slices.Sorted(maps.Keys(affected))
	found := make([][]Effect, len(subjects))
	standing := make([][2]bool, len(subjects))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, id := range subjects {
		group.Go(func() error {
			a, b := before.of(id), after.of(id)
			standing[i] = [2]bool{trusted(a), trusted(b)}
			found[i] = compare(before, after, id, c.at)
			return nil
		})
	}
	_ = group.Wait() // none fails
	r := Report{Judged: len(subjects), Effects: slices.Concat(found...)}
	for _, s := range standing {
		if s[0] {
			r.Before++
		}
		if s[1] {
			r.After++
		}
	}
	r.Digest = digest(r.Harms())
	return r, nil
}

func trusted(verdicts []trust.Verdict) bool {
	return slices.ContainsFunc(verdicts, trust.Verdict.Valid)
}

// below are an entity and all whose hints lead to it, before or after.
func below(before, after *world, at federation.EntityID) map[federation.EntityID]bool {
	hinting := map[federation.EntityID][]federation.EntityID{}
	for _, w := range []*world{before, after} {
		for _, s := range w.statements {
			if !s.IsConfiguration() {
				continue
			}
			for _, superior := range s.AuthorityHints {
				hinting[superior] = append(hinting[superior], s.Subject)
			}
		}
	}
	all := map[federation.EntityID]bool{at: true}
	for next := []federation.EntityID{at}; len(next) > 0; {
		var more []federation.EntityID
		for _, id := range next {
			for _, one := range hinting[id] {
				if !all[one] {
					all[one] = true
					more = append(more, one)
				}
			}
		}
		next = more
	}
	return all
}

// side is one of the two worlds, with the verdicts that were asked for. It is safe for
// concurrent use.
type side struct {
	world *world
	pool  trust.Pool
	holds func(issuer federation.EntityID, kind string, holder federation.EntityID) bool
	now   time.Time

	mu       sync.Mutex
	verdicts map[federation.EntityID][]trust.Verdict
}

func newSide(w *world, k Known, now time.Time) *side {
	return &side{world: w, pool: w.pool(), holds: k.Holds, now: now, verdicts: map[federation.EntityID][]trust.Verdict{}}
}

// of is the preferred verdict on an entity under each anchor that a path leads to.
func (s *side) of(id federation.EntityID) []trust.Verdict {
	s.mu.Lock()
	known, ok := s.verdicts[id]
	s.mu.Unlock()
	if ok {
		return known
	}
	// No verdict of before is given to reuse: a draft has the token of another statement, so a
	// chain with it would look unchanged.
	first := trust.Preferred(id, s.pool, s.world.anchors, s.now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdicts[id] = first
	return first
}

// under is the verdict on an entity under one anchor; ok is false if no path leads there.
func (s *side) under(id, anchor federation.EntityID) (v trust.Verdict, ok bool) {
	all := s.of(id)
	i := slices.IndexFunc(all, func(v trust.Verdict) bool { return v.Anchor == anchor })
	if i < 0 {
		return v, false
	}
	return all[i], true
}

// marks are the types of the marks of an entity that count under the anchor of its verdict.
func (s *side) marks(v trust.Verdict) (kinds []string) {
	if !v.Valid() || len(v.Chain) == 0 {
		return nil
	}
	for _, m := range v.Chain[0].Marks {
		parsed, err := mark.Parse(m.JWT)
		if err != nil || s.holds != nil && !s.holds(parsed.Issuer, m.Type, v.Subject) {
			continue
		}
		issuer, ok := s.under(parsed.Issuer, v.Anchor)
		if ok && mark.Validate(m.JWT, mark.Question{Holder: v.Subject, Beside: m.Type, Issuer: issuer, Now: s.now}).Valid() {
			kinds = append(kinds, m.Type)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// compare says what becomes of one entity, under each anchor.
func compare(before, after *side, id, at federation.EntityID) (effects []Effect) {
	for _, anchor := range before.world.anchors {
		a, wasThere := before.under(id, anchor.ID)
		b, isThere := after.under(id, anchor.ID)
		was, is := wasThere && a.Valid(), isThere && b.Valid()
		e := Effect{Subject: id, Anchor: anchor.ID}
		switch {
		case !was && !is:
			continue
		case !was:
			e.Kind = Gained
		case !is:
			e.Kind = Lost
			e.lose(b, isThere, at)
		default:
			e.alter(a, b)
			e.remark(before.marks(a), after.marks(b))
		}
		if e.Kind != "" {
			effects = append(effects, e)
		}
	}
	return effects
}

// lose says why an entity is trusted no more.
func (e *Effect) lose(v trust.Verdict, there bool, at federation.EntityID) {
	if !there {
		e.From = []federation.EntityID{at}
		e.Why = &Reason{
			"10.1", "statements lead from it up to the trust anchor", "none about " + string(at) + " any more",
			"Cấp trên của " + string(at) + " phải công nhận lại đơn vị này.", "The superior of " + string(at) + " has to state it again.",
		}
		return
	}
	failed := v.Trail[len(v.Trail)-1]
	vi, en := v.Advice()
	e.Why = &Reason{failed.Section, failed.Want, failed.Saw, vi, en}
	switch failed.Rule {
	case trust.Complies:
		if n := len(v.Steps); n > 0 {
			e.Parameters = []Parameter{parameter(v, v.Steps[n-1])}
			e.From = e.Parameters[0].From
		}
	case trust.Policies:
		if p, ok := disagreed(v); ok {
			e.Parameters, e.From = []Parameter{p}, p.From
		}
	default:
		if failed.Statement >= 0 && failed.Statement < len(v.Chain) {
			e.From = []federation.EntityID{v.Chain[failed.Statement].Issuer}
		}
	}
}

// disagreed is the parameter of which the superiors of a chain say what does not go together.
func disagreed(v trust.Verdict) (Parameter, bool) {
	var layers []metadata.Layer
	for _, s := range slices.Backward(v.Chain) {
		if !s.IsConfiguration() {
			layers = append(layers, metadata.Layer{Policy: s.Policy, Critical: s.PolicyCritical})
		}
	}
	_, err := metadata.MergeAll(layers)
	at := (*metadata.Error)(nil)
	if !errors.As(err, &at) {
		return Parameter{}, false
	}
	p := Parameter{Type: at.Type, Name: at.Parameter}
	for _, s := range slices.Backward(v.Chain) {
		if len(s.Policy[at.Type][at.Parameter]) > 0 {
			p.From = append(p.From, s.Issuer)
		}
	}
	return p, true
}

// parameter is what a step does, with the superiors that it comes from.
func parameter(v trust.Verdict, s metadata.Step) Parameter {
	return Parameter{s.Type, s.Parameter, s.Operator, s.Configured, s.Before, s.After, Origins(v, s)}
}

// Origins are the superiors whose statements have the rule of a step, the most superior first.
func Origins(v trust.Verdict, step metadata.Step) (from []federation.EntityID) {
	for i, s := range slices.Backward(v.Chain) {
		if s.IsConfiguration() {
			continue
		}
		has := false
		switch step.Operator {
		case "metadata":
			has = i == 1
		case "allowed_entity_types":
			has = s.Constraints.LimitsTypes && !slices.Contains(s.Constraints.AllowedTypes, step.Type)
		default:
			_, has = s.Policy[step.Type][step.Parameter][step.Operator]
		}
		if has {
			from = append(from, s.Issuer)
		}
	}
	return from
}

// alter says which metadata of an entity would be others.
func (e *Effect) alter(a, b trust.Verdict) {
	kinds := map[federation.EntityType]bool{}
	for _, m := range []federation.Metadata{a.Metadata, b.Metadata} {
		for kind := range m {
			kinds[kind] = true
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		was, is := a.Metadata[kind], b.Metadata[kind]
		switch {
		case was != nil && is == nil:
			e.Kind = RoleLost
			e.Parameters = append(e.Parameters, e.cause(a, b, Parameter{Type: kind, Before: map[string]any(was)}))
			continue
		case was == nil:
			e.Kind = cmp.Or(e.Kind, Altered)
			e.Parameters = append(e.Parameters, e.cause(a, b, Parameter{Type: kind, After: map[string]any(is)}))
			continue
		}
		names := map[string]bool{}
		for _, p := range []federation.Parameters{was, is} {
			for name := range p {
				names[name] = true
			}
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if !reflect.DeepEqual(was[name], is[name]) {
				e.Kind = cmp.Or(e.Kind, Altered)
				e.Parameters = append(e.Parameters, e.cause(a, b, Parameter{Type: kind, Name: name, Before: was[name], After: is[name]}))
			}
		}
	}
}

// cause adds the rule that makes a parameter what it would be: the last step after the change
// that alters it, or else the one of before that does no more.
func (e *Effect) cause(a, b trust.Verdict, p Parameter) Parameter {
	for _, v := range []trust.Verdict{b, a} {
		for _, s := range slices.Backward(v.Steps) {
			if s.Type == p.Type && s.Parameter == p.Name && s.Changed() {
				p.Operator, p.Configured, p.From = s.Operator, s.Configured, Origins(v, s)
				return p
			}
		}
	}
	return p
}

// remark says which marks of an entity would count no more, or count.
func (e *Effect) remark(was, is []string) {
	missing := func(of, in []string) (list []string) {
		for _, kind := range of {
			if !slices.Contains(in, kind) {
				list = append(list, kind)
			}
		}
		return list
	}
	e.MarksLost, e.MarksGained = missing(was, is), missing(is, was)
	switch {
	case len(e.MarksLost) > 0 && e.Kind != RoleLost:
		e.Kind = MarkLost
	case len(e.MarksGained) > 0:
		e.Kind = cmp.Or(e.Kind, Gained)
	}
}

// Named is the parameter in a line, as openid_relying_party.scope.
func (p Parameter) Named() string { return strings.TrimSuffix(string(p.Type)+"."+p.Name, ".") }
