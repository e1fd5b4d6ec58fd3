package consent

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/keys/jose"
)

const good = `{"type":"vn_data_release","registry":"land","purpose":"land.mortgage","attributes":["land.owners","land.area"]`

func TestParseDetails(t *testing.T) {
	for _, row := range []struct{ name, raw, want string }{
		{"a minimal element", `[` + good + `}]`, ""},
		{"all members", `[` + good + `,"legal_basis":"LB-CONSENT","subject":"self","case_reference":"Hồ sơ 12","frequency":"3/day","data_life":"P30D","valid_until":"2026-12-01T00:00:00+07:00","locations":["http://x"]}]`, ""},
		{"an unknown member is named", `[` + good + `,"colour":"red"}]`, "unknown member 'colour'"},
		{"an unknown member with a quote", `[` + good + `,"a\"b":1}]`, "unknown member 'a?b'"},
		{"an unknown member with a line break", `[` + good + `,"a\nb":1}]`, "a text holds the character U+000A"},
		{"a member in other case is unknown", `[` + strings.Replace(good, `"registry"`, `"Registry"`, 1) + `}]`, "unknown member 'Registry'"},
		{"a member twice", `[` + good + `,"purpose":"land.transfer"}]`, "twice"},
		{"a member twice in other case", `[` + good + `,"Purpose":"land.transfer"}]`, "twice"},
		{"null is no value", `[` + strings.Replace(good, `"land.mortgage"`, `null`, 1) + `}]`, "member purpose is of a wrong type"},
		{"attributes as a text", `[` + strings.Replace(good, `["land.owners","land.area"]`, `"land.area"`, 1) + `}]`, "member attributes is of a wrong type"},
		{"a number among the attributes", `[` + strings.Replace(good, `"land.area"`, `7`, 1) + `}]`, "member attributes is of a wrong type"},
		{"a time that is none", `[` + good + `,"valid_until":"tomorrow"}]`, "member valid_until is of a wrong type"},
		{"RFC 9396 §2: another type", `[{"type":"payment_initiation"}]`, "type must be vn_data_release"},
		{"RFC 9396 §2: no type", `[{"registry":"land"}]`, "type must be vn_data_release"},
		{"no registry", `[{"type":"vn_data_release","purpose":"p","attributes":["land.area"]}]`, "registry is missing"},
		{"no purpose", `[{"type":"vn_data_release","registry":"land","attributes":["land.area"]}]`, "purpose is missing"},
		{"no attributes", `[{"type":"vn_data_release","registry":"land","purpose":"p"}]`, "attributes must have 1 to 50"},
		{"an attribute twice", `[` + strings.Replace(good, `"land.area"`, `"land.owners"`, 1) + `}]`, "stands twice"},
		{"51 attributes", `[` + strings.Replace(good, `"land.owners"`, strings.Repeat(`"land.a",`, 49)+`"land.b"`, 1) + `}]`, "attributes must have 1 to 50"},
		{"the same purpose and register twice", `[` + good + `},` + good + `}]`, "asked for twice"},
		{"a consent reference of its own", `[` + good + `,"consent_reference":"c#1"}]`, "given by the provider"},
		{"a control character in the case reference", `[` + good + `,"case_reference":"a\u0007"}]`, "a text holds the character U+0007"},
		{"a case reference too long", `[` + good + `,"case_reference":"` + strings.Repeat("a", 257) + `"}]`, "too long"},
		{"not a list", good + `}`, "must be a list"},
		{"an empty list", `[]`, "1 to 10 elements"},
		{"null", `null`, "1 to 10 elements"},
		{"eleven elements", `[` + strings.Repeat(`{},`, 10) + `{}]`, "1 to 10 elements"},
		{"data after the list", `[` + good + `}] []`, "after"},
		{"cut short", `[` + good, "not valid JSON"},
		{"nothing", ``, "not valid JSON"},
		{"too long", `[` + strings.Repeat(" ", maxDetailsBytes) + `]`, "longer than"},
		{"too deep", `[{"type":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}]`, "deep"},
		{"bytes that are not UTF-8", `[` + good + ",\"case_reference\":\"\xff\"}]", "UTF-8"},
	} {
		t.Run(row.name, func(t *testing.T) {
			releases, err := ParseDetails([]byte(row.raw))
			if row.want == "" {
				if err != nil || len(releases) != 1 || releases[0].Registry != "land" || len(releases[0].Attributes) != 2 {
					t.Fatalf("got %+v, %v", releases, err)
				}
				return
			}
			var told *authz.Error
			if !errors.As(err, &told) || told.Code != authz.InvalidAuthorizationDetails || !strings.Contains(told.Description, row.want) {
				t.Fatalf("got %v, want invalid_authorization_details with %q (RFC 9396 §5)", err, row.want)
			}
			if strings.ContainsAny(told.Description, "\"\\\r\n") {
				t.Fatalf("the description may not stand in a redirect: %q", told.Description)
			}
		})
	}
}

// What is accepted holds nothing that another parser would see more in: written
// out again it is the same to the byte-exact members and parses to the same.
func FuzzParseDetails(f *testing.F) {
	f.Add([]byte(`[` + good + `}]`))
	f.Add([]byte(`[` + good + `,"frequency":"3/day","data_life":"P30D","valid_until":"2026-12-01T00:00:00Z","locations":["http://x"],"subject":"self"}]`))
	f.Add([]byte(`[` + good + `,"Registry":"x"}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		releases, err := ParseDetails(raw)
		if err != nil {
			var told *authz.Error
			if !errors.As(err, &told) || len(told.Description) > 400 {
				t.Fatalf("an error of another kind, or one that echoes too much: %v", err)
			}
			return
		}
		var generic []map[string]json.RawMessage
		if err := json.Unmarshal(raw, &generic); err != nil || len(generic) != len(releases) || jose.CheckJSON(raw) != nil {
			t.Fatalf("accepted what a second parser refuses or reads otherwise: %v", err)
		}
		for i, r := range releases {
			written, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var members map[string]json.RawMessage
			if err := json.Unmarshal(written, &members); err != nil {
				t.Fatal(err)
			}
			for name := range generic[i] {
				if _, ok := members[name]; !ok && name != "locations" && name != "case_reference" && name != "frequency" &&
					name != "data_life" &&
					name != "legal_basis" && name != "subject" && name != "valid_until" {
					t.Fatalf("member %q was overlooked", name)
				}
			}
			if r.Type != authz.ReleaseType || len(r.Attributes) == 0 || r.ConsentReference != "" {
				t.Fatalf("accepted %+v", r)
			}
		}
		again, err := json.Marshal(releases)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) <= maxDetailsBytes {
			if _, err := ParseDetails(again); err != nil {
				t.Fatalf("what was accepted is refused when written out: %v", err)
			}
		}
	})
}

var (
	noon      = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	catalogue = Load()
)

const broker = "http://localhost:8440/broker/v1"

func landApp() *authz.Client {
	return &authz.Client{
		ID: "land-app", Name: authz.LocalizedText{VI: "Đất đai Đà Nẵng", EN: "Land of Da Nang"},
		Owner: authz.LocalizedText{VI: "UBND", EN: "Da Nang"},
		Releases: authz.Releases{
			Declarations: []authz.Declaration{
				{
					Purpose: "land.mortgage", Basis: authz.BasisConsent, Registry: "land", Attributes: []authz.AttributeID{"land.certificate_no", "land.area", "land.encumbrance"},
					Required: []authz.AttributeID{"land.certificate_no"}, MaxDays: 7, Frequency: "5/day", DataLife: "P30D",
					Explanation: authz.LocalizedText{VI: "Vì thế chấp", EN: "For the mortgage"},
				},
				{Purpose: "dvc.prefill", Basis: authz.BasisState, Registry: "population", Attributes: []authz.AttributeID{"population.full_name"}},
				{
					Purpose: "land.transfer", Basis: authz.BasisState, Registry: "land", Attributes: []authz.AttributeID{"land.owners"},
					ExpiresAt: noon.Add(-time.Hour),
				},
			},
		},
	}
}

func mortgage(change func(*authz.Release)) []authz.Release {
	r := authz.Release{
		Type: authz.ReleaseType, Registry: "land", Purpose: "land.mortgage", Attributes: []authz.AttributeID{"land.certificate_no", "land.area"},
	}
	if change != nil {
		change(&r)
	}
	return []authz.Release{r}
}

func TestCheckHoldsReleasesToTheDeclaration(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*authz.Release)
		want   string
	}{
		{"as declared", nil, ""},
		{"narrower than declared", func(r *authz.Release) {
			r.Frequency, r.DataLife, r.ValidUntil = "2/day", "P1D", noon.Add(time.Hour)
		}, ""},
		{"purpose unknown", func(r *authz.Release) { r.Purpose = "no.such" }, "not in the catalogue"},
		{"purpose not declared", func(r *authz.Release) { r.Purpose = "notary.deed" }, "no declaration in force"},
		{"declaration of another register", func(r *authz.Release) { r.Registry = "tax" }, "no declaration in force"},
		{"declaration expired", func(r *authz.Release) {
			r.Purpose, r.Attributes = "land.transfer", []authz.AttributeID{"land.owners"}
		}, "no declaration in force"},
		{"another basis", func(r *authz.Release) { r.Basis = authz.BasisState }, "on legal basis 'LB-STATE'"},
		{"marketing, by name", func(r *authz.Release) { r.Purpose = "marketing.any" }, "marketing"},
		{"attribute not declared", func(r *authz.Release) { r.Attributes = append(r.Attributes, "land.parcel_id") }, "'land.parcel_id' is not in this app's declaration"},
		{"required attribute left out", func(r *authz.Release) { r.Attributes = r.Attributes[1:] }, "declared as required"},
		{"more often than declared", func(r *authz.Release) { r.Frequency = "6/day" }, "more than this app declared"},
		{"without limit", func(r *authz.Release) { r.Frequency = "unlimited" }, "more than this app declared"},
		{"a frequency that is none", func(r *authz.Release) { r.Frequency = "often" }, "frequency must be"},
		{"kept longer than declared", func(r *authz.Release) { r.DataLife = "P31D" }, "longer than this app declared"},
		{"a life that is none", func(r *authz.Release) { r.DataLife = "P1Y" }, "data_life must be"},
		{"valid too long", func(r *authz.Release) { r.ValidUntil = noon.AddDate(0, 0, 8) }, "more than 7 days"},
		{"valid until the past", func(r *authz.Release) { r.ValidUntil = noon }, "past"},
		{"RFC 9396 §2.2: another broker", func(r *authz.Release) { r.Locations = []string{"https://evil.example"} }, "served by"},
		{"RFC 9396 §2.2: our broker", func(r *authz.Release) { r.Locations = []string{broker} }, ""},
		{"on behalf of another", func(r *authz.Release) { r.Subject = authz.RecordOfRepresented }, "not offered"},
	} {
		t.Run(row.name, func(t *testing.T) {
			wanted := mortgage(row.change)
			kept := slices.Clone(wanted[0].Attributes)
			got, err := catalogue.Check(landApp(), wanted, broker, noon)
			if row.want != "" {
				var told *authz.Error
				if !errors.As(err, &told) || told.Code != authz.InvalidAuthorizationDetails ||
					!strings.Contains(told.Description, row.want) {
					t.Fatalf("got %v, want %q", err, row.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			r := got[0]
			if r.Basis != authz.BasisConsent || r.Subject != authz.RecordOfSelf || r.Frequency == "" || r.DataLife == "" ||
				!r.ValidUntil.After(noon) || r.ValidUntil.After(noon.AddDate(0, 0, 7)) || !slices.Equal(r.Locations, []string{broker}) {
				t.Fatalf("defaults: got %+v", r)
			}
			if !slices.Equal(kept, wanted[0].Attributes) || wanted[0].Basis != "" {
				t.Fatal("the caller's value was changed")
			}
		})
	}
}

func TestCheckDeclaration(t *testing.T) {
	for _, row := range []struct {
		name string
		d    authz.Declaration
		want string
	}{
		{"marketing", authz.Declaration{Purpose: "marketing.any", Basis: authz.BasisConsent, Registry: "population", Attributes: []authz.AttributeID{"population.full_name"}}, "forbidden"},
		{"health data to an insurer on a consent", authz.Declaration{Purpose: "insure.underwrite", Basis: authz.BasisConsent, Registry: "health", Attributes: []authz.AttributeID{"health.conditions"}}, "written request"},
		{"a value for a yes-or-no purpose", authz.Declaration{Purpose: "transport.rental", Basis: authz.BasisConsent, Registry: "driving", Attributes: []authz.AttributeID{"driving.valid_until"}}, "yes or no only"},
		{"a yes or no for it", authz.Declaration{Purpose: "transport.rental", Basis: authz.BasisConsent, Registry: "driving", Attributes: []authz.AttributeID{"driving.valid_now"}}, ""},
		{"an attribute of another purpose", authz.Declaration{Purpose: "dvc.prefill", Basis: authz.BasisState, Registry: "health", Attributes: []authz.AttributeID{"health.hiv"}}, "may not be used"},
		{"an attribute of another register", authz.Declaration{Purpose: "dvc.prefill", Basis: authz.BasisState, Registry: "land", Attributes: []authz.AttributeID{"population.full_name"}}, "not in register"},
		{"a basis the purpose does not allow", authz.Declaration{Purpose: "dvc.eligibility", Basis: authz.BasisConsent, Registry: "population", Attributes: []authz.AttributeID{"population.full_name"}}, "does not allow basis"},
		{"required but not declared", authz.Declaration{Purpose: "dvc.prefill", Basis: authz.BasisState, Registry: "population", Attributes: []authz.AttributeID{"population.full_name"}, Required: []authz.AttributeID{"population.sex"}}, "not among the declared"},
		{"no attributes", authz.Declaration{Purpose: "dvc.prefill", Basis: authz.BasisState, Registry: "population"}, "1 to 50"},
		{"a frequency that is none", authz.Declaration{Purpose: "dvc.prefill", Basis: authz.BasisState, Registry: "population", Attributes: []authz.AttributeID{"population.full_name"}, Frequency: "0/day"}, "once, unlimited or N/day"},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := catalogue.CheckDeclaration(row.d)
			if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
				t.Fatalf("got %v, want %q", err, row.want)
			}
		})
	}
}

// Every row of the catalogue points at rows that exist.
func TestTheCatalogueIsWhole(t *testing.T) {
	if len(catalogue.Bases) != 14 || len(catalogue.Purposes) != 57 || len(catalogue.Registries) != 15 || len(catalogue.attributes) != 125 {
		t.Fatalf(
			"got %d bases, %d purposes, %d registers, %d attributes", len(catalogue.Bases), len(catalogue.Purposes),
			len(catalogue.Registries), len(catalogue.attributes),
		)
	}
	for _, p := range catalogue.Purposes {
		if p.VI == "" || p.EN == "" || p.Citation == "" || p.Sector == "" || !slices.Contains([]string{"PUB", "P1", "P2", "P3", "O1"}, p.MaxClass) ||
			!slices.Contains([]string{"immediate", "delayed", "hidden"}, p.Visibility) || !slices.Contains(p.AllowedBases, p.DefaultBasis) ||
			!slices.Contains([]string{ModeNone, ModeStanding, ModeWrittenRequest, ModeForbidden, "per_release"}, p.Mode) {
			t.Errorf("purpose %q: %+v", p.ID, p)
		}
		for _, b := range p.AllowedBases {
			if _, ok := catalogue.Basis(b); !ok {
				t.Errorf("purpose %q allows basis %q, which is not there", p.ID, b)
			}
		}
	}
	for _, r := range catalogue.Registries {
		for _, a := range r.Attributes {
			if !InRegistry(a.ID, r.ID) || a.VI == "" || a.EN == "" || rank(a.Class) == 3 && a.Class != "P3" || len(a.Purposes) == 0 {
				t.Errorf("attribute %q: %+v", a.ID, a)
			}
			for _, p := range a.Purposes {
				if _, ok := catalogue.Purpose(p); !ok {
					t.Errorf("attribute %q is for purpose %q, which is not there", a.ID, p)
				}
			}
		}
	}
}

func TestParseFrequencyReadsTheNarrowestWhenInDoubt(t *testing.T) {
	for text, want := range map[string]Frequency{
		"": {}, "unlimited": {}, "once": {Limit: 1}, "3/day": {Limit: 3, PerDay: true}, "0/day": {Limit: 1}, "-1/day": {Limit: 1}, "x": {Limit: 1}, "99999999999999999999/day": {Limit: 1},
	} {
		if got := ParseFrequency(text); got != want {
			t.Errorf("%q: got %+v, want %+v", text, got, want)
		}
	}
}
