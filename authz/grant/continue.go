package grant

import (
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/request"
)

// Continuing is the grant as the successor of an earlier one, under the same grant_id.
// With merge, a new entry replaces the old one for the same purpose and register, and the
// others stay; replace keeps none (Grant Management §5.2). What the person agreed to
// stays agreed to until she withdraws it: an app that asks for less withdraws nothing in
// her name. resources says what resources a grant is for. before is nil for a first
// grant.
func (g Grant) Continuing(before *Grant, resources func(*Grant) []string) Grant {
	if before == nil {
		return g
	}
	g.Continues = before.PublicID()
	if g.Request.GrantAction != request.GrantMerge {
		return g
	}
	if len(before.Request.AudiencesOfResource) > 0 || len(g.Request.AudiencesOfResource) > 0 {
		g.Request.AudiencesOfResource = union(resources(before), resources(&g))
	}
	g.Scope = union(before.Scope, g.Scope)
	g.Details = slices.Concat(g.Details, before.Unreplaced(g.Details))
	return g
}

// Unreplaced are the releases of the grant that stay when others are merged into it.
func (g *Grant) Unreplaced(merged []authz.Release) []authz.Release {
	return slices.DeleteFunc(slices.Clone(g.Details), func(old authz.Release) bool { return asksAnew(merged, old) })
}

// asksAnew reports whether releases have one for the purpose and register of an old one.
func asksAnew(releases []authz.Release, old authz.Release) bool {
	return slices.ContainsFunc(releases, func(d authz.Release) bool { return d.Purpose == old.Purpose && d.Registry == old.Registry })
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
