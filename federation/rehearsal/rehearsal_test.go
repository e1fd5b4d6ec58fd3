package rehearsal_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/mark"
	"hopnhat/federation/rehearsal"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
)

type claims = federationtest.Claims

const (
	top  = federation.EntityID("https://neo.example.vn")
	kind = "https://neo.example.vn/marks/public"
)

var now = federationtest.Now.Add(time.Minute)

// nation is a federation whose statements are written anew when a test asks.
type nation struct {
	t        testing.TB
	entities map[federation.EntityID]*federationtest.Entity
	above    map[federation.EntityID]federation.EntityID
	metadata map[federation.EntityID]claims
	stated   map[federation.EntityID]claims // what a superior states besides the keys
	marked   map[federation.EntityID]bool
	issuers  []federation.EntityID // of marks of the kind
	absent   map[federation.EntityID]bool
	old      map[federation.EntityID]*federationtest.Entity // whose keys are stated instead
}

func idOf(name string) federation.EntityID {
	return federation.EntityID("https://" + name + ".example.vn")
}

// newNation is drawn as "neo > bo > app".
func newNation(t testing.TB, lines ...string) *nation {
	n := &nation{
		t: t, entities: map[federation.EntityID]*federationtest.Entity{}, above: map[federation.EntityID]federation.EntityID{},
		metadata: map[federation.EntityID]claims{}, stated: map[federation.EntityID]claims{}, marked: map[federation.EntityID]bool{},
		issuers: []federation.EntityID{top}, absent: map[federation.EntityID]bool{}, old: map[federation.EntityID]*federationtest.Entity{},
	}
	for _, line := range lines {
		var before federation.EntityID
		for name := range strings.SplitSeq(line, " > ") {
			id := idOf(name)
			if n.entities[id] == nil {
				n.entities[id] = federationtest.New(t, id)
				n.metadata[id] = claims{"federation_entity": claims{}}
				if strings.HasPrefix(name, "app") {
					n.metadata[id] = claims{"openid_relying_party": claims{
						"grant_types": []string{"authorization_code", "implicit"}, "subject_type": "pairwise", "scope": "openid profile",
					}}
				}
				if before != "" {
					n.above[id] = before
				}
			}
			before = id
		}
	}
	return n
}

// about are the claims of the statement about an entity.
func (n *nation) about(id federation.EntityID) claims {
	all := maps.Clone(n.stated[id])
	if all == nil {
		all = claims{}
	}
	if old := n.old[id]; old != nil {
		all["jwks"] = old.JWKS(n.t)
	}
	return all
}

// statements are all that the federation says.
func (n *nation) statements() (all []statement.Statement) {
	for id, e := range n.entities {
		own := claims{"metadata": n.metadata[id]}
		if id == top {
			own["trust_mark_issuers"] = claims{kind: n.issuers}
		} else {
			own["authority_hints"] = []federation.EntityID{n.above[id]}
			if !n.absent[id] {
				all = append(all, federationtest.Parse(n.t, n.entities[n.above[id]].About(n.t, e, n.about(id))))
			}
		}
		if n.marked[id] {
			m := n.entities[top].Sign(n.t, claims{"typ": mark.Type}, claims{
				"iss": top, "sub": id, "trust_mark_type": kind, "iat": federationtest.Now.Unix(),
			})
			own["trust_marks"] = []claims{{"trust_mark_type": kind, "trust_mark": m}}
		}
		all = append(all, federationtest.Parse(n.t, e.Configuration(n.t, own)))
	}
	return all
}

func (n *nation) known() rehearsal.Known {
	return rehearsal.Known{Statements: n.statements(), Anchors: []trust.Anchor{{ID: top, Keys: n.entities[top].Set(n.t)}}}
}

// draft is the statement about an entity as it would be, without a signature.
func (n *nation) draft(id federation.EntityID) statement.Statement {
	all := claims{
		"iss": n.above[id], "sub": id, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jwks": n.entities[id].JWKS(n.t),
	}
	maps.Copy(all, n.about(id))
	token, err := statement.Unsigned(all)
	if err != nil {
		n.t.Fatal(err)
	}
	return federationtest.Parse(n.t, token)
}

// drawn is a report in words.
func drawn(r rehearsal.Report) (lines []string) {
	for _, e := range r.Effects {
		line := fmt.Sprintf("%s %s", strings.TrimSuffix(strings.TrimPrefix(string(e.Subject), "https://"), ".example.vn"), e.Kind)
		if e.Why != nil {
			line += " §" + e.Why.Section
		}
		for _, p := range e.Parameters {
			line += fmt.Sprintf(" %s %s %v", p.Named(), p.Operator, p.From)
		}
		lines = append(lines, line+" "+strings.Join(append(e.MarksLost, e.MarksGained...), " "))
	}
	return lines
}

func relying(parameter string, operators claims) claims {
	return claims{"openid_relying_party": claims{parameter: operators}}
}

// TestRehearsal: each kind of change says which entities it harms, by which rule, and whose.
func TestRehearsal(t *testing.T) {
	policy := func(p claims) claims { return claims{"metadata_policy": p} }
	for _, row := range []struct {
		name   string
		before func(*nation)
		at     string // whose statement is another
		states claims
		change func(*nation) rehearsal.Change
		want   []string
	}{
		{"the same terms change nothing", nil, "bo", nil, nil, nil},
		{"a value narrows a parameter", nil, "bo", policy(relying("grant_types", claims{"subset_of": []string{"authorization_code"}})), nil, []string{
			"app1 altered openid_relying_party.grant_types subset_of [https://neo.example.vn] ",
			"app2 altered openid_relying_party.grant_types subset_of [https://neo.example.vn] ",
		}},
		{"a value that is not allowed", nil, "app1", policy(relying("subject_type", claims{"one_of": []string{"public"}})), nil, []string{
			"app1 lost §6.1.3.1.4 openid_relying_party.subject_type one_of [https://bo.example.vn] ",
		}},
		{"policies that do not go together", func(n *nation) {
			n.stated[idOf("app1")] = policy(relying("subject_type", claims{"value": "pairwise"}))
		}, "bo", policy(relying("subject_type", claims{"value": "public"})), nil, []string{
			"app1 lost §6.1.3.1.1 openid_relying_party.subject_type  [https://neo.example.vn https://bo.example.vn] ",
			"app2 altered openid_relying_party.subject_type value [https://neo.example.vn] ",
		}},
		{"a role that is taken out", nil, "bo", claims{"constraints": claims{"allowed_entity_types": []string{"openid_provider"}}}, nil, []string{
			"app1 role-lost openid_relying_party allowed_entity_types [https://neo.example.vn] ",
			"app2 role-lost openid_relying_party allowed_entity_types [https://neo.example.vn] ",
		}},
		{"a path that is too long", nil, "bo", claims{"constraints": claims{"max_path_length": 0}}, nil, []string{"app1 lost §6.2.1 ", "app2 lost §6.2.1 "}},
		{"hosts that are not permitted", nil, "bo", claims{"constraints": claims{"naming_constraints": claims{
			"permitted": []string{"bo.example.vn", "app2.example.vn"},
		}}}, nil, []string{"app1 lost §6.2.2 "}},
		{"a policy that is lifted", func(n *nation) {
			n.stated[idOf("bo")] = policy(relying("contacts", claims{"value": []string{"a@example.vn"}}))
		}, "bo", claims{}, nil, []string{
			"app1 altered openid_relying_party.contacts value [https://neo.example.vn] ",
			"app2 altered openid_relying_party.contacts value [https://neo.example.vn] ",
		}},
		{"keys that the entity does not sign with", nil, "bo", claims{"jwks": federationtest.New(t, "https://x.example.vn").JWKS(t)}, nil, []string{
			"app1 lost §10.2 ", "app2 lost §10.2 ", "bo lost §10.2 ",
		}},
		{"keys that are mended", func(n *nation) { n.old[idOf("bo")] = federationtest.New(n.t, idOf("bo")) }, "bo", nil, func(n *nation) rehearsal.Change {
			delete(n.old, idOf("bo"))
			return rehearsal.Stating(n.draft(idOf("bo")))
		}, []string{"app1 gained ", "app2 gained ", "bo gained "}},
		{"an end", nil, "", nil, func(*nation) rehearsal.Change { return rehearsal.Ending(top, idOf("bo")) }, []string{
			"app1 lost §10.1 ", "app2 lost §10.1 ", "bo lost §10.1 ",
		}},
		{"one who is stated for the first time", func(n *nation) { n.absent[idOf("app1")] = true }, "app1", nil, nil, []string{"app1 gained "}},
		{"a mark that its issuer may issue no more", func(n *nation) { n.marked[idOf("app1")] = true }, "", nil, func(*nation) rehearsal.Change {
			return rehearsal.MarkIssuers(top, map[string][]federation.EntityID{kind: {idOf("bo")}})
		}, []string{"app1 mark-lost " + kind}},
		{"other keys of the anchor", nil, "", nil, func(n *nation) rehearsal.Change {
			return rehearsal.AnchorKeys(top, n.entities[idOf("app3")].Set(n.t))
		}, []string{"app1 lost §4 ", "app2 lost §4 ", "app3 lost §4 ", "bo lost §4 ", "neo lost §4 "}},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := newNation(t, "neo > bo > app1", "neo > bo > app2", "neo > app3")
			if row.before != nil {
				row.before(n)
			}
			k := n.known()
			change := rehearsal.Change{}
			if row.change != nil {
				change = row.change(n)
			} else {
				if row.states != nil {
					n.stated[idOf(row.at)] = row.states
				}
				change = rehearsal.Stating(n.draft(idOf(row.at)))
			}
			r, err := rehearsal.Rehearse(k, change, now)
			if got := drawn(r); err != nil || !slices.Equal(got, row.want) {
				t.Errorf("got\n%s\n%v, want\n%s", strings.Join(got, "\n"), err, strings.Join(row.want, "\n"))
			}
			if harmed := len(r.Harms()) > 0; harmed != (r.Digest != "") {
				t.Errorf("digest %q of %d harms", r.Digest, len(r.Harms()))
			}
			for _, e := range r.Effects {
				if e.Kind == rehearsal.Lost && (e.Why.AdviceVI == "" || e.Why.AdviceEN == "" || len(e.From) == 0) {
					t.Errorf("nobody is told what to do: %+v", e)
				}
			}
		})
	}
}

// TestUnknown: a change at an entity of which nothing is known is no rehearsal.
func TestUnknown(t *testing.T) {
	n := newNation(t, "neo > bo > app1")
	k, draft := n.known(), n.draft(idOf("app1"))
	k.Statements = slices.DeleteFunc(k.Statements, func(s statement.Statement) bool { return s.Issuer == idOf("bo") })
	for name, c := range map[string]rehearsal.Change{
		"an issuer":    rehearsal.Stating(draft),
		"an anchor":    rehearsal.AnchorKeys(idOf("bo"), n.entities[top].Set(t)),
		"mark issuers": rehearsal.MarkIssuers(idOf("bo"), nil),
	} {
		if _, err := rehearsal.Rehearse(k, c, now); !errors.Is(err, rehearsal.ErrUnknown) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	k = n.known()
	for name, c := range map[string]rehearsal.Change{
		"an issuer":    rehearsal.Stating(draft),
		"an end":       rehearsal.Ending(idOf("bo"), idOf("app1")),
		"an anchor":    rehearsal.AnchorKeys(idOf("neo"), n.entities[top].Set(t)),
		"mark issuers": rehearsal.MarkIssuers(idOf("neo"), nil),
	} {
		if _, err := rehearsal.Rehearse(k, c, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r, err := rehearsal.Rehearse(k, c, now.AddDate(1, 0, 0)); !errors.Is(err, rehearsal.ErrUnknown) {
			t.Errorf("%s, when all has ended: %d judged, %v", name, r.Judged, err)
		}
	}
}

// TestDigest: the digest is of who is harmed and how, not of the time.
func TestDigest(t *testing.T) {
	n := newNation(t, "neo > bo > app1")
	k := n.known()
	digest := func(states claims, at time.Time) string {
		n.stated[idOf("bo")] = states
		r, err := rehearsal.Rehearse(k, rehearsal.Stating(n.draft(idOf("bo"))), at)
		if err != nil || r.Digest == "" {
			t.Fatalf("got %+v, %v", r, err)
		}
		return r.Digest
	}
	narrow := func(to string) claims {
		return claims{"metadata_policy": relying("grant_types", claims{"subset_of": []string{to}})}
	}
	first := digest(narrow("implicit"), now)
	if again := digest(narrow("implicit"), now.Add(time.Minute)); again != first {
		t.Error("the same harm a minute later has another digest")
	}
	if digest(narrow("authorization_code"), now) == first {
		t.Error("another harm has the same digest")
	}
}

// TestRehearsalIsTrue: what a rehearsal says is what trust says after the change was made and
// signed, for every entity, and nothing is left out.
func TestRehearsalIsTrue(t *testing.T) {
	lines := []string{"neo > bo > app1", "neo > bo > tinh > app2", "neo > bo > tinh > app3", "neo > so > app4", "neo > app5"}
	rapid.Check(t, func(r *rapid.T) {
		n := newNation(t, lines...)
		ids := slices.Sorted(maps.Keys(n.above))
		statesOf := rapid.Custom(func(r *rapid.T) claims {
			values := []string{"authorization_code", "implicit", "refresh_token"}
			some := rapid.SliceOfNDistinct(rapid.SampledFrom(values), 1, 3, rapid.ID[string])
			return rapid.SampledFrom([]claims{
				{},
				{"metadata_policy": relying("grant_types", claims{"subset_of": some.Draw(r, "subset")})},
				{"metadata_policy": relying("grant_types", claims{"superset_of": some.Draw(r, "superset")})},
				{"metadata_policy": relying("grant_types", claims{"add": some.Draw(r, "add")})},
				{"metadata_policy": relying("subject_type", claims{"value": rapid.SampledFrom([]string{"public", "pairwise"}).Draw(r, "value")})},
				{"metadata_policy": relying("contacts", claims{"essential": true})},
				{"metadata_policy": relying("scope", claims{"default": "openid", "subset_of": []string{"openid"}})},
				{"metadata": relying("contacts", nil)},
				{"constraints": claims{"max_path_length": rapid.IntRange(0, 2).Draw(r, "length")}},
				{"constraints": claims{"allowed_entity_types": []string{"openid_provider"}}},
				{"constraints": claims{"naming_constraints": claims{"excluded": []string{string(rapid.SampledFrom(ids).Draw(r, "host").Host())}}}},
			}).Draw(r, "states")
		})
		for _, id := range ids {
			if rapid.IntRange(0, 3).Draw(r, "stated") == 0 {
				n.state(id, statesOf.Draw(r, "of"))
			}
			n.marked[id] = rapid.IntRange(0, 4).Draw(r, "marked") == 0
		}
		at := rapid.SampledFrom(ids).Draw(r, "at")
		n.absent[at] = rapid.IntRange(0, 5).Draw(r, "absent") == 0
		k := n.known()
		var change rehearsal.Change
		switch rapid.IntRange(0, 4).Draw(r, "change") {
		case 0:
			n.absent[at] = true
			change = rehearsal.Ending(n.above[at], at)
		case 1:
			n.absent[at] = false
			n.old[at] = federationtest.New(t, at)
			change = rehearsal.Stating(n.draft(at))
		case 2:
			n.issuers = rapid.SampledFrom([][]federation.EntityID{{}, {idOf("bo")}, {top, idOf("bo")}}).Draw(r, "issuers")
			change = rehearsal.MarkIssuers(top, map[string][]federation.EntityID{kind: n.issuers})
		default:
			n.absent[at] = false
			n.state(at, statesOf.Draw(r, "new"))
			change = rehearsal.Stating(n.draft(at))
		}
		report, err := rehearsal.Rehearse(k, change, now)
		if err != nil {
			r.Fatal(err)
		}
		before, after := judge(k), judge(n.known())
		for id := range n.entities {
			i := slices.IndexFunc(report.Effects, func(e rehearsal.Effect) bool { return e.Subject == id })
			var e rehearsal.Effect
			if i >= 0 {
				e = report.Effects[i]
			}
			was, is := before[id], after[id]
			switch {
			case was.valid && !is.valid:
				if e.Kind != rehearsal.Lost {
					r.Fatalf("%s is trusted no more, and the rehearsal says %+v", id, e)
				}
			case !was.valid && is.valid:
				if e.Kind != rehearsal.Gained {
					r.Fatalf("%s is trusted now, and the rehearsal says %+v", id, e)
				}
			case !was.valid || reflect.DeepEqual(was, is):
				if i >= 0 {
					r.Fatalf("nothing changed for %s, and the rehearsal says %+v", id, e)
				}
			default:
				if got := replay(t, was, e); !reflect.DeepEqual(got, is) {
					r.Fatalf("%s: after the change\n%+v, the rehearsal makes it\n%+v by %+v", id, is, got, e)
				}
			}
		}
	})
}

// state sets what is stated of an entity besides its keys; contacts are supplied where it says so.
func (n *nation) state(id federation.EntityID, c claims) {
	if c["metadata"] != nil {
		c = claims{"metadata": claims{"openid_relying_party": claims{"contacts": []string{"a@example.vn"}}}}
	}
	n.stated[id] = c
}

// standing is what trust says of an entity.
type standing struct {
	valid    bool
	metadata federation.Metadata
	marked   bool
}

// judge asks trust, by itself.
func judge(k rehearsal.Known) map[federation.EntityID]standing {
	pool, all := trust.Collect(k.Statements...), map[federation.EntityID]standing{}
	issuer := trust.Resolve(top, pool, k.Anchors, now)
	for _, s := range k.Statements {
		if !s.IsConfiguration() {
			continue
		}
		one := standing{}
		if v := trust.Resolve(s.Subject, pool, k.Anchors, now); len(v) > 0 && v[0].Valid() {
			one.valid, one.metadata = true, v[0].Metadata
			for _, m := range s.Marks {
				one.marked = mark.Validate(m.JWT, mark.Question{Holder: s.Subject, Beside: m.Type, Issuer: issuer[0], Now: now}).Valid()
			}
		}
		all[s.Subject] = one
	}
	return all
}

// replay makes of what was what an effect says.
func replay(t testing.TB, was standing, e rehearsal.Effect) standing {
	is := standing{valid: true, metadata: federation.Metadata{}, marked: was.marked}
	for kind, p := range was.metadata {
		is.metadata[kind] = maps.Clone(p)
	}
	for _, p := range e.Parameters {
		switch {
		case p.Name == "" && p.After == nil:
			delete(is.metadata, p.Type)
		case p.Name == "":
			is.metadata[p.Type] = p.After.(map[string]any)
		case p.After == nil:
			delete(is.metadata[p.Type], p.Name)
		default:
			is.metadata[p.Type][p.Name] = p.After
		}
	}
	if len(e.MarksLost) > 0 {
		is.marked = false
	}
	if len(e.MarksGained) > 0 {
		is.marked = true
	}
	return is
}

// TestHolds: a mark that its issuer took back is not lost again.
func TestHolds(t *testing.T) {
	n := newNation(t, "neo > app1")
	n.marked[idOf("app1")] = true
	k := n.known()
	k.Holds = func(federation.EntityID, string, federation.EntityID) bool { return false }
	r, err := rehearsal.Rehearse(k, rehearsal.MarkIssuers(top, nil), now)
	if err != nil || len(r.Effects) != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}

// BenchmarkRehearsal is of a change at one province of 34, and of one at the anchor, with
// 10,000 leaves.
func BenchmarkRehearsal(b *testing.B) {
	var lines []string
	for i := range 34 {
		for j := range 294 {
			lines = append(lines, fmt.Sprintf("neo > tinh%d > app%d-%d", i, i, j))
		}
	}
	n := newNation(b, lines...)
	k := n.known()
	n.stated[idOf("tinh1")] = claims{"metadata_policy": relying("subject_type", claims{"value": "public"})}
	for name, c := range map[string]rehearsal.Change{
		"province": rehearsal.Stating(n.draft(idOf("tinh1"))), "anchor": rehearsal.MarkIssuers(top, nil),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := rehearsal.Rehearse(k, c, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
