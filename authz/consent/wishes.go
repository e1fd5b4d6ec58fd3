package consent

import (
	"slices"

	"hopnhat/authz"
)

// Wishes makes wishes for releases out of attributes that claims about the person
// need (OpenID Connect Core §5.4, §5.5). Each attribute goes to the first of the
// client's declarations in force that covers it, in the order of its registration;
// what none covers is left out. Unlike a request by authorization_details it may
// leave out what the declaration requires: it asks for less.
func (c *Consents) Wishes(client *authz.Client, attributes []authz.AttributeID) []authz.Release {
	now := c.Now()
	wished := make([][]authz.AttributeID, len(client.Declarations))
	for _, id := range attributes {
		i := slices.IndexFunc(client.Declarations, func(d authz.Declaration) bool {
			return slices.Contains(d.Attributes, id) && (d.ExpiresAt.IsZero() || now.Before(d.ExpiresAt))
		})
		if i >= 0 {
			wished[i] = append(wished[i], id)
		}
	}
	var out []authz.Release
	for i := range client.Declarations {
		d := &client.Declarations[i]
		if len(wished[i]) == 0 || c.Catalogue.CheckDeclaration(*d) != nil {
			continue
		}
		// As the app declared them, which is how the person reads them.
		slices.SortFunc(
			wished[i], func(a, b authz.AttributeID) int { return slices.Index(d.Attributes, a) - slices.Index(d.Attributes, b) },
		)
		r := authz.Release{Type: authz.ReleaseType, Registry: d.Registry, Attributes: wished[i], Purpose: d.Purpose, Basis: d.Basis}
		found := slices.ContainsFunc(out, func(have authz.Release) bool { return have.Purpose == r.Purpose && have.Registry == r.Registry })
		purpose, _ := c.Catalogue.Purpose(d.Purpose)
		if !found && fill(&r, d, purpose, c.Broker, now) == nil {
			out = append(out, r)
		}
	}
	return out
}
