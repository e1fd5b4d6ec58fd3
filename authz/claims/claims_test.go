package claims

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
)

var noon = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)

func source(values map[authz.AttributeID]any) Source {
	return Source{Values: values, Kind: "citizen", Account: 2, Proofed: noon.AddDate(-1, 0, 0)}
}

// whole is a person of whom everything was released.
func whole() Source {
	return source(map[authz.AttributeID]any{
		fullName: "Trần Thị Mẫu An", birthDate: "2004-02-29", sex: "nữ", updatedOn: "2026-01-02",
		residence: map[string]any{"line": "Số 5, đường Lê Lợi", "commune": "Phường Hải Châu", "province": "48", "province_name": "Thành phố Đà Nẵng", "list": "2025-07-01"},
		email:     "an@example.vn", phone: "+84000000017",
		mandates: []any{map[string]any{"organisation": map[string]any{"name": "Công ty Mẫu"}, "basis": "legal_representative"}},
	})
}

// TestNamesOfClaims: a name that OpenID Connect Core §5.1 does not register is a URN of ours, which
// nobody else gives a meaning (OpenID Connect Core §5.1.2, RFC 7519 §4.2).
func TestNamesOfClaims(t *testing.T) {
	registered := []string{
		"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "email",
		"email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "phone_number_verified", "address", "updated_at",
	}
	for _, c := range table {
		if !slices.Contains(registered, c.name) && !strings.HasPrefix(c.name, "urn:vn:gov:eid:") {
			t.Errorf("%s may be a claim of somebody else's", c.name)
		}
	}
}

func TestEachClaimFromItsAttribute(t *testing.T) {
	for _, row := range []struct {
		name      string
		claim     string
		attribute authz.AttributeID
		value     any
		want      any // nil: left out
	}{
		{"OpenID Connect Core §5.1: name", "name", fullName, "Trần Thị Mẫu An", "Trần Thị Mẫu An"},
		{"a name in decomposed letters is told composed", "name", fullName, "Trâ\u0300n An", "Trần An"},
		{"the family name is first", "family_name", fullName, "Trần Thị Mẫu An", "Trần"},
		{"the given name is last", "given_name", fullName, "Trần Thị Mẫu An", "An"},
		{"the middle names are between", "middle_name", fullName, "Trần Thị Mẫu An", "Thị Mẫu"},
		{"no middle name", "middle_name", fullName, "Lê Lan", nil},
		{"one word is a given name", "given_name", fullName, "Siu", "Siu"},
		{"one word is no family name", "family_name", fullName, "Siu", nil},
		{"a family name of two words", "family_name", fullName, "Tôn Nữ Quỳnh Mai", "Tôn Nữ"},
		{"and what is left of it", "middle_name", fullName, "Tôn Nữ Quỳnh Mai", "Quỳnh"},
		{"two words that begin so are family and given name", "family_name", fullName, "Tôn Nữ", "Tôn"},
		{"a two-word family name of the highlands", "family_name", fullName, "Rơ Châm Hlinh Mai", "Rơ Châm"},
		{"an empty name is none", "name", fullName, "", nil},
		{"a name that is no text", "name", fullName, 7, nil},
		{"§5.1: gender", "gender", sex, "nữ", "female"},
		{"§5.1: gender", "gender", sex, "nam", "male"},
		{"a sex the standard has no word for", "gender", sex, "chưa xác định", nil},
		{"§5.1: birthdate", "birthdate", birthDate, "2004-02-29", "2004-02-29"},
		{"§5.1: a year alone", "birthdate", birthDate, "1948", "1948"},
		{"month and year: the month cannot be told", "birthdate", birthDate, "1948-05", "1948"},
		{"a day that is none", "birthdate", birthDate, "2005-02-29", nil},
		{"§5.1: zoneinfo", "zoneinfo", fullName, "Lê Lan", "Asia/Ho_Chi_Minh"},
		{"§5.1: locale", "locale", fullName, "Lê Lan", "vi-VN"},
		{"§5.1: updated_at in seconds, midnight of Hà Nội", "updated_at", updatedOn, "2026-01-02", time.Date(2026, 1, 1, 17, 0, 0, 0, time.UTC).Unix()},
		{"an update that is no day", "updated_at", updatedOn, "soon", nil},
		{"§5.1: email", "email", email, "an@example.vn", "an@example.vn"},
		{"only a verified address leaves", "email_verified", email, "an@example.vn", true},
		{"no address, nothing verified", "email_verified", email, nil, nil},
		{"§5.1: phone_number", "phone_number", phone, "+84000000017", "+84000000017"},
		{"§5.1: phone_number_verified", "phone_number_verified", phone, "+84000000017", true},
		{"nobody represented", Mandates, mandates, []any{}, nil},
	} {
		t.Run(row.name+", "+row.claim, func(t *testing.T) {
			got := Members{Claims: map[string]Want{row.claim: {}}}.Answer(source(map[authz.AttributeID]any{row.attribute: row.value}), noon)
			if row.want == nil && len(got) != 0 || row.want != nil && !reflect.DeepEqual(got, map[string]any{row.claim: row.want}) {
				t.Fatalf("got %v, want %v", got, row.want)
			}
		})
	}
}

func TestAForeignersNameIsNotTakenApart(t *testing.T) {
	s := source(map[authz.AttributeID]any{fullName: "D'AUBIGNY ANN MARIE"})
	s.Kind = "foreigner"
	got := Members{}.WithScopes("profile").Answer(s, noon)
	if got["name"] != "D'AUBIGNY ANN MARIE" || len(got) != 2 || got["zoneinfo"] == nil {
		t.Fatalf("got %v: want the name whole, and the zone", got)
	}
}

func TestAddress(t *testing.T) {
	for _, row := range []struct {
		name   string
		record map[string]any
		want   Address
	}{
		{
			"OpenID Connect Core §5.1.1: the list since 2025-07-01",
			map[string]any{"line": "Số 5, đường Lê Lợi", "commune": "Phường Hải Châu", "province": "48", "province_name": "Thành phố Đà Nẵng", "list": "2025-07-01"},
			Address{"Số 5, đường Lê Lợi, Phường Hải Châu, Thành phố Đà Nẵng", "Số 5, đường Lê Lợi", "Phường Hải Châu", "Thành phố Đà Nẵng", "Việt Nam"},
		},
		{
			"an old record names a province that was merged",
			map[string]any{"line": "Số 1", "commune": "Xã Tân Lập", "district": "Huyện Bình Sơn", "province": "02", "province_name": "Tỉnh Hà Giang", "list": "2025-06-30", "written": "Số 1, Xã Tân Lập, Huyện Bình Sơn, Tỉnh Hà Giang"},
			Address{"Số 1, Xã Tân Lập, Huyện Bình Sơn, Tỉnh Hà Giang", "Số 1", "Xã Tân Lập, Huyện Bình Sơn", "Tỉnh Tuyên Quang", "Việt Nam"},
		},
		{
			"a code means a place only with its list: 15 was Yên Bái and is Lào Cai",
			map[string]any{"province": "15", "province_name": "Tỉnh Lào Cai", "list": "2025-07-01"},
			Address{Formatted: "Tỉnh Lào Cai", Region: "Tỉnh Lào Cai", Country: "Việt Nam"},
		},
		{
			"abroad",
			map[string]any{"line": "1 Main Street", "province_name": "Leeds", "country": "GBR"},
			Address{Formatted: "1 Main Street, Leeds", Street: "1 Main Street", Region: "Leeds", Country: "GBR"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, ok := addressOf(source(map[authz.AttributeID]any{residence: row.record}))
			if !ok || got != row.want {
				t.Fatalf("got %+v, want %+v", got, row.want)
			}
		})
	}
	if got, ok := addressOf(source(map[authz.AttributeID]any{residence: map[string]any{}})); ok {
		t.Fatalf("an empty record is the address %v", got)
	}
	if len(provinceNow) != 34 || len(provinceSince) != 63 {
		t.Fatalf("%d provinces were made of %d", len(provinceNow), len(provinceSince))
	}
}

func TestWants(t *testing.T) {
	for _, row := range []struct {
		name, claim, want string
		answered          bool
	}{
		{"OpenID Connect Core §5.5: null", "gender", `null`, true},
		{"§5.5.1: essential changes nothing here", "gender", `{"essential":true}`, true},
		{"§5.5.1: a value that is so", "gender", `{"value":"female"}`, true},
		{"§5.5.1: a value that is not so", "gender", `{"value":"male"}`, false},
		{"§5.5.1: one of values", "gender", `{"values":["male","female"]}`, true},
		{"§5.5.1: none of values", "gender", `{"values":["male","other"]}`, false},
		{"a value of another type", "email_verified", `{"value":"true"}`, false},
		{"true", "email_verified", `{"value":true}`, true},
		{"a number", "updated_at", `{"value":1767286800}`, true},
		{"members that are not understood are ignored", "gender", `{"colour":"red"}`, true},
		{"an empty object", "gender", `{}`, true},
		{"OpenID Connect Core §5.2: in Vietnamese", "family_name#vi", `null`, true},
		{"§5.2: in the Vietnamese of Vietnam", "family_name#vi-VN", `null`, true},
		{"§5.2: a language we do not have", "family_name#ja-Kana-JP", `null`, false},
		{"§5.2: no language", "family_name#", `null`, false},
		{"a claim without a language", "gender#vi", `null`, false},
		{"a claim nobody knows", "picture", `{"essential":true}`, false},
		{"a claim in other case", "Name", `null`, false},
		{"an age of at most a year", "birthdate", `{"max_age":31536000}`, false},
		{"an age of at most fifty years", "birthdate", `{"max_age":1577880000}`, true},
		{"an age without a date", "gender", `{"max_age":1}`, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			want, err := ParseWant(json.RawMessage(row.want))
			if err != nil {
				t.Fatal(err)
			}
			got := Members{Claims: map[string]Want{row.claim: want}}.Answer(whole(), noon)
			if _, answered := got[row.claim]; answered != row.answered || len(got) > 1 {
				t.Fatalf("got %v", got)
			}
		})
	}
	for _, bad := range []string{
		`1`, `"x"`, `[]`, `{"essential":"yes"}`, `{"essential":null}`, `{"value":1,"values":[1]}`, `{"values":[]}`, `{"values":1}`,
		`{"values":[` + strings.Repeat("1,", maxValues) + `1]}`, `{"max_age":-1}`, `{"max_age":"1"}`, `{"max_age":null}`, `{"max_age":1e300}`,
	} {
		if want, err := ParseWant(json.RawMessage(bad)); err == nil {
			t.Errorf("%s was read as %+v", bad, want)
		}
	}
}

func TestVerifiedClaims(t *testing.T) {
	for _, row := range []struct {
		name, verification, claims, want string // want: the element as JSON; empty: left out
	}{
		{
			"OpenID Connect for Identity Assurance §5.3: one claim",
			`{"trust_framework":null}`, `{"given_name":null}`,
			`{"claims":{"given_name":"An"},"verification":{"trust_framework":"vn_eid"}}`,
		},
		{"no template: the least a response can say", ``, `{"given_name":null}`, `{"claims":{"given_name":"An"},"verification":{"trust_framework":"vn_eid"}}`},
		{"§5.3: essential changes nothing", `{"trust_framework":{"essential":false}}`, `{"given_name":{"essential":false}}`, `{"claims":{"given_name":"An"},"verification":{"trust_framework":"vn_eid"}}`},
		{"§5.7.1: unknown claims are left out", `{"trust_framework":null}`, `{"given_name":null,"shoe_size":null,"email":{"essential":true},"x":{"value":1}}`, `{"claims":{"given_name":"An"},"verification":{"trust_framework":"vn_eid"}}`},
		{"§5.7.4: and with the last of them the element", `{"trust_framework":null}`, `{"shoe_size":null}`, ``},
		{"OpenID Connect for Identity Assurance §5.7.3: a claim that is not as wanted", `{"trust_framework":null}`, `{"given_name":{"value":"Max"},"gender":null}`, `{"claims":{"gender":"female"},"verification":{"trust_framework":"vn_eid"}}`},
		{"§5.7.3: the trust framework is not as wanted", `{"trust_framework":{"value":"de_aml"}}`, `{"given_name":null}`, ``},
		{"§5.5.1: one of the trust frameworks", `{"trust_framework":{"values":["de_aml","vn_eid"]}}`, `{"given_name":null}`, `{"claims":{"given_name":"An"},"verification":{"trust_framework":"vn_eid"}}`},
		{"the assurance level", `{"trust_framework":null,"assurance_level":{"value":"level_2"}}`, `{"given_name":null}`, `{"claims":{"given_name":"An"},"verification":{"assurance_level":"level_2","trust_framework":"vn_eid"}}`},
		{"another assurance level", `{"trust_framework":null,"assurance_level":{"value":"level_1"}}`, `{"given_name":null}`, ``},
		{"OpenID Connect for Identity Assurance §5.5.2: verified recently enough", `{"trust_framework":null,"time":{"max_age":63113852}}`, `{"given_name":null}`, `{"claims":{"given_name":"An"},"verification":{"time":"2025-11-23T05:00:00Z","trust_framework":"vn_eid"}}`},
		{"§5.5.2: verified too long ago", `{"trust_framework":null,"time":{"max_age":86400}}`, `{"given_name":null}`, ``},
		{"§5.7.1: verification data we do not have", `{"trust_framework":null,"verification_process":null}`, `{"given_name":null}`, `{"claims":{"given_name":"An"},"verification":{"trust_framework":"vn_eid"}}`},
		{"§5.7.3: and that were to be something", `{"trust_framework":null,"verification_process":{"value":"x"}}`, `{"given_name":null}`, ``},
		{
			"§5.4: evidence by type", `{"trust_framework":null,"evidence":[{"type":{"value":"electronic_record"},"record":{"type":null}}]}`, `{"given_name":null}`,
			`{"claims":{"given_name":"An"},"verification":{"evidence":[{"record":{"type":"population_register"},"type":"electronic_record"}],"trust_framework":"vn_eid"}}`,
		},
		{
			"§5.4: templates of evidence are joined by OR", `{"trust_framework":null,"evidence":[{"type":{"value":"document"}},{"type":{"value":"electronic_record"}}]}`, `{"given_name":null}`,
			`{"claims":{"given_name":"An"},"verification":{"evidence":[{"type":"electronic_record"}],"trust_framework":"vn_eid"}}`,
		},
		{"§5.7.3: evidence of another type", `{"trust_framework":null,"evidence":[{"type":{"value":"document"}}]}`, `{"given_name":null}`, ``},
		{"the day of the record", `{"evidence":[{"type":{"value":"electronic_record"},"record":{"created_at":{"max_age":86400}}}]}`, `{"given_name":null}`, ``},
		{"a requirement nobody can read", `{"trust_framework":{"value":"vn_eid","values":["vn_eid"]}}`, `{"given_name":null}`, ``},
		{"a requirement on what is an object", `{"evidence":[{"record":{"value":"x"}}]}`, `{"given_name":null}`, ``},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := Verified{Claims: map[string]Want{}}
			if row.verification != "" {
				v.Verification = json.RawMessage(row.verification)
			}
			var names map[string]json.RawMessage
			if err := json.Unmarshal([]byte(row.claims), &names); err != nil {
				t.Fatal(err)
			}
			for name, raw := range names {
				var err error
				if v.Claims[name], err = ParseWant(raw); err != nil {
					t.Fatal(err)
				}
			}
			got := Members{Verified: []Verified{v}}.Answer(whole(), noon)
			raw, err := json.Marshal(got["verified_claims"])
			if err != nil {
				t.Fatal(err)
			}
			if want := cmpOr(row.want, "null"); string(raw) != want {
				t.Fatalf("got  %s\nwant %s", raw, want)
			}
		})
	}
}

func cmpOr(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func TestEveryElementOfVerifiedClaimsIsAnsweredOnItsOwn(t *testing.T) {
	of := func(framework, claim string) Verified {
		return Verified{Verification: json.RawMessage(`{"trust_framework":{"value":"` + framework + `"}}`), Claims: map[string]Want{claim: {}}}
	}
	got := Members{Verified: []Verified{of("vn_eid", "name"), of("de_aml", "name"), of("vn_eid", "gender")}}.Answer(whole(), noon)
	if list, ok := got["verified_claims"].([]any); !ok || len(list) != 2 {
		t.Fatalf("OpenID Connect for Identity Assurance §5.6: got %v, want the two that can be answered", got)
	}
}

// Whatever is asked and whatever was released: an answered claim has its attribute
// among those released, and among those that [Members.Attributes] would have had
// released for it.
func TestNoClaimWithoutItsAttribute(t *testing.T) {
	all := whole()
	names := append(Names()[:len(table)], "picture", "sub", "name#vi", "name#en", "address#vi")
	rapid.Check(t, func(t *rapid.T) {
		released := map[authz.AttributeID]any{}
		for _, id := range slices.Sorted(maps.Keys(all.Values)) {
			if rapid.Bool().Draw(t, string(id)) {
				released[id] = all.Values[id]
			}
		}
		m := Members{Claims: map[string]Want{}}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(t, "claims") {
			m.Claims[name] = Want{}
		}
		for range rapid.IntRange(0, 2).Draw(t, "verified") {
			v := Verified{Claims: map[string]Want{}, Verification: json.RawMessage(rapid.SampledFrom([]string{
				`null`, `{"trust_framework":null}`, `{"evidence":null}`, `{"evidence":[{"type":{"value":"electronic_record"},"record":{"created_at":null}}]}`,
			}).Draw(t, "template"))}
			for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(t, "inside") {
				v.Claims[name] = Want{}
			}
			m.Verified = append(m.Verified, v)
		}
		got := m.Answer(source(released), noon)
		raw, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		wanted := m.Attributes()
		for _, one := range []struct {
			attribute authz.AttributeID
			trace     string
		}{
			{fullName, "An"},
			{birthDate, "2004-02-29"},
			{sex, `"female"`},
			{updatedOn, "2026-01-02"},
			{updatedOn, "1767286800"},
			{residence, "Lê Lợi"},
			{email, "an@example.vn"},
			{phone, "+84000000017"},
			{mandates, "Công ty Mẫu"},
		} {
			if !strings.Contains(string(raw), one.trace) {
				continue
			}
			if _, ok := released[one.attribute]; !ok {
				t.Fatalf("%q of %s is told and was not released: %s", one.trace, one.attribute, raw)
			}
			// The day of a record comes with evidence that was asked for whole, when it
			// was released for another claim.
			if !slices.Contains(wanted, one.attribute) && one.attribute != updatedOn {
				t.Fatalf("%q of %s is told and was not asked for: %s", one.trace, one.attribute, raw)
			}
		}
	})
}

// A citizen's name is always the parts in their order.
func TestANameIsItsParts(t *testing.T) {
	word := rapid.StringMatching(`[A-ZĐ][a-zăâđêôơưáà]{0,5}`)
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(word, 1, 6).Draw(t, "words")
		n := splitName(strings.Join(words, "  "))
		var parts []string
		for _, part := range []string{n.family, n.middle, n.given} {
			if part != "" {
				parts = append(parts, part)
			}
		}
		if got := strings.Join(parts, " "); got != strings.Join(words, " ") || n.given == "" {
			t.Fatalf("%q is %+v", words, n)
		}
	})
}

func TestScopes(t *testing.T) {
	app := &authz.Client{Requests: authz.Requests{Scopes: []string{"openid", "profile", "email"}}, Releases: authz.Releases{Declarations: []authz.Declaration{{Attributes: []authz.AttributeID{sex}}}}}
	if got := Undeclared(app); !slices.Equal(got, []string{"email"}) {
		t.Fatalf("got %v: profile is covered in part, email not at all", got)
	}
	if got := OfScopes("email", "openid"); !slices.Equal(got, []authz.AttributeID{email}) {
		t.Fatalf("got %v", got)
	}
	for _, absent := range []string{"preferred_username", "nickname", "profile", "picture", "website", "sub"} {
		if Known(absent) || slices.Contains(Names(), absent) {
			t.Errorf("%s is offered", absent)
		}
	}
}

func TestWhatTheSignInMustBe(t *testing.T) {
	want := func(raw string) Want { w, _ := ParseWant(json.RawMessage(raw)); return w }
	r := Request{IDToken: Members{Claims: map[string]Want{"acr": want(`{"essential":true,"values":["a","b",7]}`), "sub": want(`{"value":"s1"}`)}}}
	if values, essential := r.ACR(); !essential || !slices.Equal(values, []string{"a", "b"}) {
		t.Fatalf("OpenID Connect Core §5.5.1.1: got %v, %v", values, essential)
	}
	if subjects, named := r.Subject(); !named || !slices.Equal(subjects, []string{"s1"}) {
		t.Fatalf("OpenID Connect Core §5.5.1: got %v, %v", subjects, named)
	}
	if values, essential := (Request{}).ACR(); essential || values != nil {
		t.Fatalf("got %v, %v", values, essential)
	}
	if subjects, named := (Request{UserInfo: Members{Claims: map[string]Want{"sub": {}}}}).Subject(); named {
		t.Fatalf("got %v", subjects)
	}
	// A sub that is no text can be nobody's.
	if subjects, named := (Request{IDToken: Members{Claims: map[string]Want{"sub": want(`{"value":7}`)}}}).Subject(); !named || len(subjects) != 0 {
		t.Fatalf("got %v, %v", subjects, named)
	}
}

func TestTheDocumentationNamesEveryClaim(t *testing.T) {
	text, err := os.ReadFile("../../docs/claims.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range table {
		row := regexp.MustCompile(
			"(?m)^\\|[^|]*`" + regexp.QuoteMeta(c.name) + "`[^|]*\\|[^|]*`" + regexp.QuoteMeta(string(c.attribute)) + "`",
		)
		if !row.Match(text) {
			t.Errorf("docs/claims.md has no row of %s made of %s", c.name, c.attribute)
		}
	}
}
