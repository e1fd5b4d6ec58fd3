package trust

import (
	"cmp"
	"slices"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/statement"
)

// Bounds on a search, since whoever names superiors may be a stranger.
const (
	maxHints = 10
	maxPaths = 64
	maxSteps = 1024
)

// Pool holds statements that were collected, of which chains are made.
type Pool struct {
	configurations map[federation.EntityID]statement.Statement
	subordinates   map[[2]federation.EntityID]statement.Statement
}

// Collect makes a pool. Of several statements of one issuer about one subject the one that
// was issued last counts, and the one with the smaller text of two of one second.
func Collect(statements ...statement.Statement) Pool {
	p := Pool{map[federation.EntityID]statement.Statement{}, map[[2]federation.EntityID]statement.Statement{}}
	for _, s := range statements {
		pair := [2]federation.EntityID{s.Issuer, s.Subject}
		before, again := p.subordinates[pair]
		if s.IsConfiguration() {
			before, again = p.configurations[s.Subject]
		}
		if again && (s.IssuedAt.Before(before.IssuedAt) || s.IssuedAt.Equal(before.IssuedAt) && s.Token() >= before.Token()) {
			continue
		}
		if s.IsConfiguration() {
			p.configurations[s.Subject] = s
		} else {
			p.subordinates[pair] = s
		}
	}
	return p
}

// Resolve makes every chain from an entity to the anchors, and returns the verdict on each,
// valid ones first, then shorter ones, then in the order of the anchors (§10.1, §10.3). The
// first is the one to use. The list is empty if no path leads to an anchor.
func Resolve(subject federation.EntityID, pool Pool, anchors []Anchor, now time.Time) []Verdict {
	var verdicts []Verdict
	for _, path := range pool.paths(subject, anchors) {
		verdicts = append(verdicts, VerifyStatements(path, anchors, now))
	}
	sortVerdicts(verdicts, anchors)
	return verdicts
}

// sortVerdicts puts verdicts in the order in which they are preferred (§10.3).
func sortVerdicts(verdicts []Verdict, anchors []Anchor) {
	rank := func(v Verdict) int {
		return slices.IndexFunc(anchors, func(a Anchor) bool { return a.ID == v.Chain[len(v.Chain)-1].Issuer })
	}
	slices.SortStableFunc(verdicts, func(a, b Verdict) int {
		if a.Valid() != b.Valid() {
			if a.Valid() {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(len(a.Chain), len(b.Chain)), cmp.Compare(rank(a), rank(b)))
	})
}

// Preferred is the verdict to use under each anchor to which a path leads, in the order of
// [Resolve]: of the valid ones the first, or the first of all if none is valid. A chain that is
// known and stands is not verified again: known are verdicts on the subject under the same
// anchors with the same keys.
func Preferred(subject federation.EntityID, pool Pool, anchors []Anchor, now time.Time, known ...Verdict) []Verdict {
	paths := pool.paths(subject, anchors)
	slices.SortStableFunc(paths, func(a, b []statement.Statement) int { return cmp.Compare(len(a), len(b)) })
	var verdicts []Verdict
	for _, a := range anchors {
		first := -1
		for _, path := range paths {
			if path[len(path)-1].Issuer != a.ID || first >= 0 && verdicts[first].Valid() {
				continue
			}
			v := verdictOn(path, anchors, now, known)
			if first < 0 {
				first, verdicts = len(verdicts), append(verdicts, v)
			} else if v.Valid() {
				verdicts[first] = v
			}
		}
	}
	sortVerdicts(verdicts, anchors)
	seen := map[federation.EntityID]bool{} // a chain that has ended has no anchor yet
	return slices.DeleteFunc(verdicts, func(v Verdict) bool {
		again := seen[v.Anchor]
		seen[v.Anchor] = true
		return again
	})
}

func verdictOn(path []statement.Statement, anchors []Anchor, now time.Time, known []Verdict) Verdict {
	for _, v := range known {
		if v.stands(path, now) {
			return v
		}
	}
	return VerifyStatements(path, anchors, now)
}

// stands reports whether a valid verdict is on these very statements, and they are in force:
// nothing else of a verdict changes with time.
func (v Verdict) stands(chain []statement.Statement, now time.Time) bool {
	if !v.Valid() || len(v.Chain) != len(chain) || !now.Before(v.Expiry) {
		return false
	}
	for i, s := range v.Chain {
		if s.Token() != chain[i].Token() || s.IssuedAt.After(now.Add(Leeway)) {
			return false
		}
	}
	return true
}

// paths lists the chains from an entity to anchors, in the order of the hints.
func (p Pool) paths(subject federation.EntityID, anchors []Anchor) [][]statement.Statement {
	first, ok := p.configurations[subject]
	if !ok {
		return nil
	}
	s := search{pool: p, anchors: anchors}
	s.from(subject, []statement.Statement{first}, []federation.EntityID{subject})
	return s.found
}

type search struct {
	pool    Pool
	anchors []Anchor
	found   [][]statement.Statement
	steps   int
}

// from goes on at an entity. The chain leads to it, and seen are the entities on the way: a
// hint that leads back to one of them is passed over, and only that hint (§10.1).
func (s *search) from(at federation.EntityID, chain []statement.Statement, seen []federation.EntityID) {
	configuration, ok := s.pool.configurations[at]
	if s.steps++; !ok || len(s.found) >= maxPaths || s.steps > maxSteps {
		return
	}
	if slices.ContainsFunc(s.anchors, func(a Anchor) bool { return a.ID == at }) {
		whole := slices.Clone(chain)
		if len(chain) > 1 {
			whole = append(whole, configuration)
		}
		s.found = append(s.found, whole)
	}
	if len(chain)+2 > MaxChain {
		return
	}
	hints := configuration.AuthorityHints
	for _, superior := range hints[:min(len(hints), maxHints)] {
		statement, ok := s.pool.subordinates[[2]federation.EntityID{superior, at}]
		if !ok || slices.Contains(seen, superior) {
			continue
		}
		s.from(superior, append(slices.Clone(chain), statement), append(slices.Clone(seen), superior))
	}
}
