package lifecycle_test

import (
	"slices"
	"testing"
	"time"

	"hopnhat/keys"
	"hopnhat/keys/lifecycle"
)

var noon = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)

const (
	lead    = 10 * time.Minute
	overlap = time.Hour
	every   = 30 * 24 * time.Hour
)

var rules = lifecycle.Rules(lead, overlap, every)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// life makes a version of the token key; at is when its state began.
func life(id keys.KeyID, state keys.State, at time.Time) lifecycle.VersionState {
	l := lifecycle.VersionState{KeyID: id, Use: keys.TokenSigning, Algorithm: keys.ES256, State: state, Announced: at.Add(-time.Second)}
	switch state {
	case keys.Announced:
		l.Announced = at
	case keys.Published:
		l.Published = at
	case keys.Active:
		l.Published, l.Activated = at, at
	case keys.Retiring:
		l.Published, l.Activated, l.Retiring = at, at, at
	}
	return l
}

func TestNext(t *testing.T) {
	node := func(id string, serving ...keys.KeyID) lifecycle.Node {
		return lifecycle.Node{ID: id, Seen: noon, Serving: serving}
	}
	urgent := life("new", keys.Published, ago(time.Second))
	urgent.Urgent = true
	for _, row := range []struct {
		name    string
		lives   []lifecycle.VersionState
		nodes   []lifecycle.Node
		parties []lifecycle.Party
		want    []string
	}{
		{
			name:  "an announced version is published when every node serves it",
			lives: []lifecycle.VersionState{life("old", keys.Active, ago(time.Hour)), life("new", keys.Announced, ago(time.Minute))},
			nodes: []lifecycle.Node{node("a", "old", "new"), node("b", "old", "new")},
			want:  []string{"token ES256 new: announced to published"},
		},
		{
			name:  "one node that lacks it holds it back",
			lives: []lifecycle.VersionState{life("old", keys.Active, ago(time.Hour)), life("new", keys.Announced, ago(time.Minute))},
			nodes: []lifecycle.Node{node("a", "old", "new"), node("b", "old")},
		},
		{
			name:  "a published version waits for the life of cached sets",
			lives: []lifecycle.VersionState{life("old", keys.Active, ago(time.Hour)), life("new", keys.Published, ago(lead-time.Second))},
			nodes: []lifecycle.Node{node("a", "old", "new")},
		},
		{
			name:  "then it signs, and the old one is retiring",
			lives: []lifecycle.VersionState{life("old", keys.Active, ago(time.Hour)), life("new", keys.Published, ago(lead))},
			nodes: []lifecycle.Node{node("a", "old", "new")},
			want:  []string{"token ES256 new: published to active", "token ES256 old: active to retiring"},
		},
		{
			name:  "a node that came without it holds it back even now",
			lives: []lifecycle.VersionState{life("old", keys.Active, ago(time.Hour)), life("new", keys.Published, ago(lead))},
			nodes: []lifecycle.Node{node("a", "old", "new"), node("b", "old")},
		},
		{
			name:    "a relying party that has not fetched the new set holds it back",
			lives:   []lifecycle.VersionState{life("old", keys.Active, ago(time.Hour)), life("new", keys.Published, ago(lead))},
			nodes:   []lifecycle.Node{node("a", "old", "new")},
			parties: []lifecycle.Party{{ID: "land-app", Active: ago(time.Minute), Fetched: ago(lead + time.Minute)}},
		},
		{
			name:    "one that has fetched does not, nor one that was never seen to fetch",
			lives:   []lifecycle.VersionState{life("old", keys.Active, ago(time.Hour)), life("new", keys.Published, ago(lead))},
			nodes:   []lifecycle.Node{node("a", "old", "new")},
			parties: []lifecycle.Party{{ID: "land-app", Active: noon, Fetched: ago(time.Minute)}, {ID: "tax-app", Active: noon}},
			want:    []string{"token ES256 new: published to active", "token ES256 old: active to retiring"},
		},
		{
			name:    "an urgent version waits for nodes only",
			lives:   []lifecycle.VersionState{life("old", keys.Active, ago(time.Hour)), urgent},
			nodes:   []lifecycle.Node{node("a", "old", "new")},
			parties: []lifecycle.Party{{ID: "land-app", Active: noon, Fetched: ago(time.Hour)}},
			want:    []string{"token ES256 new: published to active", "token ES256 old: active to retiring"},
		},
		{
			name:  "after a revocation the next signs as soon as every node serves it",
			lives: []lifecycle.VersionState{life("old", keys.Revoked, ago(time.Second)), life("new", keys.Published, ago(time.Second))},
			nodes: []lifecycle.Node{node("a", "new")},
			want:  []string{"token ES256 new: published to active"},
		},
		{
			name:  "but no sooner",
			lives: []lifecycle.VersionState{life("old", keys.Revoked, ago(time.Second)), life("new", keys.Published, ago(time.Second))},
			nodes: []lifecycle.Node{node("a", "new"), node("b", "old")},
		},
		{
			name:  "a retiring version stays while its tokens may live",
			lives: []lifecycle.VersionState{life("old", keys.Retiring, ago(overlap-time.Second)), life("new", keys.Active, ago(time.Hour))},
		},
		{
			name:  "and leaves when none can",
			lives: []lifecycle.VersionState{life("old", keys.Retiring, ago(overlap)), life("new", keys.Active, ago(time.Hour))},
			want:  []string{"token ES256 old: retiring to retired"},
		},
		{
			name:  "of two published versions the newest signs, the other is overtaken",
			lives: []lifecycle.VersionState{life("old", keys.Active, ago(2*time.Hour)), life("mid", keys.Published, ago(time.Hour)), life("new", keys.Published, ago(lead))},
			nodes: []lifecycle.Node{node("a", "old", "mid", "new")},
			want:  []string{"token ES256 new: published to active", "token ES256 old: active to retiring", "token ES256 mid: published to retiring"},
		},
		{
			name:  "an old active version gets a successor",
			lives: []lifecycle.VersionState{life("old", keys.Active, ago(every))},
			want:  []string{"token ES256: create a version"},
		},
		{
			name:  "but not a second one",
			lives: []lifecycle.VersionState{life("old", keys.Active, ago(every)), life("new", keys.Announced, ago(time.Second))},
			nodes: []lifecycle.Node{node("a", "old")},
		},
		{
			name: "a checkpoint key changes by command only, and stays for ever",
			lives: []lifecycle.VersionState{
				{KeyID: "c1", Use: keys.LogCheckpoint, Algorithm: keys.EdDSA, State: keys.Retiring, Retiring: ago(1000 * every)},
				{KeyID: "c2", Use: keys.LogCheckpoint, Algorithm: keys.EdDSA, State: keys.Active, Announced: noon, Activated: ago(1000 * every)},
			},
		},
		{
			name: "each key by itself",
			lives: []lifecycle.VersionState{
				life("old", keys.Retiring, ago(overlap)),
				{KeyID: "r", Use: keys.TokenSigning, Algorithm: keys.RS256, State: keys.Retiring, Retiring: ago(overlap)},
			},
			want: []string{"token ES256 old: retiring to retired", "token RS256 r: retiring to retired"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			for _, step := range lifecycle.Next(
				row.lives, lifecycle.Facts{Now: noon, Nodes: row.nodes, Parties: row.parties, Rules: rules},
			) {
				got = append(got, step.String())
			}
			if !slices.Equal(got, row.want) {
				t.Fatalf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestADecryptionKeyLeavesTheSetBeforeItsPower(t *testing.T) {
	for state, want := range map[keys.State]bool{
		keys.Announced: false, keys.Published: true, keys.Active: true, keys.Retiring: false, keys.Retired: false, keys.Revoked: false,
	} {
		l := lifecycle.VersionState{Use: keys.RequestDecryption, State: state}
		if l.InSet() != want {
			t.Errorf("%s: in the set: %v, want %v", state, l.InSet(), want)
		}
	}
}

// TestFederationKeys: a federation key gets no successor by itself, and one that was made signs
// only when an operator says so: before, nobody who was not told could verify it.
func TestFederationKeys(t *testing.T) {
	of := func(l lifecycle.VersionState) lifecycle.VersionState { l.Use = keys.EntityStatement; return l }
	year := 365 * 24 * time.Hour
	old, next := of(life("old", keys.Active, ago(2*year))), of(life("new", keys.Published, ago(year)))
	f := lifecycle.Facts{Now: noon, Rules: rules, Nodes: []lifecycle.Node{{ID: "a", Seen: noon, Serving: []keys.KeyID{"old", "new"}}}}
	if steps := lifecycle.Next([]lifecycle.VersionState{old}, f); len(steps) != 0 {
		t.Errorf("by itself: %v", steps)
	}
	both := []lifecycle.VersionState{old, next}
	if steps := lifecycle.Next(both, f); len(steps) != 0 {
		t.Errorf("without a command: %v", steps)
	}
	if b := lifecycle.Blockers(next, both, f); len(b) != 1 || !b[0].Command {
		t.Errorf("it waits for %+v, want an operator", b)
	}
	both[1].Urgent = true
	if steps := lifecycle.Next(both, f); len(steps) != 2 || steps[0].To != keys.Active {
		t.Errorf("after the command: %v", steps)
	}
	first := of(life("first", keys.Published, ago(time.Second)))
	f.Nodes[0].Serving = []keys.KeyID{"first"}
	if steps := lifecycle.Next([]lifecycle.VersionState{first}, f); len(steps) != 1 {
		t.Errorf("the first one signs by itself: %v", steps)
	}
}
