package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hopnhat/keys"
)

// VersionState is the state of one version, and since when.
type VersionState struct {
	KeyID     keys.KeyID
	Use       keys.Use
	Algorithm keys.Algorithm
	State     keys.State
	// Urgent versions do not wait for relying parties: an operator said so, or
	// their predecessor was revoked.
	Urgent bool
	// The times of the transitions, zero where there was none.
	Announced, Published, Activated, Retiring, Ended time.Time
}

// Rule is how the versions of one use change.
type Rule struct {
	// Lead is how long a version is published before it signs: no less than the
	// time for which a JWK Set may be cached.
	Lead time.Duration
	// Overlap is how long a version stays in the set after its last signature: no
	// less than the longest life of a token. Zero is for ever.
	Overlap time.Duration
	// Every is the age at which an active version gets a successor; zero is by
	// command only.
	Every time.Duration
	// ByCommand says that a successor signs only after [Commands.Expedite]: others, who learn
	// of it by people, have to have its public half first.
	ByCommand bool
}

// Node is a process that serves a JWK Set.
type Node struct {
	ID      string
	Seen    time.Time
	Serving []keys.KeyID
}

// Party is a relying party that was active, so that its tokens must verify.
type Party struct {
	ID     string
	Active time.Time
	// Fetched is when it last fetched the JWK Set; zero when it was never
	// recognised as it did, so that only time can tell.
	Fetched time.Time
}

// Facts are what the decision depends on besides the versions.
type Facts struct {
	Now     time.Time
	Nodes   []Node // the live ones
	Parties []Party
	Rules   map[keys.Use]Rule
}

// Step is one transition to make, or a version to create.
type Step struct {
	KeyID     keys.KeyID // empty: create a version
	Use       keys.Use
	Algorithm keys.Algorithm
	From, To  keys.State
}

// String names the step for logs.
func (s Step) String() string {
	if s.KeyID == "" {
		return fmt.Sprintf("%s %s: create a version", s.Use, s.Algorithm)
	}
	return fmt.Sprintf("%s %s %s: %s to %s", s.Use, s.Algorithm, s.KeyID, s.From, s.To)
}

type group struct {
	use keys.Use
	alg keys.Algorithm
}

// groups sorts the versions of each key, the oldest first.
func groups(states []VersionState) map[group][]VersionState {
	all := map[group][]VersionState{}
	for _, l := range states {
		g := group{l.Use, l.Algorithm}
		all[g] = append(all[g], l)
	}
	for _, versions := range all {
		slices.SortFunc(versions, func(a, b VersionState) int {
			if c := a.Announced.Compare(b.Announced); c != 0 {
				return c
			}
			return strings.Compare(string(a.KeyID), string(b.KeyID))
		})
	}
	return all
}

// Next gives the steps that are due. Steps of one key follow one another in the
// order given: the new version is active before the old one is retiring, in one
// transaction.
func Next(states []VersionState, f Facts) []Step {
	var steps []Step
	for g, versions := range groups(states) {
		steps = append(steps, g.next(versions, f)...)
	}
	slices.SortStableFunc(steps, func(a, b Step) int {
		return strings.Compare(string(a.Use)+" "+string(a.Algorithm), string(b.Use)+" "+string(b.Algorithm))
	})
	return steps
}

func (g group) next(versions []VersionState, f Facts) []Step {
	var steps []Step
	move := func(l VersionState, to keys.State) {
		steps = append(steps, Step{l.KeyID, l.Use, l.Algorithm, l.State, to})
	}
	rule := f.Rules[g.use]
	active, waiting := last(versions, keys.Active), 0
	if l := last(versions, keys.Published); l != nil && len(Blockers(*l, versions, f)) == 0 {
		move(*l, keys.Active)
		if active != nil {
			move(*active, keys.Retiring)
		}
		for _, older := range versions { // published, but overtaken
			if older.State == keys.Published && older.KeyID != l.KeyID {
				move(older, keys.Retiring)
			}
		}
		return steps
	}
	for _, l := range versions {
		switch l.State {
		case keys.Announced:
			waiting++
			if len(nodesWithout(l.KeyID, f.Nodes)) == 0 {
				move(l, keys.Published)
			}
		case keys.Published:
			waiting++
		case keys.Retiring:
			if rule.Overlap > 0 && !f.Now.Before(l.Retiring.Add(rule.Overlap)) {
				move(l, keys.Retired)
			}
		}
	}
	if active != nil && waiting == 0 && rule.Every > 0 && !f.Now.Before(active.Activated.Add(rule.Every)) {
		steps = append(steps, Step{Use: g.use, Algorithm: g.alg})
	}
	return steps
}

// last is the newest version of a state.
func last(versions []VersionState, state keys.State) *VersionState {
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].State == state {
			return &versions[i]
		}
	}
	return nil
}

// nodesWithout lists the live nodes that do not serve a version.
func nodesWithout(id keys.KeyID, nodes []Node) []string {
	var out []string
	for _, n := range nodes {
		if !slices.Contains(n.Serving, id) {
			out = append(out, n.ID)
		}
	}
	return out
}

// Blocker is what a version waits for before it signs.
type Blocker struct {
	// Until is set when it waits for time; Node or Party when for somebody; Command when for
	// an operator.
	Until       time.Time
	Node, Party string
	Command     bool
}

// Blockers lists what an announced or published version waits for. versions are
// all of its key.
func Blockers(l VersionState, versions []VersionState, f Facts) []Blocker {
	var out []Blocker
	for _, node := range nodesWithout(l.KeyID, f.Nodes) {
		out = append(out, Blocker{Node: node})
	}
	// Without an active version nothing can be signed at all, so nobody can meet
	// a signature too early.
	if l.Urgent || last(versions, keys.Active) == nil {
		return out
	}
	if f.Rules[l.Use].ByCommand {
		return append(out, Blocker{Command: true})
	}
	since := l.Published
	if since.IsZero() {
		since = f.Now
	}
	if due := since.Add(f.Rules[l.Use].Lead); f.Now.Before(due) {
		out = append(out, Blocker{Until: due})
	}
	for _, p := range f.Parties {
		if !p.Fetched.IsZero() && !p.Fetched.After(since) {
			out = append(out, Blocker{Party: p.ID})
		}
	}
	return out
}

// InSet reports whether a version stands in the JWK Set. A decryption key that is
// no longer to be encrypted to has left it, though it still decrypts.
func (l VersionState) InSet() bool {
	if l.Use == keys.RequestDecryption {
		return l.State == keys.Published || l.State == keys.Active
	}
	return l.State.InSet()
}
