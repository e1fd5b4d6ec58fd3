package authz

import (
	"testing"

	"pgregory.net/rapid"
)

func TestPrincipalCheck(t *testing.T) {
	company := Represented{Subject: "company", Kind: Organisation}
	for _, row := range []struct {
		name string
		p    Principal
		good bool
	}{
		{"herself", Herself("an"), true},
		{"for an organisation under a mandate", Acting("an", company, "m"), true},
		{"nobody", Principal{}, false},
		{"a mandate for nobody", Principal{Actor: "an", Mandate: "m"}, false},
		{"for another without a mandate", Acting("an", company, ""), false},
		{"for another of no kind", Acting("an", Represented{Subject: "company"}, "m"), false},
		{"for nobody under a mandate", Acting("an", Represented{Kind: Organisation}, "m"), false},
		{"for herself under a mandate", Acting("an", Represented{Subject: "an", Kind: Citizen}, "m"), false},
	} {
		if err := row.p.Check(); (err == nil) != row.good {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// TestPrincipalHerself: what a person does for herself concerns her and reaches her own
// record; what she does for another concerns the other, and is never equal to it.
func TestPrincipalHerself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SampledFrom([]Subject{"an", "binh", "company"})
		actor, other := names.Draw(t, "actor"), names.Filter(func(s Subject) bool { return s != "" }).Draw(t, "other")
		hers := Herself(actor)
		if !hers.ForHerself() || hers.Concerned() != actor || hers.Relation() != RecordOfSelf || hers.Represented() != (Represented{}) ||
			hers.Check() != nil {
			t.Fatalf("%+v", hers)
		}
		acting := Acting(actor, Represented{Subject: other, Kind: Organisation}, "m")
		if acting.ForHerself() || acting.Concerned() != other || acting.Relation() != RecordOfRepresented || acting.Equal(hers) ||
			hers.Equal(acting) {
			t.Fatalf("%+v", acting)
		}
		again := Acting(actor, Represented{Subject: other, Kind: Organisation}, "m")
		if !acting.Equal(again) || acting.Equal(Acting(actor, acting.Represented(), "another")) {
			t.Fatal("the same person for the same under the same mandate is the same principal, and no other")
		}
	})
}
