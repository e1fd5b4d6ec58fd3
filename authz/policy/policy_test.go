package policy

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/consent"
)

var (
	noon      = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	catalogue = consent.Load()
	adult     = time.Date(1990, 3, 1, 0, 0, 0, 0, time.UTC)
)

func engine(t interface{ Fatal(...any) }) *Engine {
	e, err := New(catalogue)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// vouched is an operator's word for an app.
var vouched = authz.Verification{By: "operator:an@desk", At: noon}

// facts of a release that everything permits, resting on a consent.
func facts(purpose authz.PurposeID, registry authz.RegistryID, b authz.Basis, attributes ...authz.AttributeID) Facts {
	return Facts{
		Now: noon,
		Client: &authz.Client{ID: "app", Requests: authz.Requests{MinimumLevel: 2}, Verified: vouched, Releases: authz.Releases{
			Declarations: []authz.Declaration{
				{Purpose: purpose, Registry: registry, Basis: b, Attributes: attributes},
			},
		}},
		Asked: Asked{Registry: registry, Purpose: purpose, Attributes: attributes},
		Granted: &authz.Release{
			Registry: registry, Purpose: purpose, Basis: b, Attributes: attributes, ValidUntil: noon.Add(time.Hour),
			ConsentReference: "c#1",
		},
		Consent: &consent.Consent{
			ID: "c", Subject: "an", Client: "app", Purpose: purpose, Registry: registry, Version: 1, State: consent.Approved,
			Attributes: attributes, Basis: b, ValidUntil: noon.Add(time.Hour),
		},
		Subject: "an", Level: 2, Account: 2, Birth: adult,
	}
}

func mortgage() Facts {
	return facts("land.mortgage", "land", authz.BasisConsent, "land.area", "land.certificate_no")
}

// The refusals, each by the one thing that is wrong.
func TestStatute(t *testing.T) {
	e := engine(t)
	for _, row := range []struct {
		name   string
		facts  Facts
		change func(*Facts)
		want   Code // empty: permitted
	}{
		{"all in order", mortgage(), nil, ""},
		{"a state agency needs no consent", facts("dvc.prefill", "population", authz.BasisState, "population.full_name"), func(f *Facts) { f.Consent = nil }, ""},
		{"a state agency's app that nobody vouches for", facts("dvc.prefill", "population", authz.BasisState, "population.full_name"), func(f *Facts) { f.Client.Verified = authz.Verification{} }, AgencyUnverified},
		{"consent, and an app that nobody vouches for", mortgage(), func(f *Facts) { f.Client.Verified = authz.Verification{} }, ""},
		{"nothing granted", mortgage(), func(f *Facts) { f.Granted = nil }, NotGranted},
		{"granted for another purpose", mortgage(), func(f *Facts) { f.Granted.Purpose = "notary.deed" }, NotGranted},
		{"granted for another register", mortgage(), func(f *Facts) { f.Granted.Registry = "civil" }, NotGranted},
		{"the permission is over", mortgage(), func(f *Facts) { f.Granted.ValidUntil = noon }, Expired},
		{"a permission without end", mortgage(), func(f *Facts) { f.Granted.ValidUntil = time.Time{} }, Expired},
		{"no such purpose", mortgage(), func(f *Facts) { f.Asked.Purpose, f.Granted.Purpose = "no.such", "no.such" }, PurposeUnknown},
		{"marketing", facts("marketing.any", "population", authz.BasisConsent, "population.full_name"), nil, PurposeForbidden},
		{"the declaration was taken back", mortgage(), func(f *Facts) { f.Client.Declarations = nil }, NotDeclared},
		{"the declaration is over", mortgage(), func(f *Facts) { f.Client.Declarations[0].ExpiresAt = noon }, NotDeclared},
		{"declared on another basis", mortgage(), func(f *Facts) { f.Client.Declarations[0].Basis = "LB-CONTRACT" }, NotDeclared},
		{"one attribute more than declared", mortgage(), func(f *Facts) { f.Client.Declarations[0].Attributes = f.Asked.Attributes[:1] }, NotDeclared},
		{"one attribute more than granted", mortgage(), func(f *Facts) { f.Granted.Attributes = f.Asked.Attributes[:1] }, AttributeNot},
		{"no attributes", mortgage(), func(f *Facts) { f.Asked.Attributes = nil }, AttributeNot},
		{"an attribute of another register", facts("land.mortgage", "land", authz.BasisConsent, "civil.marital_status"), nil, AttributeNot},
		{"an attribute of another purpose", facts("land.mortgage", "land", authz.BasisConsent, "land.owners"), nil, ClassTooHigh},
		{"an attribute that does not exist", facts("land.mortgage", "land", authz.BasisConsent, "land.ghost"), nil, ClassTooHigh},
		{"a class above the purpose's", facts("health.care", "health", authz.BasisConsent, "health.hiv"), nil, ClassTooHigh},
		{"a basis the purpose does not allow", facts("land.mortgage", "land", authz.BasisState, "land.area"), nil, BasisNotAllowed},
		{"a basis that does not exist", facts("land.mortgage", "land", "LB-WISH", "land.area"), nil, BasisNotAllowed},

		{"no consent", mortgage(), func(f *Facts) { f.Consent = nil }, ConsentMissing},
		{"the grant refers to none", mortgage(), func(f *Facts) { f.Granted.ConsentReference = "" }, ConsentMissing},
		{"the grant refers to nonsense", mortgage(), func(f *Facts) { f.Granted.ConsentReference = "c" }, ConsentMissing},
		{"the consent of another person", mortgage(), func(f *Facts) { f.Consent.Subject = "binh" }, ConsentNotThis},
		{"of nobody", mortgage(), func(f *Facts) { f.Consent.Subject, f.Subject = "", "" }, ConsentNotThis},
		{"the consent of another app", mortgage(), func(f *Facts) { f.Consent.Client = "tax-app" }, ConsentNotThis},
		{"the consent for another purpose", mortgage(), func(f *Facts) { f.Consent.Purpose = "notary.deed" }, ConsentNotThis},
		{"the consent for another register", mortgage(), func(f *Facts) { f.Consent.Registry = "civil" }, ConsentNotThis},
		{"not the consent of the grant", mortgage(), func(f *Facts) { f.Granted.ConsentReference = "d#1" }, ConsentNotThis},
		{"a version that is not yet", mortgage(), func(f *Facts) { f.Granted.ConsentReference = "c#2" }, ConsentNotThis},
		{"a later version that still covers it", mortgage(), func(f *Facts) { f.Consent.Version = 5 }, ""},
		{"a later version that does not", mortgage(), func(f *Facts) { f.Consent.Version, f.Consent.Attributes = 5, f.Asked.Attributes[:1] }, ConsentSuperseded},
		{"given on another basis", mortgage(), func(f *Facts) { f.Consent.Basis = "LB-CONTRACT" }, ConsentSuperseded},
		{"withdrawn and agreed to anew, on the grant of before", mortgage(), func(f *Facts) { f.Consent.Version, f.Consent.Ended = 3, 2 }, ConsentWithdrawn},
		{"on the grant of after", mortgage(), func(f *Facts) {
			f.Consent.Version, f.Consent.Ended, f.Granted.ConsentReference = 3, 2, "c#3"
		}, ""},
		{"withdrawn", mortgage(), func(f *Facts) { f.Consent.State = consent.Withdrawn }, ConsentWithdrawn},
		{"expired by the clock", mortgage(), func(f *Facts) { f.Consent.ValidUntil = noon }, ConsentExpired},
		{"expired", mortgage(), func(f *Facts) { f.Consent.State = consent.Expired }, ConsentExpired},
		{"suspended", mortgage(), func(f *Facts) { f.Consent.State = consent.Suspended }, ConsentSuspended},
		{"ended", mortgage(), func(f *Facts) { f.Consent.State = consent.Ended }, ConsentEnded},
		{"requested only", mortgage(), func(f *Facts) { f.Consent.State = consent.Requested }, ConsentSuperseded},
		{"of no state", mortgage(), func(f *Facts) { f.Consent.State = "" }, ConsentSuperseded},

		{"health data to an insurer on a tick", facts("insure.underwrite", "health", authz.BasisConsent, "health.conditions"), nil, WrittenRequest},
		{"an insurer reads what no insurer may", facts("insure.underwrite", "social_insurance", authz.BasisConsent, "social_insurance.hi_card"), nil, ClassTooHigh},
		{"the account is locked", mortgage(), func(f *Facts) { f.Locked = true }, AccountLocked},
		{"locked, a state agency", facts("dvc.prefill", "population", authz.BasisState, "population.full_name"), func(f *Facts) { f.Locked = true }, AccountLocked},
		{"locked, disaster", facts("disaster.relief", "population", authz.BasisVital, "population.current_address"), func(f *Facts) { f.Locked = true }, ""},
		{"dead", mortgage(), func(f *Facts) { f.Dead = true }, SubjectDead},
		{"dead, disaster", facts("disaster.relief", "population", authz.BasisVital, "population.current_address"), func(f *Facts) { f.Dead = true }, ""},
		{"below the app's level", mortgage(), func(f *Facts) { f.Client.MinimumLevel = 3 }, LevelTooLow},
		{"one factor, though the app accepts it", mortgage(), func(f *Facts) { f.Client.MinimumLevel, f.Level = 1, 1 }, LevelTooLow},
		{"a child's tick", mortgage(), func(f *Facts) { f.Birth = noon.AddDate(-10, 0, 0) }, ChildNeedsBoth},
		{"a child and a state agency", facts("dvc.prefill", "population", authz.BasisState, "population.full_name"), func(f *Facts) { f.Birth = noon.AddDate(-10, 0, 0) }, ""},
		{"nobody knows how old", mortgage(), func(f *Facts) { f.Birth = time.Time{} }, AgeUnknown},
		{"the basis for children, without two consents", facts("edu.enrol", "education", authz.BasisChild, "education.school"), func(f *Facts) { f.Birth = noon.AddDate(-10, 0, 0) }, ChildNeedsBoth},
		{"a birth date for an age check", facts("authn.age", "population", authz.BasisConsent, "population.birth_date"), nil, ClassTooHigh},
		{"a date for a yes-or-no purpose", facts("transport.rental", "driving", authz.BasisConsent, "driving.valid_until"), nil, PredicateOnly},
		{"a yes or no for it", facts("transport.rental", "driving", authz.BasisConsent, "driving.valid_now"), nil, ""},
		{"the land register and an account proofed at a distance", mortgage(), func(f *Facts) { f.Account = 1 }, RegistryPolicy},
		{"an unknown register", facts("land.mortgage", "stars", authz.BasisConsent, "stars.area"), nil, ClassTooHigh},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := row.facts
			if row.change != nil {
				row.change(&f)
			}
			v := e.Decide(f)
			if v.Permit != (row.want == "") {
				t.Fatalf("got %+v, want %q", v, row.want)
			}
			if v.Permit != (len(v.Reasons) == 0) {
				t.Fatalf("permit %v with reasons %v", v.Permit, v.Reasons)
			}
			if !v.Permit && !slices.ContainsFunc(v.Reasons, func(r Reason) bool { return r.Code == row.want }) {
				t.Fatalf("got %v, want %q among them", v.Reasons, row.want)
			}
			if !slices.Contains(v.Determining, StatutoryVersion) || v.Permit && (v.PolicyHash == "" || len(v.Determining) < 2) {
				t.Fatalf("the decision does not say what determined it: %+v", v)
			}
		})
	}
}

func TestNothingIsPermittedByDefault(t *testing.T) {
	if v := engine(t).Decide(Facts{}); v.Permit || len(v.Reasons) == 0 {
		t.Fatalf("got %+v", v)
	}
}

func TestAgeTurnsAtMidnightInHanoi(t *testing.T) {
	birth := time.Date(2008, 11, 24, 0, 0, 0, 0, time.UTC)
	leap := time.Date(2008, 2, 29, 0, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name  string
		birth time.Time
		now   time.Time
		want  int
	}{
		{"one second before midnight", birth, time.Date(2026, 11, 23, 16, 59, 59, 0, time.UTC), 17},
		{"midnight", birth, time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC), 18},
		{"a leap day's child on 28 February", leap, time.Date(2026, 2, 28, 12, 0, 0, 0, time.UTC), 17},
		{"a leap day's child on 1 March", leap, time.Date(2026, 2, 28, 17, 0, 0, 0, time.UTC), 18},
		{"the day of birth", birth, time.Date(2008, 11, 24, 1, 0, 0, 0, time.UTC), 0},
	} {
		if got := Age(row.birth, row.now); got != row.want {
			t.Errorf("%s: got %d, want %d", row.name, got, row.want)
		}
	}
}

func TestEveryRegisterHasAPolicyAndItsHashIsItsOwn(t *testing.T) {
	e, again := engine(t), engine(t)
	hashes := map[string][]authz.RegistryID{}
	for _, r := range catalogue.Registries {
		s := e.slices[r.ID]
		if s == nil || s.hash == "" || s.hash != again.slices[r.ID].hash {
			t.Fatalf("register %q: no stable hash", r.ID)
		}
		hashes[s.hash] = append(hashes[s.hash], r.ID)
	}
	if len(hashes) != 3 { // default, health, land
		t.Fatalf("got %v", hashes)
	}
}

// forbidden says in other words, and without the code under test, what may never
// leave.
func forbidden(f Facts) bool {
	g, c := f.Granted, f.Consent
	if g == nil || f.Client == nil || g.Registry != f.Asked.Registry || g.Purpose != f.Asked.Purpose || !f.Now.Before(g.ValidUntil) {
		return true
	}
	four := g.Basis == "LB-COURT" || g.Basis == "LB-VITAL" || g.Basis == "LB-EMERGENCY-SECURITY" || g.Basis == "LB-SUPERVISION"
	if (f.Locked || f.Dead) && !four || f.Level < f.Client.MinimumLevel || f.Level < 2 {
		return true
	}
	var purpose consent.Purpose
	for _, p := range catalogue.Purposes {
		if p.ID == f.Asked.Purpose {
			purpose = p
		}
	}
	if purpose.ID == "" || purpose.Mode == "forbidden" || !slices.Contains(purpose.AllowedBases, g.Basis) {
		return true
	}
	needs := slices.Contains([]authz.Basis{"LB-CONSENT", "LB-WRITTEN-REQUEST", "LB-DUAL-AUTHORITY", "LB-CHILD", "LB-ORG"}, g.Basis)
	if needs &&
		(c == nil || c.State != consent.Approved || !f.Now.Before(c.ValidUntil) || c.Subject != f.Subject || c.Client != f.Client.ID ||
			c.Purpose != g.Purpose || c.Registry != g.Registry) {
		return true
	}
	if g.Basis == "LB-CONSENT" && (f.Birth.IsZero() || f.Birth.AddDate(17, 0, 0).After(f.Now)) {
		return true
	}
	for _, id := range f.Asked.Attributes {
		inDeclaration := slices.ContainsFunc(f.Client.Declarations, func(d authz.Declaration) bool {
			return d.Purpose == g.Purpose && d.Registry == g.Registry && slices.Contains(d.Attributes, id)
		})
		if !inDeclaration || !slices.Contains(g.Attributes, id) || needs && !slices.Contains(c.Attributes, id) {
			return true
		}
		a, ok := catalogue.Attribute(id)
		if !ok || a.Class == "P3" || a.Class == "P2" && purpose.MaxClass != "P2" && purpose.MaxClass != "P3" ||
			purpose.PredicateOnly && id == "population.birth_date" {
			return true
		}
	}
	return len(f.Asked.Attributes) == 0
}

// Whatever the facts, nothing leaves that the oracle forbids, a refusal has a
// reason, and one more thing wrong never turns a refusal into a permit.
func TestNoFactsLetOutWhatIsForbidden(t *testing.T) {
	e := engine(t)
	var attributes []authz.AttributeID
	for _, r := range catalogue.Registries {
		for _, a := range r.Attributes {
			attributes = append(attributes, a.ID)
		}
	}
	var bases []authz.Basis
	for _, b := range catalogue.Bases {
		bases = append(bases, b.ID)
	}
	permitted := 0
	rapid.Check(t, func(t *rapid.T) {
		purpose := rapid.SampledFrom(catalogue.Purposes).Draw(t, "purpose")
		registry := rapid.SampledFrom(catalogue.Registries).Draw(t, "register")
		var fit []authz.AttributeID
		for _, a := range registry.Attributes {
			if slices.Contains(a.Purposes, purpose.ID) {
				fit = append(fit, a.ID)
			}
		}
		if len(fit) == 0 || rapid.IntRange(0, 9).Draw(t, "wild") == 0 {
			fit = attributes
		}
		basis := rapid.SampledFrom(purpose.AllowedBases).Draw(t, "basis")
		if rapid.IntRange(0, 9).Draw(t, "another basis") == 0 {
			basis = rapid.SampledFrom(bases).Draw(t, "which")
		}
		f := facts(purpose.ID, registry.ID, basis, rapid.SliceOfNDistinct(rapid.SampledFrom(fit), 1, 5, rapid.ID).Draw(t, "attributes")...)
		for _, wrong := range []struct {
			name string
			do   func()
		}{
			{"locked", func() { f.Locked = true }},
			{"dead", func() { f.Dead = true }},
			{"level", func() { f.Level = authz.AuthenticationLevel(rapid.IntRange(0, 4).Draw(t, "to")) }},
			{"account", func() { f.Account = authz.AccountLevel(rapid.IntRange(0, 2).Draw(t, "to")) }},
			{"state", func() { f.Consent.State = rapid.SampledFrom(consent.States()).Draw(t, "to") }},
			{"person", func() { f.Consent.Subject = "binh" }},
			{"app", func() { f.Consent.Client = "other" }},
			{"over", func() { f.Consent.ValidUntil = noon.Add(-time.Second) }},
			{"narrower consent", func() { f.Consent.Attributes = f.Consent.Attributes[1:] }},
			{"narrower grant", func() { f.Granted.Attributes = f.Granted.Attributes[1:] }},
			{"undeclared", func() { f.Client.Declarations = nil }},
			{"no consent", func() { f.Consent = nil }},
			{"young", func() { f.Birth = noon.AddDate(-rapid.IntRange(0, 20).Draw(t, "years"), 0, 0) }},
		} {
			if f.Consent == nil {
				break
			}
			if rapid.IntRange(0, 11).Draw(t, wrong.name) == 0 {
				wrong.do()
			}
		}
		v := e.Decide(f)
		if v.Permit {
			permitted++
		}
		if v.Permit && forbidden(f) {
			t.Fatalf("let out: %+v with %+v", f, v)
		}
		if v.Permit != (len(v.Reasons) == 0) {
			t.Fatalf("permit %v, reasons %v", v.Permit, v.Reasons)
		}
		for _, r := range v.Reasons {
			if !slices.Contains(Codes(), r.Code) || r.Article == "" {
				t.Fatalf("reason %+v is not in the list, or has no article", r)
			}
		}
		worse := f
		worse.Locked, worse.Dead, worse.Level = true, true, 0
		if e.Decide(worse).Permit {
			t.Fatalf("level 0 let out: %+v", worse)
		}
	})
	if permitted == 0 {
		t.Fatal("the property never saw a permit: its facts are too wrong to tell anything")
	}
}

func TestTheHighestClassOfAReleaseDecides(t *testing.T) {
	e := engine(t)
	if got := e.highestClass([]authz.AttributeID{"land.use_purpose", "health.conditions", "population.sex"}); got != "P2" {
		t.Fatalf("got %s", got)
	}
}

func BenchmarkDecide(b *testing.B) {
	e, err := New(catalogue)
	if err != nil {
		b.Fatal(err)
	}
	f := mortgage()
	for b.Loop() {
		if !e.Decide(f).Permit {
			b.Fatal("refused")
		}
	}
}
