package resolver_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/mark"
	"hopnhat/federation/resolver"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/federation/weather"
)

type claims = federationtest.Claims

const kind = "https://neo.example.vn/marks/public"

var errDown = errors.New("no answer")

// nation is a federation in memory: a fetcher that counts, of entities that can be cut off.
type nation struct {
	t        testing.TB
	mu       sync.Mutex
	entities map[federation.EntityID]*federationtest.Entity
	above    map[federation.EntityID]federation.EntityID
	metadata map[federation.EntityID]claims
	marks    map[federation.EntityID][]claims
	holders  []federation.EntityID
	down     map[federation.EntityID]bool
	gone     map[federation.EntityID]bool // no longer in the list of their superior
	issued   time.Time
	asked    int
	// limits are the constraints that are stated of an entity, life that of its configuration.
	limits map[federation.EntityID]claims
	life   map[federation.EntityID]time.Duration
	during func()                       // called once, when a statement is asked for
	silent bool                         // no issuer of marks says who has one
	forged map[federation.EntityID]bool // what is stated of it is signed by somebody else
}

// newNation is drawn as "anchor > ministry > province > app".
func newNation(t testing.TB, lines ...string) *nation {
	n := &nation{
		t: t, entities: map[federation.EntityID]*federationtest.Entity{}, above: map[federation.EntityID]federation.EntityID{},
		metadata: map[federation.EntityID]claims{}, marks: map[federation.EntityID][]claims{}, down: map[federation.EntityID]bool{},
		gone: map[federation.EntityID]bool{}, issued: federationtest.Now, limits: map[federation.EntityID]claims{},
		life: map[federation.EntityID]time.Duration{}, forged: map[federation.EntityID]bool{},
	}
	for _, line := range lines {
		var before federation.EntityID
		for name := range strings.SplitSeq(line, " > ") {
			id := idOf(name)
			if n.entities[id] == nil {
				n.entities[id] = federationtest.New(t, id)
				n.metadata[id] = claims{"federation_entity": claims{"federation_list_endpoint": string(id) + "/list"}}
				if before != "" {
					n.above[id] = before
				}
			}
			before = id
		}
	}
	return n
}

func idOf(name string) federation.EntityID {
	return federation.EntityID("https://" + name + ".example.vn")
}

func (n *nation) anchors(names ...string) (list []trust.Anchor) {
	for _, name := range names {
		list = append(list, trust.Anchor{ID: idOf(name), Keys: n.entities[idOf(name)].Set(n.t)})
	}
	return list
}

func (n *nation) reach(id federation.EntityID) (*federationtest.Entity, error) {
	n.asked++
	if e := n.entities[id]; e != nil && !n.down[id] {
		return e, nil
	}
	return nil, errDown
}

func (n *nation) times() claims {
	return claims{"iat": n.issued.Unix(), "exp": n.issued.Add(24 * time.Hour).Unix()}
}

func (n *nation) Configuration(_ context.Context, id federation.EntityID) (statement.Statement, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, err := n.reach(id)
	if err != nil {
		return statement.Statement{}, err
	}
	c := n.times()
	if life := n.life[id]; life > 0 {
		c["exp"] = n.issued.Add(life).Unix()
	}
	c["metadata"] = n.metadata[id]
	if above := n.above[id]; above != "" {
		c["authority_hints"] = []federation.EntityID{above}
	} else {
		c["trust_mark_issuers"] = claims{kind: []federation.EntityID{id}}
	}
	if len(n.marks[id]) > 0 {
		c["trust_marks"] = n.marks[id]
	}
	return federationtest.Parse(n.t, e.Configuration(n.t, c)), nil
}

func (n *nation) Subordinate(_ context.Context, superior statement.Statement, id federation.EntityID) (statement.Statement, error) {
	n.mu.Lock()
	if during := n.during; during != nil {
		n.during = nil
		n.mu.Unlock()
		during()
		n.mu.Lock()
	}
	defer n.mu.Unlock()
	e, err := n.reach(superior.Subject)
	if err != nil {
		return statement.Statement{}, err
	}
	c := n.times()
	if n.limits[id] != nil {
		c["constraints"] = n.limits[id]
	}
	if n.forged[id] {
		e = federationtest.New(n.t, e.ID)
	}
	return federationtest.Parse(n.t, e.About(n.t, n.entities[id], c)), nil
}

func (n *nation) List(_ context.Context, superior statement.Statement,
	_ ...federation.EntityType,
) (ids []federation.EntityID, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.reach(superior.Subject); err != nil {
		return nil, err
	}
	for id, above := range n.above {
		if above == superior.Subject && !n.gone[id] {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (n *nation) Marked(_ context.Context, issuer statement.Statement, _ string) ([]federation.EntityID, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.reach(issuer.Subject); err != nil || n.silent {
		return nil, errDown
	}
	return n.holders, nil
}

// grant gives an entity a mark of the anchor.
func (n *nation) grant(anchor, name string, life time.Duration) {
	a, e := n.entities[idOf(anchor)], n.entities[idOf(name)]
	token := a.Sign(n.t, claims{"typ": mark.Type}, claims{
		"iss": a.ID, "sub": e.ID, "trust_mark_type": kind, "iat": n.issued.Unix(), "exp": n.issued.Add(life).Unix(),
	})
	n.marks[e.ID] = []claims{{"trust_mark_type": kind, "trust_mark": token}}
	n.holders = append(n.holders, e.ID)
}

// clock is a time that tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (n *nation) resolver(c *clock, file string, anchors ...string) *resolver.Resolver {
	return resolver.New(resolver.Options{Anchors: n.anchors(anchors...), Fetcher: n, File: file, Now: c.now})
}

// trusted fails unless exactly these are trusted, of all that there are.
func (n *nation) trusted(t testing.TB, r *resolver.Resolver, names ...string) {
	t.Helper()
	for id := range n.entities {
		e, err := r.Resolve(id)
		if want := slices.ContainsFunc(names, func(name string) bool { return idOf(name) == id }); (err == nil) != want {
			t.Errorf("%s: %v", id, err)
		}
		if err == nil && (e.Subject != id || e.Chain == nil || e.Digest == "") {
			t.Errorf("%s: %+v", id, e)
		}
	}
}

// TestResolve: who is below an anchor is known before anybody asks, and a question causes no
// request, whoever is asked about.
func TestResolve(t *testing.T) {
	n := newNation(t, "neo > bo > tinh > app", "neo > op", "la > x")
	n.metadata[idOf("app")] = claims{"openid_relying_party": claims{"client_name": "Đất đai"}}
	n.grant("neo", "app", time.Hour)
	c := &clock{federationtest.Now}
	r := n.resolver(c, "", "neo")
	n.trusted(t, r)
	r.Refresh(t.Context())
	n.trusted(t, r, "neo", "bo", "tinh", "app", "op")
	asked := n.asked
	e, err := r.Resolve(idOf("app"), idOf("neo"))
	if err != nil || len(e.Chain) != 5 || e.Metadata[federation.RelyingParty]["client_name"] != "Đất đai" || len(e.Marks) != 1 {
		t.Fatalf("got %+v, %v", e, err)
	}
	if v := r.Verify(e.Chain); !v.Valid() || v.Subject != e.Subject {
		t.Errorf("§4: the chain does not verify: %v", v.Err)
	}
	for name, id := range map[string]federation.EntityID{"a stranger": "https://nobody.example.vn", "below another anchor": idOf("x")} {
		if _, err := r.Resolve(id); !errors.Is(err, resolver.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Resolve(idOf("app"), idOf("la")); !errors.Is(err, resolver.ErrUnknown) {
		t.Errorf("under another anchor: %v", err)
	}
	if n.asked != asked {
		t.Errorf("questions caused %d requests", n.asked-asked)
	}
	if allocated := testing.AllocsPerRun(100, func() { _, _ = r.Resolve(e.Subject) }); allocated != 0 {
		t.Errorf("a warm answer allocates %v times", allocated)
	}
	if trusted, at, end := r.Known(); trusted != 5 || !at.Equal(c.at) || !end.Equal(c.at.Add(24*time.Hour)) {
		t.Errorf("known are %d at %s until %s", trusted, at, end)
	}
	c.at = c.at.Add(24 * time.Hour)
	if _, err := r.Resolve(e.Subject); !errors.Is(err, trust.ErrChain) {
		t.Errorf("§10.4: after the end of the chain: %v", err)
	}
}

// TestSeveralAnchors: an entity is known under each anchor, and the preferred one is the first.
func TestSeveralAnchors(t *testing.T) {
	n := newNation(t, "neo > bo > app", "la > y")
	r := n.resolver(&clock{federationtest.Now}, "", "bo", "neo", "la")
	r.Refresh(t.Context())
	for anchor, length := range map[string]int{"bo": 3, "neo": 4} {
		if e, err := r.Resolve(idOf("app"), idOf(anchor)); err != nil || e.Anchor != idOf(anchor) || len(e.Chain) != length {
			t.Errorf("§10.3: under %s: %+v, %v", anchor, e, err)
		}
		if v, ok := r.Resolved(idOf("app"), idOf(anchor)); !ok || !v.Valid() || v.Anchor != idOf(anchor) {
			t.Errorf("under %s, for who names it alone: %+v", anchor, v)
		}
	}
	if e, err := r.Resolve(idOf("app")); err != nil || e.Anchor != idOf("bo") {
		t.Errorf("§10.3: the shorter chain: %+v, %v", e, err)
	}
}

// TestCutOff: who is out of reach stays as it was until its statements end, and changes no
// answer about others.
func TestCutOff(t *testing.T) {
	for _, row := range []struct {
		name, down string
		later      time.Duration
		trusted    string
	}{
		{"a province", "danang", 2 * time.Hour, "neo danang hue app1 app2"},
		{"a province, after its statements ended", "danang", 25 * time.Hour, "neo hue app2"},
		{"an app", "app1", 2 * time.Hour, "neo danang hue app1 app2"},
		{"the anchor", "neo", 23 * time.Hour, "neo danang hue app1 app2"},
		{"the anchor, after its statements ended", "neo", 25 * time.Hour, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := newNation(t, "neo > danang > app1", "neo > hue > app2")
			c := &clock{federationtest.Now}
			r := n.resolver(c, "", "neo")
			r.Refresh(t.Context())
			n.down[idOf(row.down)] = true
			c.at = c.at.Add(row.later)
			n.issued = c.at
			r.Refresh(t.Context())
			n.trusted(t, r, strings.Fields(row.trusted)...)
		})
	}
}

// TestRevoked: who is no longer in the list of its superior is unknown after the next walk,
// and all below it, although what was stated before is in force.
func TestRevoked(t *testing.T) {
	n := newNation(t, "neo > danang > app1", "neo > hue > app2")
	r := n.resolver(&clock{federationtest.Now}, "", "neo")
	r.Refresh(t.Context())
	n.gone[idOf("danang")] = true
	r.Refresh(t.Context())
	n.trusted(t, r, "neo", "hue", "app2")
}

// TestResolved: the verdict on an entity is there for who registers it, and so is that it is
// trusted no more, after a start as well, until its chain would have ended.
func TestResolved(t *testing.T) {
	n := newNation(t, "neo > danang > app1", "neo > hue > app2")
	c, file := &clock{federationtest.Now}, filepath.Join(t.TempDir(), "f.json")
	r := n.resolver(c, file, "neo")
	r.Refresh(t.Context())
	if v, ok := r.Resolved(idOf("app1")); !ok || !v.Valid() || len(v.Chain) != 4 || !v.Chain[3].IsConfiguration() {
		t.Fatalf("got %+v, %v", v, ok)
	}
	if _, ok := r.Resolved("https://nobody.example.vn"); ok {
		t.Error("a stranger is known")
	}
	n.gone[idOf("danang")] = true
	for range 2 {
		r.Refresh(t.Context())
	}
	for name, r := range map[string]*resolver.Resolver{"after the walk": r, "after a start": n.resolver(c, file, "neo")} {
		for _, id := range []string{"danang", "app1"} {
			if v, ok := r.Resolved(idOf(id)); !ok || !errors.Is(v.Err, trust.ErrChain) || v.Subject != idOf(id) {
				t.Errorf("%s: %s: %v, %v", name, id, v.Err, ok)
			}
		}
		if v, ok := r.Resolved(idOf("app2")); !ok || !v.Valid() {
			t.Errorf("%s: app2: %v, %v", name, v.Err, ok)
		}
	}
	n.gone[idOf("danang")] = false
	r.Refresh(t.Context())
	if v, ok := r.Resolved(idOf("app1")); !ok || !v.Valid() {
		t.Errorf("stated again: %v, %v", v.Err, ok)
	}
	n.gone[idOf("danang")] = true
	r.Refresh(t.Context())
	c.at = c.at.Add(48 * time.Hour)
	if _, ok := r.Resolved(idOf("app1")); ok {
		t.Error("still told of two days later")
	}
}

// TestPinnedKeys: an anchor with other keys than those given makes nobody trusted (§4).
func TestPinnedKeys(t *testing.T) {
	n := newNation(t, "neo > app")
	anchors := n.anchors("neo")
	n.entities[idOf("neo")] = federationtest.New(t, idOf("neo"))
	r := resolver.New(resolver.Options{Anchors: anchors, Fetcher: n, Now: func() time.Time { return federationtest.Now }})
	r.Refresh(t.Context())
	n.trusted(t, r)
	if _, err := r.Resolve(idOf("neo")); !errors.Is(err, trust.ErrChain) {
		t.Errorf("got %v", err)
	}
}

// TestOnlyDownTheTrusted: nobody is gathered below an entity that may have nobody below it, or
// about whom the statement is not signed with the keys of its superior.
func TestOnlyDownTheTrusted(t *testing.T) {
	n := newNation(t, "neo > bo > app > evil", "neo > forged > other", "neo > tinh > xa > ap")
	n.limits[idOf("app")] = claims{"max_path_length": 0}
	n.limits[idOf("tinh")] = claims{"max_path_length": 1}
	n.forged[idOf("forged")] = true
	r := n.resolver(&clock{federationtest.Now}, "", "neo")
	r.Refresh(t.Context())
	n.trusted(t, r, "neo", "bo", "app", "tinh", "xa")
	for _, name := range []string{"evil", "other", "ap"} {
		if _, err := r.Resolve(idOf(name)); !errors.Is(err, resolver.ErrUnknown) {
			t.Errorf("§6.2.1, §10.2: %s was gathered: %v", name, err)
		}
	}
}

// TestBranchesAreBounded: one who lists very many takes nothing from the others, and who is
// beyond the bound is unknown, and not one who is trusted no more.
func TestBranchesAreBounded(t *testing.T) {
	lines := []string{"neo > an", "neo > z > app"}
	for i := range 2_100 {
		lines = append(lines, fmt.Sprintf("neo > an > app%d", i))
	}
	n := newNation(t, lines...)
	r := n.resolver(&clock{federationtest.Now}, "", "neo")
	r.Refresh(t.Context())
	if known, _, _ := r.Known(); known != 1+2_000+2 {
		t.Errorf("%d are known", known)
	}
	if _, err := r.Resolve(idOf("app")); err != nil {
		t.Errorf("the app of another: %v", err)
	}
	r.Refresh(t.Context())
	for i := range 2_100 {
		if v, ok := r.Resolved(idOf(fmt.Sprintf("app%d", i))); ok && !v.Valid() {
			t.Fatalf("beyond the bound, and told to be trusted no more: %v", v.Err)
		}
	}
}

// TestCarriedOn: apps of a province out of reach are trusted while the statements about them are
// in force, although the configuration of the province has ended.
func TestCarriedOn(t *testing.T) {
	n := newNation(t, "neo > danang > app1", "neo > hue > app2")
	n.life[idOf("danang")] = time.Hour
	c := &clock{federationtest.Now}
	r := n.resolver(c, "", "neo")
	r.Refresh(t.Context())
	n.down[idOf("danang")] = true
	for _, later := range []time.Duration{2 * time.Hour, 20 * time.Hour} {
		c.at = federationtest.Now.Add(later)
		r.Refresh(t.Context())
		n.trusted(t, r, "neo", "app1", "hue", "app2")
	}
	n.issued, c.at = c.at, federationtest.Now.Add(25*time.Hour)
	r.Refresh(t.Context())
	n.trusted(t, r, "neo", "hue", "app2")
	if v, ok := r.Resolved(idOf("app1")); ok && !v.Valid() && strings.Contains(v.Err.Error(), "states it any more") {
		t.Errorf("out of reach, and told to be dropped: %v", v.Err)
	}
}

// TestMarks: a mark is there while its issuer says that it is active (§8.3); what the issuer
// said last stands while it is out of reach.
func TestMarks(t *testing.T) {
	n := newNation(t, "neo > app", "neo > other")
	n.grant("neo", "app", time.Hour)
	n.grant("neo", "other", time.Hour)
	n.marks[idOf("other")] = n.marks[idOf("app")] // one about somebody else
	c := &clock{federationtest.Now}
	r := n.resolver(c, "", "neo")
	marks := func(name string) int {
		t.Helper()
		r.Refresh(t.Context())
		e, err := r.Resolve(idOf(name))
		if err != nil {
			t.Fatal(err)
		}
		return len(e.Marks)
	}
	if marks("app") != 1 || marks("other") != 0 {
		t.Error("want the mark of the app and no other")
	}
	n.down[idOf("neo")] = true
	if marks("app") != 1 {
		t.Error("a mark is gone because its issuer is out of reach")
	}
	c.at = c.at.Add(time.Minute)
	n.down[idOf("neo")] = false
	held := n.holders
	n.holders = nil
	if marks("app") != 0 {
		t.Error("a mark that its issuer took back is there")
	}
	n.holders = held
	c.at = c.at.Add(time.Hour)
	if marks("app") != 0 {
		t.Error("a mark that ended is there")
	}
}

// TestMarksOfTheSilent: what an issuer of marks said last stands for a day, and no longer (§8.3).
func TestMarksOfTheSilent(t *testing.T) {
	n := newNation(t, "neo > app")
	n.grant("neo", "app", 72*time.Hour)
	c := &clock{federationtest.Now}
	for later, want := range map[time.Duration]int{23 * time.Hour: 1, 24 * time.Hour: 0} {
		n.silent, n.issued, c.at = false, federationtest.Now, federationtest.Now
		again := n.resolver(c, "", "neo")
		again.Refresh(t.Context())
		n.silent, c.at = true, federationtest.Now.Add(later)
		n.issued = c.at
		again.Refresh(t.Context())
		if e, err := again.Resolve(idOf("app")); err != nil || len(e.Marks) != want {
			t.Errorf("%s later: %+v, %v", later, e, err)
		}
	}
}

// TestFile: what was known is there after a start without any network, as far as it is in
// force; a file that somebody altered makes nobody trusted whom the anchor does not state.
func TestFile(t *testing.T) {
	n := newNation(t, "neo > bo > app")
	n.grant("neo", "app", time.Hour)
	c := &clock{federationtest.Now}
	file := filepath.Join(t.TempDir(), "federation.json")
	r := n.resolver(c, file, "neo")
	r.Refresh(t.Context())
	want, err := r.Resolve(idOf("app"))
	if err != nil {
		t.Fatal(err)
	}
	n.asked = 0
	again := n.resolver(c, file, "neo")
	got, err := again.Resolve(idOf("app"))
	if err != nil || got.Digest != want.Digest || len(got.Marks) != 1 || n.asked != 0 {
		t.Fatalf("got %+v, %v after %d requests", got, err, n.asked)
	}
	for id := range n.entities {
		n.down[id] = true
	}
	again.Refresh(t.Context())
	n.trusted(t, again, "neo", "bo", "app")
	if _, err := n.resolver(&clock{c.at.Add(24 * time.Hour)}, file, "neo").Resolve(idOf("app")); !errors.Is(err, trust.ErrChain) {
		t.Errorf("a day later: %v", err)
	}
	stranger := federationtest.New(t, "https://la.example.vn")
	forged := fmt.Sprintf(`{"statements":[%q,%q]}`, stranger.Configuration(t,
		claims{"authority_hints": []federation.EntityID{idOf("neo")}}),
		federationtest.New(t, idOf("neo")).About(t, stranger, nil))
	for name, text := range map[string]string{
		"forged": forged, "cut": `{"statements":["`,
		"not statements": `{"statements":["x"]}`, "empty": "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := n.resolver(c, file, "neo").Resolve(stranger.ID); err == nil {
			t.Errorf("%s: the stranger is trusted", name)
		}
	}
	left, err := filepath.Glob(file + ".*")
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestCutShort: a walk whose time is over changes nothing.
func TestCutShort(t *testing.T) {
	n := newNation(t, "neo > app")
	r := n.resolver(&clock{federationtest.Now}, "", "neo")
	r.Refresh(t.Context())
	over, end := context.WithCancel(t.Context())
	end()
	n.gone[idOf("app")] = true
	r.Refresh(over)
	n.trusted(t, r, "neo", "app")
}

// TestDeterministic: two walks over one federation know the same, whatever came first.
func TestDeterministic(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			line := "neo"
			for level := range rapid.IntRange(0, 4).Draw(t, "deep") {
				line += fmt.Sprintf(" > e%d-%d", level, rapid.IntRange(0, 2).Draw(t, "which"))
			}
			return line
		}), 1, 6).Draw(rt, "lines")
		n := newNation(t, lines...)
		n.metadata[idOf("e0-0")] = claims{} // one without a list has nobody below
		known := map[pair]bool{}
		c := &clock{federationtest.Now}
		file := filepath.Join(t.TempDir(), "f.json")
		first := n.resolver(c, file, "neo")
		first.Refresh(t.Context())
		second := n.resolver(c, file, "neo")
		for id := range n.entities {
			a, err1 := first.Resolve(id)
			b, err2 := second.Resolve(id)
			if (err1 == nil) != (err2 == nil) || err1 == nil && (a.Digest != b.Digest || !a.Expiry.Equal(b.Expiry)) {
				rt.Fatalf("%s: %v, %v", id, err1, err2)
			}
			known[pair{string(id), err1 == nil}] = true
		}
		if !known[pair{"https://neo.example.vn", true}] {
			rt.Fatal("the anchor is not trusted")
		}
	})
}

type pair struct {
	id      string
	trusted bool
}

// TestKnownBefore: a walk after which everything is as it was says the same, and one that changes
// a statement or a key says what is new, whatever was verified before.
func TestKnownBefore(t *testing.T) {
	n := newNation(t, "neo > bo > app", "neo > hue > ap")
	n.grant("neo", "app", 2*time.Hour)
	c := &clock{federationtest.Now}
	r := n.resolver(c, "", "neo")
	r.Refresh(t.Context())
	first, err := r.Resolve(idOf("app"))
	if err != nil || len(first.Marks) != 1 {
		t.Fatalf("got %+v, %v", first, err)
	}
	r.Refresh(t.Context())
	if again, err := r.Resolve(idOf("app")); err != nil || again.Digest != first.Digest || len(again.Marks) != 1 {
		t.Errorf("nothing changed: %+v, %v", again, err)
	}
	c.at = c.at.Add(61 * time.Minute)
	n.issued = c.at
	n.metadata[idOf("app")] = claims{"openid_relying_party": claims{"client_name": "Mới"}}
	n.forged[idOf("hue")] = true
	r.Refresh(t.Context())
	n.trusted(t, r, "neo", "bo", "app")
	if e, err := r.Resolve(idOf("app")); err != nil || e.Metadata[federation.RelyingParty]["client_name"] != "Mới" ||
		len(e.Marks) != 1 {
		t.Errorf("other metadata: %+v, %v", e, err)
	}
	n.entities[idOf("bo")] = federationtest.New(t, idOf("bo")) // all of its keys are others
	c.at = c.at.Add(61 * time.Minute)
	n.issued = c.at
	n.forged[idOf("bo")] = true
	r.Refresh(t.Context())
	n.trusted(t, r, "neo")
}

// FuzzFile: whatever is in the file, a start goes on, and makes nobody trusted whom the anchor
// does not state.
func FuzzFile(f *testing.F) {
	n := newNation(f, "neo > app")
	for _, text := range []string{"", "{}", `{"statements":["x"]}`, `{"holders":[{"iss":"a","subjects":["b"]}],"dropped":{"c":"2026-01-01T00:00:00Z"}}`} {
		f.Add([]byte(text))
	}
	folder := f.TempDir()
	file := filepath.Join(folder, "seed.json")
	c, anchors := &clock{federationtest.Now}, n.anchors("neo")
	first := n.resolver(c, file, "neo")
	first.Refresh(f.Context())
	whole, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, raw []byte) {
		file := filepath.Join(t.TempDir(), "f.json")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		r := resolver.New(resolver.Options{Anchors: anchors, Fetcher: n, File: file, Now: c.now})
		known, _, _ := r.Known()
		for _, name := range []string{"neo", "app"} {
			if _, err := r.Resolve(idOf(name)); err == nil {
				known--
			}
		}
		if known != 0 {
			t.Errorf("%d others are trusted by %q", known, raw)
		}
	})
}

// TestWatch: who is revoked is trusted no more after the next look at the lists, with all below,
// and whoever registers is told once; nobody out of reach is dropped.
func TestWatch(t *testing.T) {
	n := newNation(t, "neo > danang > app1", "neo > hue > app2", "neo > hue > app3")
	c, file := &clock{federationtest.Now}, filepath.Join(t.TempDir(), "f.json")
	r := n.resolver(c, file, "neo")
	var told []federation.EntityID
	r.OnDropped(func(id federation.EntityID) { told = append(told, id) })
	r.Refresh(t.Context())
	r.Watch(t.Context())
	n.trusted(t, r, "neo", "danang", "app1", "hue", "app2", "app3")
	n.down[idOf("hue")] = true
	n.gone[idOf("app2")] = true
	r.Watch(t.Context())
	n.trusted(t, r, "neo", "danang", "app1", "hue", "app2", "app3")
	n.down[idOf("hue")] = false
	r.Watch(t.Context())
	n.trusted(t, r, "neo", "danang", "app1", "hue", "app3")
	n.gone[idOf("danang")] = true
	asked := n.asked
	r.Watch(t.Context())
	if n.asked-asked != 3 {
		t.Errorf("%d requests for the lists of three superiors", n.asked-asked)
	}
	n.trusted(t, r, "neo", "hue", "app3")
	r.Watch(t.Context())
	r.Refresh(t.Context())
	slices.Sort(told)
	if want := []federation.EntityID{idOf("app1"), idOf("app2"), idOf("danang")}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
	for name, r := range map[string]*resolver.Resolver{"here": r, "after a start": n.resolver(c, file, "neo")} {
		for _, id := range told {
			if v, ok := r.Resolved(id); !ok || !errors.Is(v.Err, trust.ErrChain) {
				t.Errorf("%s: %s: %v, %v", name, id, v.Err, ok)
			}
		}
	}
	n.gone[idOf("danang")] = false
	r.Refresh(t.Context())
	n.trusted(t, r, "neo", "danang", "app1", "hue", "app3")
}

// TestWatchWhileAWalkGoesOn: a walk that found a statement before it was taken back does not
// bring it in again.
func TestWatchWhileAWalkGoesOn(t *testing.T) {
	n := newNation(t, "neo > danang > app1", "neo > hue > app2")
	c := &clock{federationtest.Now}
	r := n.resolver(c, "", "neo")
	r.Refresh(t.Context())
	c.at = c.at.Add(61 * time.Minute)
	n.issued = c.at
	n.during = func() { // the walk has the lists, and asks for statements
		n.gone[idOf("danang")] = true
		r.Watch(t.Context())
	}
	r.Refresh(t.Context())
	n.trusted(t, r, "neo", "hue", "app2")
	if v, ok := r.Resolved(idOf("app1")); !ok || !errors.Is(v.Err, trust.ErrChain) {
		t.Errorf("got %v, %v", v.Err, ok)
	}
}

// TestWeather: the forecast is of the newest walk, names who did not answer, and is the same from
// the file; without a file it is said that there is none.
func TestWeather(t *testing.T) {
	n := newNation(t, "neo > bo > app", "neo > so")
	n.grant("neo", "app", time.Hour)
	c := &clock{federationtest.Now}
	folder := t.TempDir()
	if _, err := resolver.ReadStored(folder); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	r := n.resolver(c, filepath.Join(folder, resolver.FileName), "neo")
	r.Refresh(t.Context())
	if f := r.Weather(); f.Trusted != 4 || f.Unreachable() != 0 || len(f.Branches) != 3 || !f.At.Equal(c.at) {
		t.Fatalf("got %+v", f)
	}
	n.down[idOf("so")] = true
	c.at = c.at.Add(2 * time.Hour)
	r.Refresh(t.Context())
	stored, err := resolver.ReadStored(folder)
	if err != nil {
		t.Fatal(err)
	}
	if !stored.Holds(idOf("neo"), kind, idOf("app")) || stored.Holds(idOf("neo"), kind, idOf("so")) ||
		len(stored.Statements) != len(r.Stored().Statements) {
		t.Errorf("what is stored is not what is known: %+v", stored)
	}
	for name, f := range map[string]weather.Forecast{"newest": r.Weather(), "file": stored.Weather(n.anchors("neo"), c.at)} {
		down := slices.IndexFunc(f.Branches, func(b weather.Branch) bool { return slices.Contains(b.Unreachable, idOf("so")) })
		if f.Trusted != 4 || f.Unreachable() != 1 || down < 0 || f.Branches[down].Entity != idOf("so") || len(f.Failures) != 2 {
			t.Errorf("%s: got %+v", name, f)
		}
	}
}
