package consent

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/authz"
)

// healthApp asks for a purpose whose consents may stand.
func healthApp() *authz.Client {
	return &authz.Client{
		ID: "clinic", Name: authz.LocalizedText{VI: "Phòng khám", EN: "Clinic"},
		Releases: authz.Releases{
			Declarations: []authz.Declaration{{
				Purpose: "health.care", Basis: authz.BasisConsent, Registry: "health", MaxDays: 365,
				Attributes: []authz.AttributeID{"health.allergies", "health.blood_type", "health.conditions"}, Required: []authz.AttributeID{"health.allergies"},
			}},
		},
	}
}

func care(attributes ...authz.AttributeID) []authz.Release {
	return []authz.Release{{Type: authz.ReleaseType, Registry: "health", Purpose: "health.care", Attributes: attributes}}
}

func checked(t interface{ Fatal(...any) }, client *authz.Client, wanted []authz.Release) []authz.Release {
	releases, err := catalogue.Check(client, wanted, broker, noon)
	if err != nil {
		t.Fatal(err)
	}
	return releases
}

func standing(item Item) Consent {
	return Consent{
		ID: "c1", Subject: "an", Client: "clinic", Purpose: "health.care", Registry: "health", Version: 3, State: Approved,
		Attributes: []authz.AttributeID{"health.allergies", "health.blood_type"}, Basis: authz.BasisConsent, Frequency: "unlimited",
		ValidUntil: noon.AddDate(0, 1, 0), TextHash: item.TextHash,
	}
}

func TestPlanAsksOnlyWhatNoLiveConsentCovers(t *testing.T) {
	client := healthApp()
	hash := catalogue.Plan(client, checked(t, client, care("health.allergies")), nil, noon)[0]
	for _, row := range []struct {
		name   string
		client func(*authz.Client)
		change func(*Consent)
		want   []authz.AttributeID
		asked  bool
	}{
		{"covered", nil, nil, []authz.AttributeID{"health.allergies", "health.blood_type"}, false},
		{"fewer than agreed", nil, nil, []authz.AttributeID{"health.allergies"}, false},
		{"one more than agreed", nil, nil, []authz.AttributeID{"health.allergies", "health.conditions"}, true},
		{"one more, which stood on the page and was left out", nil, func(c *Consent) {
			c.Offered = []authz.AttributeID{"health.allergies", "health.blood_type", "health.conditions"}
		}, []authz.AttributeID{"health.allergies", "health.conditions"}, false},
		{"a required one, which was left out", nil, func(c *Consent) {
			c.Attributes, c.Offered = []authz.AttributeID{"health.blood_type"}, []authz.AttributeID{"health.allergies", "health.blood_type"}
		}, []authz.AttributeID{"health.allergies", "health.blood_type"}, true},
		{"withdrawn", nil, func(c *Consent) { c.State = Withdrawn }, []authz.AttributeID{"health.allergies"}, true},
		{"over", nil, func(c *Consent) { c.ValidUntil = noon }, []authz.AttributeID{"health.allergies"}, true},
		{"other words", func(c *authz.Client) { c.Declarations[0].Explanation.VI = "Để quảng cáo" }, nil, []authz.AttributeID{"health.allergies"}, true},
		{"another name of the app", func(c *authz.Client) { c.Name.VI = "Phòng khám 2" }, nil, []authz.AttributeID{"health.allergies"}, true},
		{"kept longer", func(c *authz.Client) { c.Declarations[0].DataLife = "P900D" }, nil, []authz.AttributeID{"health.allergies"}, true},
		{"agreed to fewer uses", nil, func(c *Consent) { c.Frequency = "1/day" }, []authz.AttributeID{"health.allergies"}, true},
		{"on another basis", nil, func(c *Consent) { c.Basis = authz.BasisWrittenRequest }, []authz.AttributeID{"health.allergies"}, true},
		{"of another purpose", nil, func(c *Consent) { c.Purpose = "health.referral" }, []authz.AttributeID{"health.allergies"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			client, agreed := healthApp(), standing(hash)
			if row.client != nil {
				row.client(client)
			}
			if row.change != nil {
				row.change(&agreed)
			}
			items := catalogue.Plan(client, checked(t, client, care(row.want...)), []Consent{agreed}, noon)
			if len(items) != 1 || items[0].Asked != row.asked || (items[0].Covered == nil) != row.asked {
				t.Fatalf("got %+v, want asked %v", items, row.asked)
			}
			if !row.asked && items[0].Release.ConsentReference != "c1#3" {
				t.Fatalf("got reference %q", items[0].Release.ConsentReference)
			}
			Again(items)
			if !items[0].Asked {
				t.Fatal("prompt=consent does not ask")
			}
		})
	}
}

func TestAPurposeForEachReleaseIsAskedEachTime(t *testing.T) {
	client := landApp()
	items := catalogue.Plan(client, checked(t, client, mortgage(nil)), nil, noon)
	agreed := Consent{
		ID: "c", Client: client.ID, Purpose: "land.mortgage", Registry: "land", Version: 1, State: Approved, Basis: authz.BasisConsent,
		Frequency:  "5/day",
		Attributes: items[0].Release.Attributes, ValidUntil: noon.AddDate(0, 0, 7), TextHash: items[0].TextHash,
	}
	if items = catalogue.Plan(client, checked(t, client, mortgage(nil)), []Consent{agreed}, noon); !items[0].Asked {
		t.Fatal("land.mortgage is consent per release, yet it was not asked again")
	}
}

func TestWhatRestsOnAnotherBasisIsToldAndNotAsked(t *testing.T) {
	client := landApp()
	wanted := append(mortgage(nil), authz.Release{
		Type: authz.ReleaseType, Registry: "population", Purpose: "dvc.prefill", Attributes: []authz.AttributeID{"population.full_name"},
	})
	items := catalogue.Plan(client, checked(t, client, wanted), nil, noon)
	if len(items) != 2 || !items[0].Asked || items[1].Asked || items[1].Basis.ID != authz.BasisState {
		t.Fatalf("got %+v", items)
	}
	Again(items)
	if items[1].Asked {
		t.Fatal("prompt=consent asks for what needs no consent")
	}
}

// TestALawfulReadIsToldAgainWhenItChanges: in other words, more attributes, more often.
func TestALawfulReadIsToldAgainWhenItChanges(t *testing.T) {
	told := func(change func(d *authz.Declaration, r *authz.Release)) Item {
		client := &authz.Client{ID: "land", Releases: authz.Releases{
			Declarations: []authz.Declaration{{
				Purpose: "dvc.prefill", Basis: authz.BasisState, Registry: "population", Frequency: "3/day", DataLife: "P30D",
				Attributes: []authz.AttributeID{"population.full_name", "population.birth_date"},
			}},
		}}
		wanted := authz.Release{
			Type: authz.ReleaseType, Registry: "population", Purpose: "dvc.prefill", Attributes: []authz.AttributeID{"population.full_name"},
		}
		change(&client.Declarations[0], &wanted)
		return catalogue.Plan(client, checked(t, client, []authz.Release{wanted}), nil, noon)[0]
	}
	before := told(func(*authz.Declaration, *authz.Release) {})
	for _, row := range []struct {
		name   string
		change func(d *authz.Declaration, r *authz.Release)
		news   bool
	}{
		{"the same", func(*authz.Declaration, *authz.Release) {}, false},
		{"another attribute", func(_ *authz.Declaration, r *authz.Release) {
			r.Attributes = []authz.AttributeID{"population.birth_date"}
		}, true},
		{"other words", func(d *authz.Declaration, _ *authz.Release) { d.Explanation.VI = "Khác" }, true},
		{"a recipient more", func(d *authz.Declaration, _ *authz.Release) { d.Recipients = []authz.ClientID{"b"} }, true},
		{"kept longer", func(d *authz.Declaration, _ *authz.Release) { d.DataLife = "P90D" }, true},
		{"without limit", func(d *authz.Declaration, _ *authz.Release) { d.Frequency = "unlimited" }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			item := told(row.change)
			if item.Informed = before.telling(); item.news() != row.news {
				t.Errorf("told again: %v, want %v", item.news(), row.news)
			}
		})
	}
}

func TestSensitiveDataAreMarked(t *testing.T) {
	client := healthApp()
	for _, a := range catalogue.Plan(client, checked(t, client, care("health.allergies")), nil, noon)[0].Attributes {
		if !a.Attribute.Sensitive() {
			t.Fatalf("%s is class %s and not marked (Decree 356/2025/NĐ-CP Art. 6(4))", a.Attribute.ID, a.Attribute.Class)
		}
	}
}

// Nothing is chosen that was not ticked: the required attributes by the item, an
// optional one by itself, and never without the required.
func TestChosenIsWhatWasTicked(t *testing.T) {
	client := healthApp()
	all := client.Declarations[0].Attributes
	item := catalogue.Plan(client, checked(t, client, care(all...)), nil, noon)[0]
	rapid.Check(t, func(t *rapid.T) {
		ticked := map[string]bool{}
		for _, id := range append([]string{item.ID, "junk"}, item.Attributes[0].ID, item.Attributes[1].ID, item.Attributes[2].ID) {
			if rapid.Bool().Draw(t, id) {
				ticked[id] = true
			}
		}
		chosen, complete := item.Chosen(ticked)
		required := slices.Contains(chosen, "health.allergies")
		if required != ticked[item.ID] {
			t.Fatalf("the required attribute: chosen %v, ticked %v", required, ticked[item.ID])
		}
		for _, id := range []authz.AttributeID{"health.blood_type", "health.conditions"} {
			if slices.Contains(chosen, id) != ticked[item.ID+"/"+string(id)] {
				t.Fatalf("%s: got %v of %v", id, chosen, ticked)
			}
		}
		if complete != (required || len(chosen) == 0) {
			t.Fatalf("complete is %v for %v", complete, chosen)
		}
	})
}

// A consent never covers an attribute it does not list, whatever it says else.
func TestAConsentCoversOnlyItsAttributes(t *testing.T) {
	client := healthApp()
	all := client.Declarations[0].Attributes
	hash := catalogue.Plan(client, checked(t, client, care(all...)), nil, noon)[0]
	rapid.Check(t, func(t *rapid.T) {
		agreed := standing(hash)
		agreed.Attributes = rapid.SliceOfDistinct(rapid.SampledFrom(all), rapid.ID).Draw(t, "agreed")
		optional := rapid.SliceOfDistinct(rapid.SampledFrom(all[1:]), rapid.ID).Draw(t, "asked")
		asked := append([]authz.AttributeID{"health.allergies"}, optional...)
		item := catalogue.Plan(client, checked(t, client, care(asked...)), []Consent{agreed}, noon)[0]
		for _, a := range asked {
			if item.Covered != nil && !slices.Contains(agreed.Attributes, a) {
				t.Fatalf("a consent to %v covers %s", agreed.Attributes, a)
			}
		}
	})
}

// TestWhatWasLeftOutStaysOut: a permission without asking holds what was agreed to,
// and never what merely stood on the page.
func TestWhatWasLeftOutStaysOut(t *testing.T) {
	all := []authz.AttributeID{"health.allergies", "health.blood_type", "health.conditions"}
	client := healthApp()
	rapid.Check(t, func(t *rapid.T) {
		optional := rapid.SliceOfDistinct(rapid.SampledFrom(all[1:]), rapid.ID[authz.AttributeID])
		wanted := checked(t, client, care(append(all[:1:1], optional.Draw(t, "wanted")...)...))
		consent := standing(catalogue.Plan(client, wanted, nil, noon)[0])
		consent.Attributes, consent.Offered = append(all[:1:1], optional.Draw(t, "agreed")...), optional.Draw(t, "offered")
		item := catalogue.Plan(client, wanted, []Consent{consent}, noon)[0]
		if item.Asked {
			return
		}
		for _, a := range wanted[0].Attributes {
			if agreed, got := slices.Contains(consent.Attributes, a), slices.Contains(item.grantedRelease().Attributes, a); agreed != got {
				t.Fatalf("%s: agreed %v, granted %v", a, agreed, got)
			}
		}
	})
}
