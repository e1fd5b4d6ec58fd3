package audit

import "slices"

// Tree names one of the two logs of a site. The border is what a proof of a release must be
// able to point to: what a release rests on (consents, apps, APIs,
// declarations, roles, and all that operators and their tools do) is in the consent log, and
// what was done on the strength of it in the release log.
type Tree string

// The logs of a site.
const (
	ReleaseTree Tree = "release"
	ConsentTree Tree = "consent"
)

// TreeOf is the log that the leaf of an event goes to, by the table of actions: by its action
// where the detail names one, and otherwise by its kind. A kind that only a later release
// knows goes to the release log.
func TreeOf(e Event) Tree {
	named := func(r rule) bool { return r.Named && r.Type == e.Type && string(r.Action) == e.Detail.Action }
	ofKind := func(r rule) bool { return r.Type == e.Type }
	for _, is := range []func(rule) bool{named, ofKind} {
		if i := slices.IndexFunc(rules, is); i >= 0 {
			return rules[i].Tree
		}
	}
	return ReleaseTree
}
