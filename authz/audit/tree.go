package audit

import "slices"

// Tree names one of the two logs of a site: what a proof of a release must be able to point to
// is in the consent log, and what rests on it in the release log (docs/decisions.md D16).
type Tree string

// The logs of a site.
const (
	ReleaseTree Tree = "release"
	ConsentTree Tree = "consent"
)

// TreeOf is the log that the leaf of an event goes to, by its action where the detail names
// one, otherwise by its kind. A kind that only a later release knows is in the release log.
func TreeOf(e Event) Tree {
	i := slices.IndexFunc(rules, func(r rule) bool { return r.Named && r.Type == e.Type && string(r.Action) == e.Detail.Action })
	if i < 0 {
		i = slices.IndexFunc(rules, func(r rule) bool { return r.Type == e.Type })
	}
	if i < 0 {
		return ReleaseTree
	}
	return rules[i].Tree
}
