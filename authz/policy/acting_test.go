package policy

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/authz"
)

// TestNobodyReceivesUndeclared: whatever apps act and whatever they declare, a
// permit means that each has a declaration of its own in force that covers what is
// asked, accepts the level, and, where the basis is consent, was named to the
// person and is named still.
func TestNobodyReceivesUndeclared(t *testing.T) {
	e := engine(t)
	apps := []authz.ClientID{"one", "two", "three"}
	permitted := 0
	rapid.Check(t, func(t *rapid.T) {
		f := mortgage()
		if rapid.Bool().Draw(t, "state") {
			f = facts("dvc.prefill", "population", authz.BasisState, "population.full_name")
			f.Consent = nil
		}
		names := rapid.SliceOfDistinct(rapid.SampledFrom(apps), rapid.ID[authz.ClientID])
		f.Granted.Recipients = names.Draw(t, "told")
		f.Client.Declarations[0].Recipients = names.Draw(t, "declared")
		for _, id := range names.Draw(t, "actors") {
			if rapid.IntRange(0, 9).Draw(t, "gone") == 0 {
				f.Actors = append(f.Actors, nil)
				continue
			}
			d := f.Client.Declarations[0]
			d.Attributes = slices.Clone(d.Attributes)
			switch rapid.IntRange(0, 9).Draw(t, "flaw") {
			case 0:
				d.Purpose = "another.purpose"
			case 1:
				d.Registry = "tax"
			case 2:
				d.Basis = "LB-CONTRACT"
			case 3:
				d.ExpiresAt = noon
			case 4:
				d.Attributes = d.Attributes[1:]
			}
			actor := &authz.Client{
				ID: id, Requests: authz.Requests{MinimumLevel: authz.AuthenticationLevel(rapid.IntRange(1, 3).Draw(t, "level"))},
			}
			if rapid.IntRange(0, 4).Draw(t, "unverified") > 0 {
				actor.Verified = vouched
			}
			if rapid.IntRange(0, 9).Draw(t, "silent") > 0 {
				actor.Declarations = []authz.Declaration{d}
			}
			f.Actors = append(f.Actors, actor)
		}
		if !e.Decide(f).Permit {
			return
		}
		permitted++
		for _, actor := range f.Actors {
			if actor == nil || actor.MinimumLevel > f.Level {
				t.Fatalf("received by %+v", actor)
			}
			covered := slices.ContainsFunc(actor.Declarations, func(d authz.Declaration) bool {
				return d.Purpose == f.Asked.Purpose && d.Registry == f.Asked.Registry && d.Basis == f.Granted.Basis &&
					d.ExpiresAt.IsZero() && contains(d.Attributes, f.Asked.Attributes)
			})
			named := slices.Contains(f.Granted.Recipients, actor.ID) && slices.Contains(f.Client.Declarations[0].Recipients, actor.ID)
			if !covered || f.Granted.Basis == authz.BasisConsent && !named {
				t.Fatalf("%s receives: covered %v, named %v", actor.ID, covered, named)
			}
			if f.Granted.Basis != authz.BasisConsent && !actor.Verified.Holds() {
				t.Fatalf("%s, for which nobody vouches, receives without consent", actor.ID)
			}
		}
	})
	if permitted == 0 {
		t.Error("nothing was ever permitted: the property proves nothing")
	}
}
