package consent

import (
	"slices"
	"testing"
	"time"

	"hopnhat/authz"
)

func TestWishesGoToTheFirstDeclarationThatCoversThem(t *testing.T) {
	const name, sex, day, mail = "population.full_name", "population.sex", "population.updated_on", "eid.email"
	prefill := authz.Declaration{Purpose: "dvc.prefill", Basis: authz.BasisConsent, Registry: "population", MaxDays: 30, Attributes: []authz.AttributeID{name, sex}}
	share := authz.Declaration{Purpose: "self.share", Basis: authz.BasisConsent, Registry: "population", MaxDays: 1, Attributes: []authz.AttributeID{name, day}}
	contact := authz.Declaration{Purpose: "dvc.prefill", Basis: authz.BasisState, Registry: "eid", Attributes: []authz.AttributeID{mail}}
	over := prefill
	over.ExpiresAt = noon.Add(-time.Second)
	needs := prefill
	needs.Required = []authz.AttributeID{sex}
	unlawful := authz.Declaration{Purpose: "marketing.any", Basis: authz.BasisConsent, Registry: "population", Attributes: []authz.AttributeID{name}}
	for _, row := range []struct {
		name     string
		declared []authz.Declaration
		wanted   []authz.AttributeID
		want     map[authz.PurposeID][]authz.AttributeID
	}{
		{"one declaration", []authz.Declaration{prefill}, []authz.AttributeID{name}, map[authz.PurposeID][]authz.AttributeID{"dvc.prefill": {name}}},
		{"in the order of the declaration", []authz.Declaration{prefill}, []authz.AttributeID{sex, name}, map[authz.PurposeID][]authz.AttributeID{"dvc.prefill": {name, sex}}},
		{"what none covers is left out", []authz.Declaration{prefill}, []authz.AttributeID{name, mail}, map[authz.PurposeID][]authz.AttributeID{"dvc.prefill": {name}}},
		{"the first that covers it", []authz.Declaration{prefill, share}, []authz.AttributeID{name, day}, map[authz.PurposeID][]authz.AttributeID{"dvc.prefill": {name}, "self.share": {day}}},
		{"one that is over does not count", []authz.Declaration{over, share}, []authz.AttributeID{name, sex}, map[authz.PurposeID][]authz.AttributeID{"self.share": {name}}},
		{"one that the law does not allow does not count", []authz.Declaration{unlawful}, []authz.AttributeID{name}, nil},
		{"it may ask for less than the declaration requires", []authz.Declaration{needs}, []authz.AttributeID{name}, map[authz.PurposeID][]authz.AttributeID{"dvc.prefill": {name}}},
		{"nothing declared", nil, []authz.AttributeID{name}, nil},
		{"another register", []authz.Declaration{contact}, []authz.AttributeID{mail, name}, map[authz.PurposeID][]authz.AttributeID{"dvc.prefill": {mail}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &Consents{Catalogue: catalogue, Broker: broker, Now: func() time.Time { return noon }}
			got := c.Wishes(&authz.Client{ID: "app", Releases: authz.Releases{Declarations: row.declared}}, row.wanted)
			if len(got) != len(row.want) {
				t.Fatalf("got %+v, want %v", got, row.want)
			}
			for _, r := range got {
				if !slices.Equal(r.Attributes, row.want[r.Purpose]) {
					t.Errorf("%s: got %v, want %v", r.Purpose, r.Attributes, row.want[r.Purpose])
				}
				if r.Type != authz.ReleaseType || r.Basis == "" || r.Subject != authz.RecordOfSelf || !r.ValidUntil.After(noon) || !slices.Equal(r.Locations, []string{broker}) {
					t.Errorf("a wish that says too little: %+v", r)
				}
			}
		})
	}
}
