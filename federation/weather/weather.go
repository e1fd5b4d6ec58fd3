// Package weather says what threatens a federation: what ends first below each subordinate of
// an anchor, who has announced no next key, whose signature is of a weak algorithm, and who is
// out of reach. The functions are pure.
package weather

import (
	"cmp"
	"slices"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/trust"
	"hopnhat/keys"
)

// Failure is a statement, a list or the holders of a mark that a walk wanted and did not get.
type Failure struct {
	Issuer federation.EntityID `json:"iss"`
	// Subject is empty where a list was asked for.
	Subject federation.EntityID `json:"sub,omitempty"`
	Error   string              `json:"error"`
}

// Branch is a subordinate of an anchor with all that is below it, or the anchor alone.
type Branch struct {
	Anchor federation.EntityID `json:"trust_anchor"`
	Entity federation.EntityID `json:"entity"`
	// Trusted and Refused count the entities of the branch.
	Trusted int `json:"trusted"`
	Refused int `json:"refused"`
	// FirstEnd is when the first of the chains that are valid ends; zero if none is. Ends is
	// whose statement about whom ends then.
	FirstEnd   time.Time           `json:"first_end,omitzero"`
	EndsIssuer federation.EntityID `json:"first_end_iss,omitempty"`
	Ends       federation.EntityID `json:"first_end_sub,omitempty"`
	// OneKey are entities whose configuration has one federation key: the next is not announced.
	OneKey []federation.EntityID `json:"one_key"`
	// Weak are entities that sign their configuration with a weak algorithm.
	Weak []federation.EntityID `json:"weak_algorithm"`
	// Unreachable are entities that were asked in the last walk and did not answer.
	Unreachable []federation.EntityID `json:"unreachable"`
}

// Forecast is the weather of all branches.
type Forecast struct {
	// At is when the statements were gathered.
	At       time.Time `json:"known_at"`
	Trusted  int       `json:"trusted"`
	Refused  int       `json:"refused"`
	FirstEnd time.Time `json:"first_end,omitzero"`
	// Branches are ordered by what ends first; those in which nobody is trusted come before.
	Branches []Branch `json:"branches"`
	// Failures are those of the last walk, in the order of their issuers.
	Failures []Failure `json:"failures"`
}

// weak are algorithms that statements may be signed with and should not: signatures of
// PKCS #1 v1.5 are not among those of FAPI 2.0 SP §5.4.1.
var weak = []keys.Algorithm{keys.RS256}

// Of is the forecast from the preferred verdicts of all entities, with what could not be
// fetched.
func Of(verdicts []trust.Verdict, failures []Failure, at time.Time) Forecast {
	f := Forecast{At: at.UTC(), Failures: slices.Clone(failures)}
	slices.SortFunc(f.Failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(a.Issuer, b.Issuer), cmp.Compare(a.Subject, b.Subject))
	})
	silent := map[federation.EntityID]bool{}
	for _, one := range failures {
		silent[one.Issuer] = true
	}
	type name struct{ anchor, entity federation.EntityID }
	branches := map[name]*Branch{}
	for _, v := range verdicts {
		if len(v.Chain) == 0 {
			continue
		}
		n := name{v.Chain[len(v.Chain)-1].Issuer, v.Chain[len(v.Chain)-1].Subject}
		if n.entity == n.anchor && len(v.Chain) > 1 {
			n.entity = v.Chain[len(v.Chain)-2].Subject
		}
		b := branches[n]
		if b == nil {
			b = &Branch{
				Anchor: n.anchor, Entity: n.entity, OneKey: []federation.EntityID{},
				Weak: []federation.EntityID{}, Unreachable: []federation.EntityID{},
			}
			branches[n] = b
		}
		b.add(v, silent)
	}
	for _, b := range branches {
		for _, list := range []*[]federation.EntityID{&b.OneKey, &b.Weak, &b.Unreachable} {
			slices.Sort(*list)
		}
		f.Trusted, f.Refused = f.Trusted+b.Trusted, f.Refused+b.Refused
		if !b.FirstEnd.IsZero() && (f.FirstEnd.IsZero() || b.FirstEnd.Before(f.FirstEnd)) {
			f.FirstEnd = b.FirstEnd
		}
		f.Branches = append(f.Branches, *b)
	}
	slices.SortFunc(f.Branches, func(a, b Branch) int {
		return cmp.Or(a.FirstEnd.Compare(b.FirstEnd), cmp.Compare(a.Entity, b.Entity), cmp.Compare(a.Anchor, b.Anchor))
	})
	return f
}

// add counts an entity in.
func (b *Branch) add(v trust.Verdict, silent map[federation.EntityID]bool) {
	own := v.Chain[0]
	if own.Keys.Len() == 1 {
		b.OneKey = append(b.OneKey, own.Subject)
	}
	if slices.Contains(weak, own.Algorithm()) {
		b.Weak = append(b.Weak, own.Subject)
	}
	if silent[own.Subject] {
		b.Unreachable = append(b.Unreachable, own.Subject)
	}
	if !v.Valid() {
		b.Refused++
		return
	}
	b.Trusted++
	if !b.FirstEnd.IsZero() && !v.Expiry.Before(b.FirstEnd) {
		return
	}
	b.FirstEnd = v.Expiry.UTC()
	for _, s := range v.Chain {
		if s.Expiry.Equal(v.Expiry) {
			b.EndsIssuer, b.Ends = s.Issuer, s.Subject
		}
	}
}

// Unreachable counts the entities that did not answer.
func (f Forecast) Unreachable() int {
	return f.count(func(b Branch) []federation.EntityID { return b.Unreachable })
}

// OneKey counts the entities that have announced no next key.
func (f Forecast) OneKey() int {
	return f.count(func(b Branch) []federation.EntityID { return b.OneKey })
}

// Weak counts the entities with a weak algorithm.
func (f Forecast) Weak() int {
	return f.count(func(b Branch) []federation.EntityID { return b.Weak })
}

func (f Forecast) count(of func(Branch) []federation.EntityID) (n int) {
	for _, b := range f.Branches {
		n += len(of(b))
	}
	return n
}
