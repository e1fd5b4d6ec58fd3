package metadata_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/federation"
	"hopnhat/federation/metadata"
	"hopnhat/federation/statement"
)

// policy is the policy of parameter p of a relying party.
func policy(t testing.TB, operators string) federation.Policy {
	t.Helper()
	return whole(t, `{"openid_relying_party":{"p":`+operators+`}}`)
}

func whole(t testing.TB, text string) federation.Policy {
	t.Helper()
	p, err := statement.ReadPolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t testing.TB, text string) federation.Metadata {
	t.Helper()
	m, err := statement.ReadMetadata([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func written(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// refused checks that an error is of a kind, and names the section of its operator.
func refused(t *testing.T, err, kind error, section string) {
	t.Helper()
	var at *metadata.Error
	if !errors.As(err, &at) || !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	if at.Section != section {
		t.Errorf("§%s, want §%s: %v", at.Section, section, err)
	}
}

// TestCheckRefuses: OpenID Federation 1.0 §6.1.3.1: what configures an operator, and which
// operators may not stand together.
func TestCheckRefuses(t *testing.T) {
	for _, row := range []struct{ name, operators, section string }{
		{"add is a list", `{"add":"a"}`, "6.1.3.1.2"},
		{"add is not null", `{"add":null}`, "6.1.3.1.2"},
		{"add has no lists in it", `{"add":[["a"]]}`, "6.1.3.1.2"},
		{"add has no truth values in it", `{"add":[true]}`, "6.1.3.1.2"},
		{"add is not of two kinds", `{"add":["a",1]}`, "6.1.3.1.2"},
		{"default is not null", `{"default":null}`, "6.1.3.1.3"},
		{"one_of is a list", `{"one_of":"a"}`, "6.1.3.1.4"},
		{"one_of is no object", `{"one_of":{"a":1}}`, "6.1.3.1.4"},
		{"one_of has no null in it", `{"one_of":[null]}`, "6.1.3.1.4"},
		{"subset_of is a list", `{"subset_of":"a"}`, "6.1.3.1.5"},
		{"superset_of is a list", `{"superset_of":1}`, "6.1.3.1.6"},
		{"essential is true or false", `{"essential":"true"}`, "6.1.3.1.7"},
		{"essential is not null", `{"essential":null}`, "6.1.3.1.7"},

		{"value without what is added", `{"value":["a"],"add":["b"]}`, "6.1.3.1.2"},
		{"value that is no list, with add", `{"value":"a","add":["a"]}`, "6.1.3.1.2"},
		{"removed, with add", `{"value":null,"add":["a"]}`, "6.1.3.1.2"},
		{"removed, with an empty add", `{"value":null,"add":[]}`, "6.1.3.1.2"},
		{"removed, with default", `{"value":null,"default":"a"}`, "6.1.3.1.3"},
		{"value outside one_of", `{"value":"b","one_of":["a"]}`, "6.1.3.1.4"},
		{"removed, with one_of", `{"value":null,"one_of":["a"]}`, "6.1.3.1.4"},
		{"list as a value, with one_of", `{"value":["a"],"one_of":["a"]}`, "6.1.3.1.4"},
		{"value outside subset_of", `{"value":["a","b"],"subset_of":["a"]}`, "6.1.3.1.5"},
		{"value that is no list, with subset_of", `{"value":"a","subset_of":["a"]}`, "6.1.3.1.5"},
		{"value short of superset_of", `{"value":["a"],"superset_of":["a","b"]}`, "6.1.3.1.6"},
		{"value that is no list, with superset_of", `{"value":"a","superset_of":["a"]}`, "6.1.3.1.6"},
		{"removed, with superset_of", `{"value":null,"superset_of":["a"]}`, "6.1.3.1.6"},
		{"removed, and essential", `{"value":null,"essential":true}`, "6.1.3.1.7"},
		{"add with one_of", `{"add":["a"],"one_of":["a"]}`, "6.1.3.1.4"},
		{"added outside subset_of", `{"add":["b"],"subset_of":["a"]}`, "6.1.3.1.5"},
		{"one_of with subset_of", `{"one_of":["a"],"subset_of":["a"]}`, "6.1.3.1.5"},
		{"one_of with superset_of", `{"one_of":["a"],"superset_of":["a"]}`, "6.1.3.1.6"},
		{"subset_of short of superset_of", `{"subset_of":["a"],"superset_of":["a","b"]}`, "6.1.3.1.6"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := metadata.Check(policy(t, row.operators), nil)
			refused(t, err, metadata.ErrPolicy, row.section)
		})
	}
	t.Run("6.1.3.2: a critical operator that is not understood", func(t *testing.T) {
		_, err := metadata.Check(policy(t, `{"regexp":"a"}`), []string{"regexp"})
		refused(t, err, metadata.ErrPolicy, "6.1.3.2")
	})
	t.Run("3.1.3: an operator of the standard is not listed", func(t *testing.T) {
		_, err := metadata.Check(policy(t, `{"value":"a"}`), []string{"value"})
		refused(t, err, metadata.ErrPolicy, "3.1.3")
	})
	t.Run("6.1.4.1: critical at one level is critical at all", func(t *testing.T) {
		_, err := metadata.MergeAll([]metadata.Layer{{Policy: policy(t, `{"regexp":"a"}`)}, {Critical: []string{"regexp"}}})
		refused(t, err, metadata.ErrPolicy, "6.1.3.2")
	})
}

// TestCheckTakes: what may stand together.
func TestCheckTakes(t *testing.T) {
	for _, operators := range []string{
		`{"value":["a","b"],"add":["a"],"default":["c"],"subset_of":["a","b","c"],"superset_of":["a"],"essential":true}`,
		`{"value":"a","one_of":["a","b"],"default":"b","essential":true}`,
		`{"value":null,"subset_of":["a"],"essential":false}`, `{"value":null,"superset_of":[]}`,
		`{"value":{"a":1},"one_of":[{"a":1.0}]}`, `{"value":1e2,"one_of":[100]}`,
		`{"add":["a"],"superset_of":["b"]}`, `{"add":[1],"subset_of":[1.0,2]}`, `{"subset_of":[],"superset_of":[]}`, `{"regexp":"passed over"}`, `{}`,
	} {
		if _, err := metadata.Check(policy(t, operators), nil); err != nil {
			t.Errorf("%s: %v", operators, err)
		}
	}
}

// TestMerge: OpenID Federation 1.0 §6.1.4.1, and each operator's own rule.
func TestMerge(t *testing.T) {
	for _, row := range []struct{ name, above, below, want, section string }{
		{"value, equal", `{"value":"a"}`, `{"value":"a"}`, `{"value":"a"}`, ""},
		{"value, equal numbers", `{"value":1}`, `{"value":1.0}`, `{"value":1}`, ""},
		{"value, other", `{"value":"a"}`, `{"value":"b"}`, "", "6.1.3.1.1"},
		{"value, removed below", `{"value":"a"}`, `{"value":null}`, "", "6.1.3.1.1"},
		{"value, in another order", `{"value":["a","b"]}`, `{"value":["b","a"]}`, "", "6.1.3.1.1"},
		{"add, union", `{"add":["a"]}`, `{"add":["b","a"]}`, `{"add":["a","b"]}`, ""},
		{"default, equal", `{"default":"a"}`, `{"default":"a"}`, `{"default":"a"}`, ""},
		{"default, other", `{"default":"a"}`, `{"default":"b"}`, "", "6.1.3.1.3"},
		{"one_of, both", `{"one_of":["a","b"]}`, `{"one_of":["b","c"]}`, `{"one_of":["b"]}`, ""},
		{"one_of, nothing in both", `{"one_of":["a"]}`, `{"one_of":["b"]}`, "", "6.1.3.1.4"},
		{"subset_of, both", `{"subset_of":["a","b"]}`, `{"subset_of":["b","c"]}`, `{"subset_of":["b"]}`, ""},
		{"subset_of, nothing in both", `{"subset_of":["a"]}`, `{"subset_of":["b"]}`, `{"subset_of":[]}`, ""},
		{"superset_of, union", `{"superset_of":["a"]}`, `{"superset_of":["b"]}`, `{"superset_of":["a","b"]}`, ""},
		{"essential, true above", `{"essential":true}`, `{"essential":false}`, `{"essential":true}`, ""},
		{"essential, true below", `{"essential":false}`, `{"essential":true}`, `{"essential":true}`, ""},
		{"essential, false", `{"essential":false}`, `{"essential":false}`, `{"essential":false}`, ""},
		{"another operator below", `{"essential":true}`, `{"one_of":["a"]}`, `{"essential":true,"one_of":["a"]}`, ""},
		{"nothing above", `{}`, `{"one_of":["a"]}`, `{"one_of":["a"]}`, ""},
		{"added below outside the subset above", `{"subset_of":["a"]}`, `{"add":["b"]}`, "", "6.1.3.1.5"},
		{"the subset below falls short of what is added above", `{"add":["a"],"subset_of":["a","b"]}`, `{"subset_of":["b"]}`, "", "6.1.3.1.5"},
		{"the subset below falls short of the superset above", `{"superset_of":["a"]}`, `{"subset_of":["b"]}`, "", "6.1.3.1.6"},
		{"removed below, essential above", `{"essential":true}`, `{"value":null}`, "", "6.1.3.1.7"},
		{"removed below, default above", `{"default":"a"}`, `{"value":null}`, "", "6.1.3.1.3"},
		{"a value below outside one_of above", `{"one_of":["a"]}`, `{"value":"b"}`, "", "6.1.3.1.4"},
		{"one_of below, add above", `{"add":["a"]}`, `{"one_of":["a"]}`, "", "6.1.3.1.4"},
	} {
		t.Run(row.name, func(t *testing.T) {
			merged, err := metadata.MergeAll([]metadata.Layer{{Policy: policy(t, row.above)}, {Policy: policy(t, row.below)}})
			if row.section != "" {
				refused(t, err, metadata.ErrPolicy, row.section)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := written(t, merged[federation.RelyingParty]["p"]); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

// TestApply: OpenID Federation 1.0 §6.1.3.1 and §6.1.4.2. An empty parameter is absent.
func TestApply(t *testing.T) {
	for _, row := range []struct {
		name, operators, before, after string
		kind                           error
		section                        string
	}{
		{"value sets", `{"value":"a"}`, ``, `"a"`, nil, ""},
		{"value replaces", `{"value":["a"]}`, `"b"`, `["a"]`, nil, ""},
		{"value null removes", `{"value":null}`, `"b"`, ``, nil, ""},
		{"value null of what is absent", `{"value":null}`, ``, ``, nil, ""},
		{"add appends", `{"add":["b","a"]}`, `["a"]`, `["a","b"]`, nil, ""},
		{"add begins", `{"add":["b"]}`, ``, `["b"]`, nil, ""},
		{"add of nothing begins an empty list", `{"add":[]}`, ``, `[]`, nil, ""},
		{"add takes objects", `{"add":[{"a":1,"b":2}]}`, `[{"b":2.0,"a":1}]`, `[{"a":1,"b":2.0}]`, nil, ""},
		{"add to a text", `{"add":["b"]}`, `"a"`, ``, metadata.ErrPolicy, "6.1.3.1.2"},
		{"default sets", `{"default":"a"}`, ``, `"a"`, nil, ""},
		{"default leaves", `{"default":"a"}`, `"b"`, `"b"`, nil, ""},
		{"default leaves false", `{"default":true}`, `false`, `false`, nil, ""},
		{"one_of lets pass", `{"one_of":["a","b"]}`, `"b"`, `"b"`, nil, ""},
		{"one_of lets what is absent pass", `{"one_of":["a"]}`, ``, ``, nil, ""},
		{"one_of refuses", `{"one_of":["a"]}`, `"b"`, ``, metadata.ErrMetadata, "6.1.3.1.4"},
		{"RFC 8259 §6: one_of takes numbers by value", `{"one_of":[100]}`, `1e2`, `1e2`, nil, ""},
		{"one_of does not take 1 for \"1\"", `{"one_of":["1"]}`, `1`, ``, metadata.ErrMetadata, "6.1.3.1.4"},
		{"one_of is not for lists", `{"one_of":["a"]}`, `["a"]`, ``, metadata.ErrPolicy, "6.1.3.1.4"},
		{"subset_of, essential: [a,e]", `{"essential":true,"subset_of":["a","b","c"]}`, `["a","e"]`, `["a"]`, nil, ""},
		{"subset_of, voluntary: [a,e]", `{"essential":false,"subset_of":["a","b","c"]}`, `["a","e"]`, `["a"]`, nil, ""},
		{"subset_of, essential: [d,e]", `{"essential":true,"subset_of":["a","b","c"]}`, `["d","e"]`, `[]`, nil, ""},
		{"subset_of, voluntary: [d,e]", `{"essential":false,"subset_of":["a","b","c"]}`, `["d","e"]`, `[]`, nil, ""},
		{"subset_of, essential: absent", `{"essential":true,"subset_of":["a","b","c"]}`, ``, ``, metadata.ErrMetadata, "6.1.3.1.7"},
		{"subset_of, voluntary: absent", `{"essential":false,"subset_of":["a","b","c"]}`, ``, ``, nil, ""},
		{"subset_of is not for texts", `{"subset_of":["a"]}`, `"a"`, ``, metadata.ErrPolicy, "6.1.3.1.5"},
		{"superset_of lets pass", `{"superset_of":["a"]}`, `["b","a"]`, `["b","a"]`, nil, ""},
		{"superset_of lets equal pass", `{"superset_of":["a"]}`, `["a"]`, `["a"]`, nil, ""},
		{"superset_of refuses", `{"superset_of":["a"]}`, `["b"]`, ``, metadata.ErrMetadata, "6.1.3.1.6"},
		{"superset_of lets what is absent pass", `{"superset_of":["a"]}`, ``, ``, nil, ""},
		{"superset_of is not for objects", `{"superset_of":["a"]}`, `{"a":1}`, ``, metadata.ErrPolicy, "6.1.3.1.6"},
		{"essential lets objects pass", `{"essential":true}`, `{"a":1}`, `{"a":1}`, nil, ""},
		{"essential refuses", `{"essential":true}`, ``, ``, metadata.ErrMetadata, "6.1.3.1.7"},
		{"the order: default, then subset_of", `{"default":["a","b"],"subset_of":["a"]}`, ``, `["a"]`, nil, ""},
		{"the order: subset_of, then superset_of", `{"subset_of":["a","b"],"superset_of":["a"]}`, `["b","c"]`, ``, metadata.ErrMetadata, "6.1.3.1.6"},
		{"the order: value, then essential", `{"value":"a","essential":true}`, ``, `"a"`, nil, ""},
		{"set equals", `{"subset_of":["a","b"],"superset_of":["a","b"]}`, `["b","a","c"]`, `["b","a"]`, nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			subject := federation.Metadata{federation.RelyingParty: {}}
			if row.before != "" {
				subject = read(t, `{"openid_relying_party":{"p":`+row.before+`}}`)
			}
			before := written(t, subject)
			merged, err := metadata.MergeAll([]metadata.Layer{{Policy: policy(t, row.operators)}})
			if err != nil {
				t.Fatal(err)
			}
			got, steps, err := metadata.Apply(subject, merged)
			if written(t, subject) != before {
				t.Error("the subject's own metadata were changed")
			}
			if len(steps) == 0 {
				t.Error("no step was told")
			}
			if row.kind != nil {
				refused(t, err, row.kind, row.section)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			value, there := got[federation.RelyingParty]["p"]
			if text := written(t, value); there != (row.after != "") || there && text != row.after {
				t.Errorf("got %s, want %s", text, row.after)
			}
		})
	}
}

// TestScope: OpenID Federation 1.0 §6.1.3.1.8: a list within, a text without.
func TestScope(t *testing.T) {
	for _, row := range []struct{ name, operators, before, after string }{
		{"subset_of", `{"subset_of":["openid","email"]}`, `{"scope":"openid phone"}`, `{"scope":"openid"}`},
		{"add", `{"add":["email"]}`, `{"scope":"openid  email"}`, `{"scope":"openid email"}`},
		{"default on what is absent", `{"default":["openid","email"]}`, `{}`, `{"scope":"openid email"}`},
		{"default as a text", `{"default":"openid email","subset_of":["openid"]}`, `{}`, `{"scope":"openid"}`},
		{"value", `{"value":["openid"]}`, `{"scope":"email"}`, `{"scope":"openid"}`},
		{"value as a text", `{"value":"openid email","superset_of":["email"]}`, `{}`, `{"scope":"openid email"}`},
		{"nothing left", `{"subset_of":["openid"]}`, `{"scope":"email"}`, `{"scope":""}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			merged, err := metadata.MergeAll([]metadata.Layer{{Policy: whole(t, `{"openid_relying_party":{"scope":`+row.operators+`}}`)}})
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := metadata.Apply(read(t, `{"openid_relying_party":`+row.before+`}`), merged)
			if err != nil {
				t.Fatal(err)
			}
			if text := written(t, got[federation.RelyingParty]); text != row.after {
				t.Errorf("got %s, want %s", text, row.after)
			}
		})
	}
}

// TestTypesAreNotMade: neither a policy nor a superior's metadata makes an entity type that
// the subject does not declare (§3.1.1, §6.1.4.2).
func TestTypesAreNotMade(t *testing.T) {
	subject := federation.Metadata{federation.RelyingParty: {}}
	got, steps, err := metadata.Apply(subject, whole(t, `{"openid_provider":{"issuer":{"value":"https://a.vn"}}}`))
	if err != nil || len(got) != 1 || len(steps) != 0 {
		t.Errorf("by a policy: %v, %v, %v", got, steps, err)
	}
	got, steps = metadata.Supply(subject, read(t, `{"openid_provider":{"issuer":"https://a.vn"},"openid_relying_party":{"a":"b"}}`))
	if len(got) != 1 || got[federation.RelyingParty]["a"] != "b" || len(steps) != 1 {
		t.Errorf("by a superior: %v, %v", got, steps)
	}
}

// TestLimit: OpenID Federation 1.0 §6.2.3: types that are not allowed go, and the chain stays.
func TestLimit(t *testing.T) {
	subject := read(t, `{"openid_relying_party":{},"openid_provider":{"a":1},"federation_entity":{}}`)
	for _, row := range []struct {
		name string
		c    federation.Constraints
		want []federation.EntityType
	}{
		{"no constraint", federation.Constraints{}, []federation.EntityType{"federation_entity", "openid_provider", "openid_relying_party"}},
		{"one type", federation.Constraints{LimitsTypes: true, AllowedTypes: []federation.EntityType{"openid_relying_party"}}, []federation.EntityType{"federation_entity", "openid_relying_party"}},
		{"none", federation.Constraints{LimitsTypes: true}, []federation.EntityType{"federation_entity"}},
	} {
		got, steps := metadata.Limit(subject, row.c)
		types := slices.Sorted(maps.Keys(got))
		if !slices.Equal(types, row.want) || len(steps) != len(subject)-len(got) || len(subject) != 3 {
			t.Errorf("%s: got %v with %d steps, want %v", row.name, types, len(steps), row.want)
		}
	}
}

// TestExample: the example of OpenID Federation 1.0 §6.1.5, with values of ours.
func TestExample(t *testing.T) {
	anchor := `{"openid_relying_party":{
		"grant_types":{"default":["authorization_code"],"subset_of":["authorization_code","refresh_token"],"superset_of":["authorization_code"]},
		"token_endpoint_auth_method":{"one_of":["private_key_jwt","self_signed_tls_client_auth"],"essential":true},
		"token_endpoint_auth_signing_alg":{"one_of":["PS256","ES256"]},
		"subject_type":{"value":"pairwise"}, "contacts":{"add":["ho-tro@anchor.example.vn"]}}}`
	ministry := `{"openid_relying_party":{
		"grant_types":{"subset_of":["authorization_code"]}, "token_endpoint_auth_method":{"one_of":["self_signed_tls_client_auth"]},
		"contacts":{"add":["ho-tro@ministry.example.vn"]}}}`
	merged, err := metadata.MergeAll([]metadata.Layer{{Policy: whole(t, anchor)}, {Policy: whole(t, ministry)}})
	if err != nil {
		t.Fatal(err)
	}
	subject, _ := metadata.Supply(read(t, `{"openid_relying_party":{"redirect_uris":["https://app.example.vn/cb"],"response_types":["code"],
		"token_endpoint_auth_method":"self_signed_tls_client_auth","contacts":["quan-tri@app.example.vn"]}}`),
		read(t, `{"openid_relying_party":{"sector_identifier_uri":"https://ministry.example.vn/sector.json","policy_uri":"https://ministry.example.vn/policy"}}`))
	got, steps, err := metadata.Apply(subject, merged)
	if err != nil {
		t.Fatal(err)
	}
	want := read(t, `{"openid_relying_party":{"redirect_uris":["https://app.example.vn/cb"],"grant_types":["authorization_code"],"response_types":["code"],
		"token_endpoint_auth_method":"self_signed_tls_client_auth","subject_type":"pairwise","sector_identifier_uri":"https://ministry.example.vn/sector.json",
		"policy_uri":"https://ministry.example.vn/policy","contacts":["quan-tri@app.example.vn","ho-tro@anchor.example.vn","ho-tro@ministry.example.vn"]}}`)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", written(t, got), written(t, want))
	}
	changed := map[string]bool{}
	for _, s := range steps {
		changed[s.Parameter] = changed[s.Parameter] || s.Changed()
	}
	if !changed["grant_types"] || !changed["contacts"] || !changed["subject_type"] || changed["token_endpoint_auth_method"] {
		t.Errorf("the steps changed %v", changed)
	}
}

// drawOperators makes operators over a small world, so that they meet, and few of them, so
// that they go together now and then.
func drawOperators(t *rapid.T, label string) federation.Operators {
	list := func(name string, least, most int) []any {
		out := []any{}
		for _, v := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), least, most, rapid.ID).Draw(t, label+name) {
			out = append(out, v)
		}
		return out
	}
	single := rapid.SampledFrom([]any{"a", "b", "c"})
	all := []string{"value", "add", "default", "one_of", "subset_of", "superset_of", "essential"}
	o := federation.Operators{}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, 3, rapid.ID).Draw(t, label+"operators") {
		switch name {
		case "essential":
			o[name] = rapid.Bool().Draw(t, label+name)
		case "value":
			o[name] = rapid.OneOf(rapid.Just[any](nil), single, rapid.Just[any](list(name, 0, 3))).Draw(t, label+"one "+name)
		case "default":
			o[name] = rapid.OneOf(single, rapid.Just[any](list(name, 0, 3))).Draw(t, label+"one "+name)
		case "one_of", "subset_of":
			o[name] = list(name, 2, 3)
		default:
			o[name] = list(name, 0, 1)
		}
	}
	return o
}

func drawPolicy(t *rapid.T, label string) federation.Policy {
	return federation.Policy{federation.RelyingParty: {"p": drawOperators(t, label)}}
}

func drawMetadata(t *rapid.T) federation.Metadata {
	switch rapid.IntRange(0, 2).Draw(t, "metadata") {
	case 0:
		return federation.Metadata{federation.RelyingParty: {}}
	case 1:
		return federation.Metadata{federation.RelyingParty: {"p": rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "single")}}
	}
	out := []any{}
	for _, v := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 4, rapid.ID).Draw(t, "list") {
		out = append(out, v)
	}
	return federation.Metadata{federation.RelyingParty: {"p": out}}
}

// sets is a policy or metadata with lists in one order, since that of merged ones is not
// defined (§6.1.3).
func sets(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return err.Error()
	}
	var sorted func(any) any
	sorted = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for name := range v {
				v[name] = sorted(v[name])
			}
		case []any:
			slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		return v
	}
	raw, _ = json.Marshal(sorted(tree))
	return string(raw)
}

// TestALevelNeverWidens: what passes the merged policy of two levels, passes that of the
// upper level alone and is not changed by it; and where the upper one refuses, so does the
// merged one, but for what the lower one sets right by a value (§6.1.1, Hierarchy).
func TestALevelNeverWidens(t *testing.T) {
	applied := 0
	rapid.Check(t, func(t *rapid.T) {
		above, below := drawPolicy(t, "above "), drawPolicy(t, "below ")
		merged, err := metadata.MergeAll([]metadata.Layer{{Policy: above}, {Policy: below}})
		if err != nil {
			return
		}
		got, _, err := metadata.Apply(drawMetadata(t), merged)
		if err != nil {
			return
		}
		applied++
		checked, err := metadata.Check(above, nil)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := metadata.Apply(got, checked)
		if err != nil {
			t.Fatalf("the upper policy %v refuses %v, which the merged one %v let pass: %v", above, got, merged, err)
		}
		if sets(again) != sets(got) {
			t.Fatalf("the upper policy %v makes %v of %v", above, again, got)
		}
	})
	if applied < 10 {
		t.Errorf("%d of the policies drawn could be applied", applied)
	}
}

// TestMergeIsAssociative: three levels merge to the same from either side, where both can
// be merged.
func TestMergeIsAssociative(t *testing.T) {
	whole := 0
	rapid.Check(t, func(t *rapid.T) {
		var p [3]federation.Policy
		for i := range p {
			var err error
			if p[i], err = metadata.Check(drawPolicy(t, fmt.Sprint(i, " ")), nil); err != nil {
				return
			}
		}
		upper, err := metadata.Merge(p[0], p[1])
		if err != nil {
			return
		}
		left, err := metadata.Merge(upper, p[2])
		if err != nil {
			return
		}
		whole++
		lower, err := metadata.Merge(p[1], p[2])
		if err != nil {
			t.Fatalf("the whole can be merged, and the lower two not: %v", err)
		}
		right, err := metadata.Merge(p[0], lower)
		if err != nil {
			t.Fatalf("the whole can be merged from above, and not from below: %v", err)
		}
		if sets(left) != sets(right) {
			t.Fatalf("from above %v, from below %v", left, right)
		}
	})
	if whole < 5 {
		t.Errorf("%d of the policies drawn could be merged", whole)
	}
}

// FuzzPolicy: any two policies and any metadata end in a result or in an error of ours, and
// the same one each time.
func FuzzPolicy(f *testing.F) {
	f.Add(`{"a":{"b":{"value":1}}}`, `{"a":{"b":{"one_of":[1,2]}}}`, `{"a":{"b":3}}`)
	f.Add(`{"a":{"scope":{"add":["x"]}}}`, `{"a":{"scope":{"subset_of":["x","y"]}}}`, `{"a":{"scope":"y z"}}`)
	f.Add(`{"a":{"b":{"value":1e999999999}}}`, `{"a":{"b":{"default":[{"c":[]}]}}}`, `{"a":{"b":1e-999999999}}`)
	f.Fuzz(func(t *testing.T, above, below, subject string) {
		upper, err1 := statement.ReadPolicy([]byte(above))
		lower, err2 := statement.ReadPolicy([]byte(below))
		m, err3 := statement.ReadMetadata([]byte(subject))
		if err1 != nil || err2 != nil || err3 != nil {
			return
		}
		run := func() string {
			merged, err := metadata.MergeAll([]metadata.Layer{{Policy: upper}, {Policy: lower}})
			var got federation.Metadata
			if err == nil {
				got, _, err = metadata.Apply(m, merged)
			}
			if err != nil && !errors.Is(err, metadata.ErrPolicy) && !errors.Is(err, metadata.ErrMetadata) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return sets(got)
		}
		if one, two := run(), run(); one != two {
			t.Fatalf("%s and then %s", one, two)
		}
	})
}
