package trust_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/metadata"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
)

type claims = federationtest.Claims

// tree is an anchor, a ministry, a province below it and an app below that.
type tree struct {
	app, province, ministry, anchor *federationtest.Entity
	anchors                         []trust.Anchor
}

func newTree(t testing.TB) tree {
	t.Helper()
	tr := tree{
		federationtest.New(t, "https://dat-dai.danang.example.vn"), federationtest.New(t, "https://danang.example.vn"),
		federationtest.New(t, "https://noi-vu.example.vn"), federationtest.New(t, "https://neo.example.vn"), nil,
	}
	tr.anchors = []trust.Anchor{{ID: tr.anchor.ID, Keys: tr.anchor.Set(t)}}
	return tr
}

// changes are changes to the statements of a chain, by their index.
type changes map[int]claims

// chain is app, province about app, ministry about province, anchor about ministry, anchor.
func (tr tree) chain(t testing.TB, c changes) []string {
	t.Helper()
	app := claims{
		"authority_hints": []federation.EntityID{tr.province.ID},
		"metadata":        claims{"openid_relying_party": claims{"scope": "openid", "contacts": []string{"app"}}, "federation_entity": claims{}},
	}
	for name, v := range c[0] {
		app[name] = v
	}
	return []string{
		tr.app.Configuration(t, app), tr.province.About(t, tr.app, c[1]), tr.ministry.About(t, tr.province, c[2]),
		tr.anchor.About(t, tr.ministry, c[3]), tr.anchor.Configuration(t, c[4]),
	}
}

// TestVerify: a whole chain, with and without the anchor's own configuration (§4).
func TestVerify(t *testing.T) {
	tr := newTree(t)
	soon := federationtest.Now.Add(time.Hour)
	chain := tr.chain(t, changes{
		1: {"metadata": claims{"openid_relying_party": claims{"policy_uri": "https://danang.example.vn/policy"}}},
		2: {
			"exp": soon.Unix(), "constraints": claims{"max_path_length": 1},
			"metadata_policy": claims{"openid_relying_party": claims{"contacts": claims{"add": []string{"ministry"}}}},
		},
		3: {"metadata_policy": claims{"openid_relying_party": claims{"subject_type": claims{"value": "pairwise"}}}},
	})
	for _, n := range []int{4, 5} {
		v := trust.Verify(chain[:n], tr.anchors, federationtest.Now)
		if !v.Valid() {
			t.Fatalf("%d statements: %v", n, v.Err)
		}
		if v.Subject != tr.app.ID || v.Anchor != tr.anchor.ID || !v.Expiry.Equal(soon) {
			t.Errorf("%s under %s until %s", v.Subject, v.Anchor, v.Expiry)
		}
		rp := v.Metadata[federation.RelyingParty]
		if rp["subject_type"] != "pairwise" || rp["policy_uri"] != "https://danang.example.vn/policy" || len(rp["contacts"].([]any)) != 2 {
			t.Errorf("metadata: %v", rp)
		}
		if slices.ContainsFunc(v.Trail, func(c trust.Check) bool { return !c.Passed || c.Section == "" || c.Want == "" || c.Saw == "" }) {
			t.Errorf("the trail: %+v", v.Trail)
		}
	}
	t.Run("4: an anchor is trusted by its configuration alone", func(t *testing.T) {
		if v := trust.Verify(chain[4:], tr.anchors, federationtest.Now); !v.Valid() || v.Subject != tr.anchor.ID {
			t.Error(v.Err)
		}
	})
}

// TestVerifyRefuses: each rule of OpenID Federation 1.0 §4, §6 and §10.2 that a chain of good
// statements can break.
func TestVerifyRefuses(t *testing.T) {
	tr, other := newTree(t), newTree(t)
	now := federationtest.Now
	without := func(chain []string, i int) []string { return slices.Delete(slices.Clone(chain), i, i+1) }
	with := func(chain []string, i int, token string) []string {
		return slices.Replace(slices.Clone(chain), i, i+1, token)
	}
	good := tr.chain(t, nil)
	rp := func(operators claims) claims {
		return claims{"metadata_policy": claims{"openid_relying_party": claims{"contacts": operators}}}
	}
	types := func(list ...string) claims { return claims{"constraints": claims{"allowed_entity_types": list}} }
	naming := func(permitted, excluded []string) claims {
		c := claims{"permitted": permitted, "excluded": excluded}
		for name, v := range c {
			if v.([]string) == nil {
				delete(c, name)
			}
		}
		return claims{"constraints": claims{"naming_constraints": c}}
	}
	for _, row := range []struct {
		name    string
		chain   []string
		section string
		kind    error
	}{
		{"4: a chain is not empty", nil, "4", trust.ErrChain},
		{"4: a chain is bounded", slices.Repeat(good, 3), "4", trust.ErrChain},
		{"3.2: each is a statement", with(good, 2, "a.b.c"), "3.2", trust.ErrChain},
		{"10.2: iat is in the past", tr.chain(t, changes{2: {"iat": now.Add(2 * time.Minute).Unix()}}), "10.2", trust.ErrChain},
		{"10.2: exp is in the future", tr.chain(t, changes{1: {"iat": now.Add(-time.Hour).Unix(), "exp": now.Unix()}}), "10.2", trust.ErrChain},
		{"10.2: exp of the anchor is in the future", tr.chain(t, changes{4: {"iat": now.Add(-time.Hour).Unix(), "exp": now.Unix()}}), "10.2", trust.ErrChain},
		{"10.2: the first is a configuration", good[1:], "10.2", trust.ErrChain},
		{"10.2: no statement is left out", without(good, 1), "10.2", trust.ErrChain},
		{"10.2: no statement is left out above", without(good, 2), "10.2", trust.ErrChain},
		{"10.2: the order is kept", []string{good[0], good[2], good[1], good[3], good[4]}, "10.2", trust.ErrChain},
		{"4: no configuration stands between", slices.Insert(slices.Clone(good), 2, tr.province.Configuration(t, nil)), "4", trust.ErrChain},
		{"4: the subject does not come twice", []string{good[0], good[0]}, "4", trust.ErrChain},
		{"10.1: no loop", []string{good[0], good[1], tr.app.About(t, tr.province, nil), good[1], good[2], good[3]}, "10.1", trust.ErrChain},
		{"3.2: the subject names its superior", tr.chain(t, changes{0: {"authority_hints": []string{"https://hue.example.vn"}}}), "3.2", trust.ErrChain},
		{"3.2: the subject names a superior", tr.chain(t, changes{0: {"authority_hints": nil}}), "3.2", trust.ErrChain},
		{"10.2: the end is an anchor of ours", good[:3], "10.2", trust.ErrAnchor},
		{"10.2: the end is not an anchor of others", other.chain(t, nil)[:1], "10.2", trust.ErrAnchor},
		{"10.2: the subject is signed with its own key", with(good, 0, resign(t, tr.app, other.app, claims{"authority_hints": []federation.EntityID{tr.province.ID}})), "10.2", trust.ErrChain},
		{"10.2: the subject's key is one that its superior states", with(good, 1, tr.province.About(t, tr.app, claims{"jwks": other.app.JWKS(t)})), "10.2", trust.ErrChain},
		{"10.2: a superior signs with a key that its own superior states", with(good, 2, tr.ministry.About(t, tr.province, claims{"jwks": other.province.JWKS(t)})), "10.2", trust.ErrChain},
		{"10.2: a statement is signed by its issuer", with(good, 1, resign(t, tr.province, other.province, claims{"sub": tr.app.ID, "jwks": tr.app.JWKS(t)})), "10.2", trust.ErrChain},
		{"4: the anchor's keys are ours, not those it states", []string{good[0], good[1], good[2], resign(t, tr.anchor, other.anchor, claims{"sub": tr.ministry.ID, "jwks": tr.ministry.JWKS(t)}), other.anchor.Configuration(t, nil)}, "4", trust.ErrChain},
		{"4: and without its configuration", []string{good[0], good[1], good[2], resign(t, tr.anchor, other.anchor, claims{"sub": tr.ministry.ID, "jwks": tr.ministry.JWKS(t)})}, "4", trust.ErrChain},
		{"4: the anchor's configuration is signed with keys of ours", with(good, 4, resign(t, tr.anchor, other.anchor, claims{"jwks": tr.anchor.JWKS(t)})), "10.2", trust.ErrChain},

		{"6.2.1: the anchor allows one intermediate", tr.chain(t, changes{3: {"constraints": claims{"max_path_length": 1}}}), "6.2.1", trust.ErrChain},
		{"6.2.1: the anchor allows none", tr.chain(t, changes{3: {"constraints": claims{"max_path_length": 0}}}), "6.2.1", trust.ErrChain},
		{"6.2.1: the ministry allows none", tr.chain(t, changes{2: {"constraints": claims{"max_path_length": 0}}}), "6.2.1", trust.ErrChain},
		{"RFC 5280 §4.2.1.10: the host is permitted", tr.chain(t, changes{1: naming([]string{"hue.example.vn"}, nil)}), "6.2.2", trust.ErrChain},
		{"6.2.2: nothing is permitted", tr.chain(t, changes{1: naming([]string{}, nil)}), "6.2.2", trust.ErrChain},
		{"6.2.2: a domain does not hold for itself", tr.chain(t, changes{2: naming([]string{".danang.example.vn"}, nil)}), "6.2.2", trust.ErrChain},
		{"6.2.2: a host does not hold for those below it", tr.chain(t, changes{2: naming([]string{"danang.example.vn"}, nil)}), "6.2.2", trust.ErrChain},
		{"6.2.2: a domain is not a part of a word", tr.chain(t, changes{1: naming([]string{".nang.example.vn"}, nil)}), "6.2.2", trust.ErrChain},
		{"6.2.2: the host is not excluded", tr.chain(t, changes{3: naming(nil, []string{"dat-dai.danang.example.vn"})}), "6.2.2", trust.ErrChain},
		{"6.2.2: the domain is not excluded", tr.chain(t, changes{3: naming([]string{".example.vn"}, []string{".danang.example.vn"})}), "6.2.2", trust.ErrChain},
		{"6.2.2: an intermediate is not excluded", tr.chain(t, changes{3: naming(nil, []string{"danang.example.vn"})}), "6.2.2", trust.ErrChain},

		{"6.1.3.1.7: what is essential is there", tr.chain(t, changes{3: rp(claims{"subset_of": []string{"x"}}), 2: {"metadata_policy": claims{"openid_relying_party": claims{"logo_uri": claims{"essential": true}}}}}), "6.1.3.1.7", trust.ErrMetadata},
		{"6.1.3.1.6: a superset is", tr.chain(t, changes{2: rp(claims{"superset_of": []string{"x"}})}), "6.1.3.1.6", trust.ErrMetadata},
		{"6.1.3.1.4: one of", tr.chain(t, changes{2: {"metadata_policy": claims{"openid_relying_party": claims{"application_type": claims{"default": "native", "one_of": []string{"web"}}}}}}), "6.1.3.1.4", trust.ErrMetadata},
		{"6.1.4.1: policies that do not go together", tr.chain(t, changes{3: rp(claims{"value": []string{"a"}}), 1: rp(claims{"value": []string{"b"}})}), "6.1.3.1.1", trust.ErrChain},
		{"6.1.3: a policy that is not allowed", tr.chain(t, changes{1: rp(claims{"one_of": "a"})}), "6.1.3.1.4", trust.ErrChain},
		{"6.1.3.2: an operator that is critical and not understood", tr.chain(t, changes{3: {"metadata_policy_crit": []string{"regexp"}}}), "6.1.3.2", trust.ErrChain},
		{"6.2.3: types go, and the chain with them only if a policy wants them", tr.chain(t, changes{3: types("openid_provider"), 1: {"metadata_policy": claims{"federation_entity": claims{"organization_name": claims{"essential": true}}}}}), "6.1.3.1.7", trust.ErrMetadata},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := trust.Verify(row.chain, tr.anchors, now)
			if !errors.Is(v.Err, row.kind) {
				t.Fatalf("got %v, want %v", v.Err, row.kind)
			}
			last := v.Trail[len(v.Trail)-1]
			if last.Passed || last.Section != row.section || v.Metadata != nil {
				t.Errorf("§%s: %s: %s; want §%s", last.Section, last.Want, last.Saw, row.section)
			}
			vi, en := v.Advice()
			if vi == "" || en == "" || strings.Contains(vi+en, "%!") || len(v.Chain) > 0 && strings.Contains(vi+en, "?") {
				t.Errorf("the advice is %q, %q", vi, en)
			}
			if !strings.Contains(v.Err.Error(), row.kind.Error()) {
				t.Errorf("the error does not say its code: %v", v.Err)
			}
		})
	}
	t.Run("4: no anchors, no trust", func(t *testing.T) {
		if v := trust.Verify(good, nil, now); !errors.Is(v.Err, trust.ErrAnchor) {
			t.Errorf("got %v", v.Err)
		}
	})
	t.Run("4: an anchor without keys trusts nobody", func(t *testing.T) {
		if v := trust.Verify(good, []trust.Anchor{{ID: tr.anchor.ID}}, now); !errors.Is(v.Err, trust.ErrChain) {
			t.Errorf("got %v", v.Err)
		}
	})
}

// resign is a statement of one entity that another signed, who names its own key.
func resign(t testing.TB, issuer, signer *federationtest.Entity, c claims) string {
	t.Helper()
	all := claims{
		"iss": issuer.ID, "sub": issuer.ID, "jwks": issuer.JWKS(t),
		"iat": federationtest.Now.Unix(), "exp": federationtest.Now.Add(time.Hour).Unix(),
	}
	for name, v := range c {
		all[name] = v
	}
	return signer.Sign(t, nil, all)
}

// TestTypesAreFiltered: OpenID Federation 1.0 §6.2.3, §5.1: a type that is not allowed is taken
// out after the superior's metadata and before the policy, and the chain stays valid.
func TestTypesAreFiltered(t *testing.T) {
	tr := newTree(t)
	v := trust.Verify(tr.chain(t, changes{
		1: {"metadata": claims{"openid_relying_party": claims{"a": "b"}}},
		2: {"constraints": claims{"allowed_entity_types": []string{"openid_relying_party", "openid_provider"}}},
		3: {
			"constraints":     claims{"allowed_entity_types": []string{"openid_provider"}},
			"metadata_policy": claims{"openid_relying_party": claims{"c": claims{"essential": true}}},
		},
	}), tr.anchors, federationtest.Now)
	if !v.Valid() {
		t.Fatal(v.Err)
	}
	if _, kept := v.Metadata[federation.FederationEntity]; !kept || len(v.Metadata) != 1 {
		t.Errorf("left: %v", v.Metadata)
	}
	if !slices.ContainsFunc(v.Steps, func(s metadata.Step) bool { return s.Operator == "allowed_entity_types" }) {
		t.Errorf("the steps do not say who took it out: %+v", v.Steps)
	}
}

// TestResolve: all paths are tried, and the shortest valid one is first (§10.1, §10.3).
func TestResolve(t *testing.T) {
	tr := newTree(t)
	second := federationtest.New(t, "https://neo-thu-hai.example.vn")
	anchors := append(slices.Clone(tr.anchors), trust.Anchor{ID: second.ID, Keys: second.Set(t)})
	parse := func(tokens ...string) (all []statement.Statement) {
		for _, token := range tokens {
			all = append(all, federationtest.Parse(t, token))
		}
		return all
	}
	hints := func(ids ...federation.EntityID) claims { return claims{"authority_hints": ids} }
	base := []string{
		tr.app.Configuration(t, hints(tr.province.ID, tr.ministry.ID)), tr.province.Configuration(t, hints(tr.ministry.ID)),
		tr.ministry.Configuration(t, hints(tr.anchor.ID, second.ID, tr.province.ID)),
		tr.anchor.Configuration(t, nil), second.Configuration(t, nil),
		tr.province.About(t, tr.app, nil), tr.ministry.About(t, tr.province, nil), tr.anchor.About(t, tr.ministry, nil),
		second.About(t, tr.ministry, nil), tr.province.About(t, tr.ministry, nil), tr.ministry.About(t, tr.app, nil),
	}
	show := func(verdicts []trust.Verdict) (list []string) {
		for _, v := range verdicts {
			list = append(list, fmt.Sprint(len(v.Chain), " ", v.Anchor, " ", v.Valid()))
		}
		return list
	}
	t.Run("shorter first, then by the order of the anchors, and no loop", func(t *testing.T) {
		got := show(trust.Resolve(tr.app.ID, trust.Collect(parse(base...)...), anchors, federationtest.Now))
		want := []string{
			"4 https://neo.example.vn true", "4 https://neo-thu-hai.example.vn true",
			"5 https://neo.example.vn true", "5 https://neo-thu-hai.example.vn true",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("one that is refused comes last", func(t *testing.T) {
		refusing := append(slices.Clone(base), tr.ministry.About(t, tr.app, claims{
			"iat": federationtest.Now.Unix() + 1, "constraints": claims{"naming_constraints": claims{"permitted": []string{}}},
		}))
		got := trust.Resolve(tr.app.ID, trust.Collect(parse(refusing...)...), anchors, federationtest.Now)
		if len(got) != 4 || !got[0].Valid() || len(got[0].Chain) != 5 || got[3].Valid() {
			t.Errorf("got %q", show(got))
		}
	})
	t.Run("the newest statement counts, in whatever order they come", func(t *testing.T) {
		old := tr.anchor.About(t, tr.ministry, claims{"iat": federationtest.Now.Unix() - 9, "constraints": claims{"max_path_length": 0}})
		for _, list := range [][]string{append([]string{old}, base...), append(slices.Clone(base), old)} {
			got := trust.Resolve(tr.app.ID, trust.Collect(parse(list...)...), tr.anchors, federationtest.Now)
			if len(got) != 2 || !got[0].Valid() || !got[1].Valid() {
				t.Errorf("got %q", show(got))
			}
		}
	})
	t.Run("without a path there is nothing", func(t *testing.T) {
		if got := trust.Resolve(tr.app.ID, trust.Collect(parse(base[0], base[5])...), anchors, federationtest.Now); len(got) != 0 {
			t.Errorf("got %q", show(got))
		}
		if got := trust.Resolve("https://nobody.example.vn", trust.Collect(parse(base...)...), anchors, federationtest.Now); len(got) != 0 {
			t.Errorf("got %q", show(got))
		}
	})
}

// TestResolveIsDeterministic: whatever the order of the statements, the verdicts are the
// same (§6.1.1, Determinism).
func TestResolveIsDeterministic(t *testing.T) {
	tr := newTree(t)
	hints := func(ids ...federation.EntityID) claims { return claims{"authority_hints": ids} }
	var all []statement.Statement
	for _, token := range []string{
		tr.app.Configuration(t, hints(tr.province.ID, tr.ministry.ID)), tr.province.Configuration(t, hints(tr.ministry.ID, tr.anchor.ID)),
		tr.ministry.Configuration(t, hints(tr.anchor.ID)), tr.anchor.Configuration(t, nil), tr.anchor.About(t, tr.province, nil),
		tr.province.About(t, tr.app, nil), tr.ministry.About(t, tr.province, nil), tr.anchor.About(t, tr.ministry, nil), tr.ministry.About(t, tr.app, nil),
		tr.anchor.About(t, tr.ministry, claims{"constraints": claims{"max_path_length": 0}}),
	} {
		all = append(all, federationtest.Parse(t, token))
	}
	show := func(list []statement.Statement) string {
		var b strings.Builder
		for _, v := range trust.Resolve(tr.app.ID, trust.Collect(list...), tr.anchors, federationtest.Now) {
			fmt.Fprintln(&b, v.Err, v.Metadata, v.Expiry, v.Trail)
		}
		return b.String()
	}
	want := show(all)
	rapid.Check(t, func(t *rapid.T) {
		if got := show(rapid.Permutation(all).Draw(t, "order")); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	})
}

// TestResolveIsBounded: hints that fan out at each level cost a bounded number of steps.
func TestResolveIsBounded(t *testing.T) {
	const wide, deep = 10, 7
	tr := newTree(t)
	layers := [][]*federationtest.Entity{{tr.app}}
	for i := range deep {
		var layer []*federationtest.Entity
		for j := range wide {
			layer = append(layer, federationtest.New(t, federation.EntityID(fmt.Sprintf("https://e%d-%d.example.vn", i, j))))
		}
		layers = append(layers, layer)
	}
	var all []statement.Statement
	for i, layer := range layers {
		for _, e := range layer {
			var above []federation.EntityID
			if i+1 < len(layers) {
				for _, superior := range layers[i+1] {
					above = append(above, superior.ID)
					all = append(all, federationtest.Parse(t, superior.About(t, e, nil)))
				}
			} else {
				above = []federation.EntityID{"https://nowhere.example.vn"}
			}
			all = append(all, federationtest.Parse(t, e.Configuration(t, claims{"authority_hints": above})))
		}
	}
	if got := trust.Resolve(tr.app.ID, trust.Collect(all...), tr.anchors, federationtest.Now); len(got) != 0 {
		t.Errorf("%d paths to no anchor", len(got))
	}
}

// BenchmarkVerify measures a chain of four signatures: cold, and with statements parsed.
func BenchmarkVerify(b *testing.B) {
	tr := newTree(b)
	chain := tr.chain(b, nil)
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if v := trust.Verify(chain, tr.anchors, federationtest.Now); !v.Valid() {
				b.Fatal(v.Err)
			}
		}
	})
}

// TestPreferred: under each anchor it is the first verdict of Resolve, whatever was known before;
// what is known counts for the same statements alone, and while they are in force (§10.3, §10.4).
func TestPreferred(t *testing.T) {
	tr := newTree(t)
	second := federationtest.New(t, "https://neo-thu-hai.example.vn")
	anchors := append(slices.Clone(tr.anchors), trust.Anchor{ID: second.ID, Keys: second.Set(t)})
	hints := func(ids ...federation.EntityID) claims { return claims{"authority_hints": ids} }
	never := claims{"constraints": claims{"naming_constraints": claims{"permitted": []string{}}}}
	var all []statement.Statement
	for _, token := range []string{
		tr.app.Configuration(t, hints(tr.province.ID, tr.ministry.ID, second.ID)), tr.province.Configuration(t, hints(tr.ministry.ID, tr.anchor.ID)),
		tr.ministry.Configuration(t, hints(tr.anchor.ID, second.ID)), tr.anchor.Configuration(t, nil), second.Configuration(t, nil),
		tr.province.About(t, tr.app, nil), tr.ministry.About(t, tr.province, nil), tr.anchor.About(t, tr.ministry, nil),
		second.About(t, tr.ministry, nil), tr.anchor.About(t, tr.province, nil), tr.ministry.About(t, tr.app, never), second.About(t, tr.app, never),
	} {
		all = append(all, federationtest.Parse(t, token))
	}
	show := func(list []trust.Verdict) (lines []string) {
		for _, v := range list {
			lines = append(lines, fmt.Sprint(v.Anchor, " ", len(v.Chain), " ", v.Err, " ", v.Metadata, " ", v.Expiry))
		}
		return lines
	}
	rapid.Check(t, func(rt *rapid.T) {
		some := rapid.SliceOfDistinct(rapid.SampledFrom(all), statement.Statement.Token).Draw(rt, "statements")
		order := rapid.Permutation(anchors).Draw(rt, "anchors")
		before := trust.Preferred(tr.app.ID, trust.Collect(some...), order, federationtest.Now)
		pool := trust.Collect(append(some, rapid.SampledFrom(all).Draw(rt, "more"))...)
		later := federationtest.Now.Add(rapid.SampledFrom([]time.Duration{-2 * time.Hour, 0, time.Hour, 48 * time.Hour}).Draw(rt, "later"))
		var want []trust.Verdict
		for _, v := range trust.Resolve(tr.app.ID, pool, order, later) {
			if !slices.ContainsFunc(want, func(w trust.Verdict) bool { return w.Anchor == v.Anchor }) {
				want = append(want, v)
			}
		}
		for _, got := range [][]trust.Verdict{
			trust.Preferred(tr.app.ID, pool, order, later), trust.Preferred(tr.app.ID, pool, order, later, before...),
		} {
			if !slices.Equal(show(got), show(want)) {
				rt.Fatalf("got %q\nwant %q", show(got), show(want))
			}
		}
	})
}
