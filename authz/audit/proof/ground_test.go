package proof

import (
	"strings"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
)

const consentOrigin = "hopnhat.example/consent/dc1/2026q3"

// agreed is the n-th event by which a consent was given, as it stands in a consent log.
func agreed(n int) Record {
	e := event(n)
	e.Type, e.Decision, e.Data.Attributes, e.Payload = audit.ConsentApproved, audit.Decision{}, nil, audit.Payload{}
	e.ID = strings.Replace(e.ID, "0197a1b2-c3d4", "0197a1b2-0000", 1)
	e.When.Decided = e.When.Decided.Add(-24 * time.Hour)
	return record(e, byte(100+n))
}

// consents is a consent log of n events, signed by some keys.
func consents(n int, signers ...testSigner) *memLog {
	l := &memLog{records: map[uint64]Record{}, signers: signers, name: consentOrigin}
	for i := range n {
		l.records[uint64(i)] = agreed(i)
		l.leaves = append(l.leaves, leafOf(agreed(i)))
	}
	return l
}

// released is a release log whose one event rests on a consent event, or on what is said there.
func released(determining, basis string) *memLog {
	e := event(1)
	e.Decision.Determining = []string{"statutory/consent", determining}
	if basis != "" {
		e.Reason.Basis = "LB-STATUTE"
	}
	l := &memLog{records: map[uint64]Record{0: record(e, 7)}, signers: []testSigner{newSigner(origin, 1)}, name: origin}
	l.leaves = [][]byte{leafOf(l.records[0])}
	return l
}

// reference is how a release names an event.
func reference(r Record) string {
	d, err := r.disclosure()
	if err != nil {
		panic(err)
	}
	return commitment.Reference{ID: d.ID, Commitment: d.Commitment()}.String()
}

// restsOn is a proof of a release with this ground.
func restsOn(g Ground) File {
	log := consents(5, newSigner(consentOrigin, 1))
	switch g {
	case GroundNone:
		f := released("other", "law").file(0)
		f.Ground = g
		return f
	case GroundUnproved:
		f := released("other", "").file(0)
		f.Ground = g
		return f
	default:
		f, given := released(reference(agreed(2)), "").file(0), log.file(2)
		f.Ground, f.Given = GroundProved, &given
		return f
	}
}

// TestAReleaseAndItsConsent: the file proves both, and that they belong together.
func TestAReleaseAndItsConsent(t *testing.T) {
	key := newSigner(origin, 1)
	log := consents(5, newSigner(consentOrigin, 1))
	with := func(f File, change func(f *File)) File {
		if f.Given != nil {
			given := *f.Given
			f.Given = &given
		}
		change(&f)
		return f
	}
	proved := restsOn(GroundProved)
	other := consents(5, newSigner(consentOrigin, 9))
	for _, row := range []struct {
		name    string
		file    File
		trusted []string
		failed  string // the step; empty if all hold
		pinned  bool
	}{
		{"the key of the release log, which signs both", proved, []string{key.vkey}, "", true},
		{"the keys of both", proved, []string{key.vkey, log.signers[0].vkey}, "", true},
		{"no key", proved, nil, "", false},
		{"the key of another log", proved, []string{newSigner(origin, 9).vkey}, "Key of the log", false},
		{"a consent log of another key", with(proved, func(f *File) { *f.Given = other.file(2) }), []string{key.vkey}, "", false},
		{
			"a consent log of another key, which is given", with(proved, func(f *File) { *f.Given = other.file(2) }),
			[]string{key.vkey, other.signers[0].vkey},
			"", true,
		},
		{"another consent than the release names", with(proved, func(f *File) { *f.Given = log.file(3) }), nil, "What the release rests on", false},
		{
			"the release in the place of its consent", with(proved, func(f *File) { *f.Given = released("x", "").file(0) }), nil,
			"What the release rests on", false,
		},
		{"a consent that is not in the log", with(proved, func(f *File) { f.Given.Inclusion.Index = 3 }), nil, "Consent: The entry is in the log", false},
		{
			"a consent that was not signed", with(proved, func(f *File) { f.Given.LogKey, f.Given.Inclusion.Keys = newSigner(consentOrigin, 3).vkey, nil }), nil,
			"Consent: The log's signature on its checkpoint", false,
		},
		{"a consent that is left out, and said to be", with(proved, func(f *File) { f.Ground, f.Given = GroundUnproved, nil }), nil, "", false},
		{
			"a consent that is left out, as if there were none", with(proved, func(f *File) { f.Ground, f.Given = GroundNone, nil }), nil,
			"What the release rests on", false,
		},
		{"a consent that is left out, and said to be proved", with(proved, func(f *File) { f.Given = nil }), nil, "Structure of the file", false},
		{"a release by law", restsOn(GroundNone), []string{key.vkey}, "", true},
		{
			"a release by law with a consent", with(restsOn(GroundNone), func(f *File) { given := log.file(2); f.Ground, f.Given = GroundProved, &given }), nil,
			"What the release rests on", false,
		},
		{
			"a release by law that is said to rest on a consent", with(restsOn(GroundNone), func(f *File) { f.Ground = GroundUnproved }), nil,
			"What the release rests on", false,
		},
		{"a release of before, whose consent is not named", restsOn(GroundUnproved), []string{key.vkey}, "", true},
		{
			"a release of before, as if by law", with(restsOn(GroundUnproved), func(f *File) { f.Ground = GroundNone }), nil,
			"What the release rests on", false,
		},
		{"a ground that is none of these", with(restsOn(GroundNone), func(f *File) { f.Ground = "maybe" }), nil, "What the release rests on", false},
		{"an event that is no release", with(log.file(1), func(f *File) { f.Ground = GroundNone }), nil, "What the release rests on", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := Verify(row.file.Marshal(), row.trusted)
			failed, _ := r.Failed()
			if failed.EN != row.failed || r.Pinned != row.pinned {
				t.Errorf("failed at %q (%v), pinned %v; want %q, %v", failed.EN, failed.Err, r.Pinned, row.failed, row.pinned)
			}
			if want := map[Ground]int{GroundProved: 2}[row.file.Ground]; r.OK() && len(r.Events) != max(want, 1) || !r.OK() && len(r.Events) > 0 {
				t.Errorf("it proves %d events", len(r.Events))
			}
			if _, err := Unmarshal(row.file.Marshal()); err != nil && row.failed != "Structure of the file" {
				t.Error(err)
			}
		})
	}
}

// TestPartsOfAReleaseThatTellOfItsConsent: where they are withheld nothing can be said.
func TestPartsOfAReleaseThatTellOfItsConsent(t *testing.T) {
	l := released("other", "law")
	for name, row := range map[string]struct {
		show []commitment.Group
		ok   bool
	}{
		"both shown": {[]commitment.Group{commitment.Reason, commitment.Decision}, true}, "no basis": {[]commitment.Group{commitment.Decision}, false},
		"no decision": {[]commitment.Group{commitment.Reason}, false},
	} {
		f := l.partial(0, row.show...)
		f.Ground = GroundNone
		if r := Verify(f.Marshal(), l.vkeys()); r.OK() != row.ok {
			t.Errorf("%s: %v", name, r.OK())
		}
	}
}

// TestAConsentOfSomebodyElse: the release names an event that is of another person, app, purpose
// and consent, and was given after it; both stand in their logs.
func TestAConsentOfSomebodyElse(t *testing.T) {
	e := event(1)
	e.Type, e.Decision, e.Data.Attributes, e.Payload = audit.ConsentApproved, audit.Decision{}, nil, audit.Payload{}
	e.ID = strings.Replace(e.ID, "0197a1b2-c3d4", "0197a1b2-0000", 1)
	e.Person.Pseudonym, e.Asked.Client, e.Reason.Purpose = "z0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g", "another-app", "another.purpose"
	e.Consent.ID, e.Consent.Version, e.When.Decided = "another-consent", 7, e.When.Decided.AddDate(0, 0, 10)
	given := record(e, 102)
	log := &memLog{records: map[uint64]Record{0: given}, signers: []testSigner{newSigner(consentOrigin, 1)}, name: consentOrigin}
	log.leaves = [][]byte{leafOf(given)}
	f, g := released(reference(given), "").file(0), log.file(0)
	f.Ground, f.Given = GroundProved, &g
	r := Verify(f.Marshal(), []string{newSigner(origin, 1).vkey})
	if failed, _ := r.Failed(); failed.EN != "What the release rests on" || len(r.Events) > 0 {
		t.Errorf("failed at %q: %v", failed.EN, failed.Err)
	}
}

// TestGroundOf: what a server asks of an event before it makes a file of it.
func TestGroundOf(t *testing.T) {
	named := released(reference(agreed(2)), "").records[0]
	for name, row := range map[string]struct {
		event Record
		want  Ground
		id    string
	}{
		"a release that names its consent": {named, GroundProved, "0197a1b2-0000-7e5f-8a6b-000000000002"},
		"a release of before":              {released("x", "").records[0], GroundUnproved, ""},
		"a release by law":                 {released("x", "law").records[0], GroundNone, ""},
		"a consent":                        {agreed(2), "", ""},
	} {
		got, r, err := GroundOf(row.event.Event)
		if err != nil || got != row.want || r.ID != row.id {
			t.Errorf("%s: %q, %q, %v", name, got, r.ID, err)
		}
	}
	if _, _, err := GroundOf([]byte("{")); err == nil {
		t.Error("what is no event has a ground")
	}
}
