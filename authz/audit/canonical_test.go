package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/audit/commitment"
)

// sample is a permitted release with every field set.
func sample() Event {
	return Event{
		ID: "0197a1b2-c3d4-7e5f-8a6b-0123456789ab", Type: ReleasePermitted,
		Asked: Asked{
			Client: "https://datdai.danang.example", Name: "Dịch vụ đất đai Đà Nẵng", Owner: "UBND thành phố Đà Nẵng",
			Tier: "province",
		},
		Trace: Trace{Grant: "0197a1b2-0000-7000-8000-000000000001", Latency: 1234, RequestID: "req-1"},
		Person: Person{
			Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g", Kind: "citizen", Relation: "self", Sequence: 7,
			Actor: "z9Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g", Role: "official", Mandate: "m-1",
		},
		Reason: Reason{
			Purpose: "dvc.prefill", Basis: authz.BasisConsent, Citation: "Law 91/2025/QH15 Art. 9", CaseReference: "H17.12-261123-0042",
		},
		Consent: Consent{ID: "0197a1b2-0000-7000-8000-000000000002", Version: 3, Text: strings.Repeat("ab", 32), Channel: "web", Locale: "vi"},
		Data: Data{
			Registry: "land", Attributes: []authz.AttributeID{"land.parcel", "population.full_name"}, Catalogue: "2026-10", Form: "value",
			Query: "",
		},
		Payload: Payload{Digest: "x", Records: 2},
		Decision: Decision{
			Permit: true, Partial: true, Code: "permitted", Determining: []string{"land/1", "statutory/consent"},
			PolicyHash: "ff",
		},
		Levels:     Levels{Account: 2, ACR: "urn:vn:gov:eid:auth-level:2"},
		When:       When{Decided: time.Date(2026, 11, 23, 7, 48, 27, 123456000, time.UTC), Site: "dc1"},
		Visibility: Visibility{Sight: Delayed, Until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Authority: "A01"},
		Emergency:  Emergency{Reason: "flood", Text: "lũ quét", Drill: true},
		Detail:     Detail{Action: "a", Object: "b", Text: "c", Count: 4, Methods: []string{"otp", "pwd"}},
	}
}

func texts() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[a-z0-9./:-]{0,20}`),
		rapid.StringOfN(rapid.RuneFrom([]rune(`aăâđêôơưếộữ "'\<>&/=+`)), 0, 24, -1),
		rapid.Map(rapid.String(), func(s string) string {
			if s = norm.NFC.String(s); commitment.CheckText(s) != nil {
				return ""
			}
			return s
		}),
	)
}

// events draws any event that may become evidence.
func events() *rapid.Generator[Event] {
	return rapid.Custom(func(t *rapid.T) Event {
		e := sample()
		fill(t, reflect.ValueOf(&e).Elem())
		e.ID = rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`).Draw(t, "id")
		e.Type = rapid.SampledFrom(append(Types(), "release.of-later")).Draw(t, "type")
		e.When.Decided = time.UnixMicro(rapid.Int64Range(946684800e6, 4102444800e6).Draw(t, "decided"))
		e.Visibility.Until = time.Time{}
		if rapid.Bool().Draw(t, "delayed") {
			e.Visibility.Until = time.UnixMicro(rapid.Int64Range(946684800e6, 4102444800e6).Draw(t, "until"))
		}
		e.Visibility.Sight = rapid.SampledFrom([]Sight{"", Visible, Delayed, Hidden}).Draw(t, "sight")
		e.Person.Pseudonym = rapid.StringMatching(`[A-Za-z_-]{1}[A-Za-z0-9_-]{24,43}`).Draw(t, "pseudonym")
		e.Person.Actor = rapid.SampledFrom([]string{"", e.Person.Pseudonym, sample().Person.Actor}).Draw(t, "actor")
		if rapid.Bool().Draw(t, "without consent") {
			e.Consent.ID, e.Consent.NoConsent = "", e.Consent.NoConsent+"x"
		} else {
			e.Consent.NoConsent, e.Consent.Version = "", e.Consent.Version+1
			e.Consent.ID += "x"
		}
		if e.Type == ReleasePermitted {
			e.Decision.Permit = true
			e.Asked.Client += "x"
			e.Reason.Purpose, e.Reason.Basis, e.Data.Registry = e.Reason.Purpose+"x", e.Reason.Basis+"x", e.Data.Registry+"x"
			e.Data.Attributes = append(e.Data.Attributes, "x")
		}
		return e
	})
}

func fill(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.String:
		v.SetString(texts().Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64Range(0, 1e12).Draw(t, "number"))
	case reflect.Slice:
		v.SetLen(0)
		for range rapid.IntRange(0, 4).Draw(t, "items") {
			item := reflect.New(v.Type().Elem()).Elem()
			item.SetString(texts().Draw(t, "item") + "i")
			v.Set(reflect.Append(v, item))
		}
	default:
		t.Fatalf("a field of kind %s: draw it here", v.Kind())
	}
}

func TestWhatIsParsedIsWhatWasRecorded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := events().Draw(t, "event")
		canonical, err := e.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(canonical)
		if err != nil {
			t.Fatalf("%v\n%s", err, canonical)
		}
		if want := e.Normalized(); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", plain(got), plain(want))
		}
		// A reader that knows nothing of events sees the same groups.
		id, eventType, split, err := commitment.Split(canonical)
		if err != nil || id != e.ID || eventType != string(e.Type) {
			t.Fatalf("split into %q, %q: %v", id, eventType, err)
		}
		_, groups, err := e.Normalized().encode()
		if err != nil || !reflect.DeepEqual(groups, split) {
			t.Fatalf("groups %q, want %q (%v)", groups, split, err)
		}
	})
}

type plain Event // prints its fields

// TestEveryFieldIsCommittedTo changes one field at a time: canonical bytes and
// leaf must change with each, or evidence could be altered unseen.
func TestEveryFieldIsCommittedTo(t *testing.T) {
	salt := NewSalt()
	original := sample()
	wantBytes, err := original.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	wantLeaf, err := Leaf(original, salt)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{string(wantBytes): "the original"}
	var walk func(name string, field func(*Event) reflect.Value)
	walk = func(name string, field func(*Event) reflect.Value) {
		changed := sample()
		v := field(&changed)
		switch v.Kind() {
		case reflect.Struct:
			if v.Type() != reflect.TypeFor[time.Time]() {
				for i := range v.NumField() {
					walk(name+"."+v.Type().Field(i).Name, func(e *Event) reflect.Value { return field(e).Field(i) })
				}
				return
			}
			v.Set(reflect.ValueOf(v.Interface().(time.Time).Add(time.Microsecond)))
		case reflect.String:
			v.SetString(v.String() + "0")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int, reflect.Int64:
			v.SetInt(v.Int() + 1)
		case reflect.Slice:
			v.Index(0).SetString(v.Index(0).String() + "0")
		}
		switch name { // fields whose other values are bound by a rule
		case ".ID":
			changed.ID = "0197a1b2-c3d4-7e5f-8a6b-0123456789ac"
		case ".Type":
			changed.Type = ReleaseRefused
		case ".Visibility.Sight":
			changed.Visibility.Sight = Hidden
		case ".Decision.Permit":
			changed.Type = ReleaseRefused
		case ".Consent.NoConsent":
			changed.Consent.ID = ""
		}
		got, err := changed.Canonical()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if other, again := seen[string(got)]; again {
			t.Errorf("changing %s gives the bytes of %s", name, other)
		}
		seen[string(got)] = name
		leaf, err := Leaf(changed, salt)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(leaf, wantLeaf) {
			t.Errorf("changing %s does not change the leaf", name)
		}
	}
	walk("", func(e *Event) reflect.Value { return reflect.ValueOf(e).Elem() })
	if len(seen) < 45 {
		t.Errorf("only %d fields were tried", len(seen))
	}
}

// TestAKindOfALaterRelease is read, since during an upgrade both serve one database,
// and not written.
func TestAKindOfALaterRelease(t *testing.T) {
	e := sample()
	if err := e.CheckNew(); err != nil {
		t.Fatal(err)
	}
	e.Type = "release.of-later"
	raw, err := e.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Parse(raw); err != nil || got.Type != e.Type {
		t.Errorf("got %v, %v", got, err)
	}
	if err := e.CheckNew(); err == nil || !strings.Contains(err.Error(), "type is not known") {
		t.Errorf("written: %v", err)
	}
}

func TestWhatCannotBecomeEvidence(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Event)
		want   string
	}{
		{"no id", func(e *Event) { e.ID = "" }, "UUIDv7"},
		{"an id of another version", func(e *Event) { e.ID = "0197a1b2-c3d4-4e5f-8a6b-0123456789ab" }, "UUIDv7"},
		{"no type", func(e *Event) { e.Type = "" }, "type"},
		{"a type that no leaf holds", func(e *Event) { e.Type = "release.2" }, "type"},
		{"no time", func(e *Event) { e.When.Decided = time.Time{} }, "time"},
		{"a personal number for a pseudonym", func(e *Event) { e.Person.Pseudonym = "099123456789" }, "number of a person"},
		{"a padded personal number for an actor", func(e *Event) { e.Person.Actor = "00000000099123456789" }, "number of a person"},
		{"a line break in a channel", func(e *Event) { e.Consent.Channel = "a\nb" }, "U+000A"},
		{"a text that turns its direction", func(e *Event) { e.Reason.Citation = "a\u202eb" }, "U+202E"},
		{"bytes that are no text", func(e *Event) { e.Reason.Citation = "a\xffb" }, "U+FFFD"},
		{"a purpose that is not in form NFC", func(e *Event) { e.Reason.Purpose = "a\u0301" }, "NFC"},
		{"a text without end", func(e *Event) { e.Detail.Text = strings.Repeat("x", 2000) }, "1024"},
		{"a tab", func(e *Event) { e.Detail.Text = "a\tb" }, "U+0009"},
		{"a delete character", func(e *Event) { e.Detail.Text = "a\x7fb" }, "U+007F"},
		{"a line separator", func(e *Event) { e.Detail.Text = "a\u2028b" }, "U+2028"},
		{"a replacement character", func(e *Event) { e.Detail.Text = "a\ufffdb" }, "U+FFFD"},
		{"a negative count", func(e *Event) { e.Payload.Records = -1 }, "negative"},
		{"a number no double holds", func(e *Event) { e.Payload.Records = 1 << 60 }, "too large"},
		{"a release without a basis", func(e *Event) { e.Reason.Basis = "" }, "legal basis"},
		{"a release without consent or reason", func(e *Event) { e.Consent.ID = "" }, "consent"},
		{"a release with consent without version", func(e *Event) { e.Consent.Version = 0 }, "consent"},
		{"a consent and a reason for none", func(e *Event) { e.Consent.NoConsent = "law" }, "also why none"},
		{"a release of nothing", func(e *Event) { e.Data.Attributes = nil }, "attributes"},
		{"a release to nobody", func(e *Event) { e.Asked.Client = "" }, "client"},
		{"a permitted release that was refused", func(e *Event) { e.Decision.Permit = false }, "not permitted"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := sample()
			row.change(&e)
			_, err := e.Canonical()
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("got %v, want an error with %q", err, row.want)
			}
			if strings.Contains(err.Error(), "099123456789") {
				t.Errorf("the error tells the number: %v", err)
			}
		})
	}
}

func TestParseRefusesEveryOtherForm(t *testing.T) {
	good, err := sample().Canonical()
	if err != nil {
		t.Fatal(err)
	}
	s := string(good)
	for _, row := range []struct{ name, raw string }{
		{"white space", strings.Replace(s, `"v":1`, `"v": 1`, 1)},
		{"a line break at the end", s + "\n"},
		{"something behind", s + `{}`},
		{"a doubled member", strings.Replace(s, `"v":1`, `"v":1,"v":1`, 1)},
		{"an unknown member", strings.Replace(s, `"v":1`, `"v":1,"w":1`, 1)},
		{"an unknown field", strings.Replace(s, `"drill":true`, `"drill":true,"e":1`, 1)},
		{"an escape that need not be", strings.Replace(s, "permitted", `\u0070ermitted`, 1)},
		{"names out of order", strings.Replace(s, `"records":2`, `"a":2`, 1)},
		{"a null", strings.Replace(s, `"account":2`, `"account":null`, 1)},
		{"a fraction", strings.Replace(s, `"account":2`, `"account":2.0`, 1)},
		{"an exponent", strings.Replace(s, `"account":2`, `"account":2e0`, 1)},
		{"an empty text", strings.Replace(s, `"site":"dc1"`, `"site":""`, 1)},
		{"a time with an offset", strings.Replace(s, `27.123456Z`, `27.123456+00:00`, 1)},
		{"another version", strings.Replace(s, `"v":1`, `"v":2`, 1)},
		{"no event", `{}`},
		{"a list", `[]`},
		{"nothing", ``},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.raw == s {
				t.Fatal("the row changes nothing")
			}
			if e, err := Parse([]byte(row.raw)); err == nil {
				t.Fatalf("accepted as %v", e)
			}
		})
	}
}

func TestEachGroupHasItsMember(t *testing.T) {
	canonical, err := sample().Canonical()
	if err != nil {
		t.Fatal(err)
	}
	members, err := commitment.ParseObject(canonical) // RFC 8785 §3.2.3: and they stand in order
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range commitment.Groups() {
		if _, ok := members[string(g)].(map[string]any); !ok {
			t.Errorf("no field of the event is in group %q", g)
		}
	}
	if len(members) != len(commitment.Groups())+3 {
		t.Errorf("got %d members, want each group, id, type and v", len(members))
	}
}

func TestAnEventDoesNotPrintItself(t *testing.T) {
	e := sample()
	for _, printed := range []string{fmt.Sprint(e), fmt.Sprintf("%+v", e), fmt.Sprintf("%#v", e), fmt.Sprintf("%v", NewSalt()), fmt.Sprintf("%x", NewSalt())} {
		if strings.Contains(printed, e.Person.Pseudonym) || len(printed) > 80 {
			t.Errorf("printed %q", printed)
		}
	}
}

func FuzzParse(f *testing.F) {
	good, err := sample().Canonical()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"decision":{"permit":false},"id":"0197a1b2-c3d4-7e5f-8a6b-0123456789ab","type":"session.signed-out","v":1,"when":{"decided":"2026-11-23T07:48:27Z"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := Parse(raw)
		if err != nil {
			return
		}
		again, err := e.Canonical()
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("accepted %q, writes %q (%v)", raw, again, err)
		}
		var loose any // a second parser must see the same and nothing more
		if err := json.Unmarshal(raw, &loose); err != nil {
			t.Fatal(err)
		}
		if err := e.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestParseNamesTheCause(t *testing.T) {
	if _, err := Parse([]byte(`{"id":1}`)); !errors.Is(err, ErrNotCanonical) {
		t.Fatalf("got %v", err)
	}
}
