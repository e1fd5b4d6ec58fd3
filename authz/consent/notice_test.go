package consent

import (
	"reflect"
	"testing"
	"time"

	"hopnhat/authz"
)

// notice is one with everything in it.
func notice() Notice {
	client := healthApp()
	client.Owner, client.RedirectURIs, client.Profile = authz.LocalizedText{VI: "Bộ Y tế", EN: "Ministry of Health"}, []string{"https://clinic.example/cb"}, authz.FAPI2
	const site = "https://clinic.example"
	client.LogoURI, client.PolicyURI, client.TermsURI = site+"/logo", site+"/policy", site+"/terms"
	releases, err := catalogue.Check(client, care("health.allergies", "health.blood_type"), broker, noon)
	if err != nil {
		panic(err)
	}
	n := Notice{
		Client: client, Items: catalogue.Plan(client, releases, nil, noon), Kept: []authz.Release{{Purpose: "land.mortgage", Registry: "land"}},
		Level: 2, Locale: "vi", Texts: "texts", Catalogue: "catalogue",
	}
	n.Items[0].Recipients = []Recipient{{ID: "lab", Name: authz.LocalizedText{VI: "Phòng xét nghiệm"}}}
	return n
}

// TestADigestIsOfAllThatIsShown: whatever changes on the page, in either language,
// makes another digest, and the same page the same.
func TestADigestIsOfAllThatIsShown(t *testing.T) {
	before := notice().Digest()
	if again := notice().Digest(); again != before {
		t.Fatalf("the same notice has digests %s and %s", before, again)
	}
	for name, change := range map[string]func(n *Notice){
		"the app's name": func(n *Notice) { n.Client.Name.EN = "x" },
		"the agency":     func(n *Notice) { n.Client.Owner.EN = "x" },
		"who vouches":    func(n *Notice) { n.Client.Verified = authz.Verification{By: "operator", At: noon} },
		"the site":       func(n *Notice) { n.Client.RedirectURIs = []string{"https://x.example/cb"} },
		"that it is on the device": func(n *Notice) {
			n.Client.Profile, n.Client.RedirectURIs = authz.Native, []string{"http://127.0.0.1/cb"}
		},
		"the logo":                     func(n *Notice) { n.Client.LogoURI = "x" },
		"the data policy":              func(n *Notice) { n.Client.PolicyURI = "x" },
		"the terms of use":             func(n *Notice) { n.Client.TermsURI = "x" },
		"the level told":               func(n *Notice) { n.Level = 3 },
		"the language":                 func(n *Notice) { n.Locale = "en" },
		"our own words":                func(n *Notice) { n.Texts = "x" },
		"the catalogue":                func(n *Notice) { n.Catalogue = "x" },
		"what the grant holds already": func(n *Notice) { n.Kept = nil },
		"an item less":                 func(n *Notice) { n.Items = nil },
		"whether it is asked":          func(n *Notice) { n.Items[0].Asked = false },
		"what covers it":               func(n *Notice) { n.Items[0].Covered = &Consent{ID: "c", Version: 1} },
		"why the app needs it":         func(n *Notice) { n.Items[0].Declaration.Explanation.EN = "x" },
		"the declaration's end":        func(n *Notice) { n.Items[0].Declaration.ExpiresAt = noon },
		"the purpose":                  func(n *Notice) { n.Items[0].Purpose.EN = "x" },
		"the law":                      func(n *Notice) { n.Items[0].Basis.Citation = "x" },
		"the register":                 func(n *Notice) { n.Items[0].Registry.VI = "x" },
		"who keeps the register":       func(n *Notice) { n.Items[0].Registry.Owner = "x" },
		"an attribute's name":          func(n *Notice) { n.Items[0].Attributes[0].Attribute.VI = "x" },
		"an attribute's class":         func(n *Notice) { n.Items[0].Attributes[0].Attribute.Class = "P1" },
		"an attribute that is needed":  func(n *Notice) { n.Items[0].Attributes[1].Required = true },
		"an attribute less":            func(n *Notice) { n.Items[0].Attributes = n.Items[0].Attributes[:1] },
		"a recipient's name":           func(n *Notice) { n.Items[0].Recipients[0].Name.VI = "x" },
		"a recipient less":             func(n *Notice) { n.Items[0].Recipients = nil },
		"how often":                    func(n *Notice) { n.Items[0].Release.Frequency = "3/day" },
		"how long it is kept":          func(n *Notice) { n.Items[0].Release.DataLife = "P9D" },
		"until when":                   func(n *Notice) { n.Items[0].Release.ValidUntil = noon.Add(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			n := notice()
			change(&n)
			if n.Digest() == before {
				t.Error("the digest is the same")
			}
		})
	}
}

// TestANoticeHasNoOtherField: what is added to a notice goes into its digest, or it is
// not shown.
func TestANoticeHasNoOtherField(t *testing.T) {
	if got := reflect.TypeFor[Notice]().NumField(); got != 7 {
		t.Errorf("a notice has %d fields, 7 are in its digest: see Digest", got)
	}
}
