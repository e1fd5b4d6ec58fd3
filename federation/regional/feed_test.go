package regional_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/regional"
	"hopnhat/federation/resolver"
	"hopnhat/federation/statement"
	"hopnhat/keys"
	"hopnhat/keys/file"
	"hopnhat/keys/jose"
	"hopnhat/keys/keytest"
	"hopnhat/keys/lifecycle"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

const (
	centre = federation.EntityID("https://id.example.vn")
	danang = federation.EntityID("https://id.danang.example.vn")
	marked = "https://neo.example.vn/marks/regional-provider"
	sector = "land.danang.example.vn"
	anchor = federation.EntityID("https://neo.example.vn")
)

var start = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

// pen keeps what was recorded.
type pen struct{ acts []audit.Act }

func (p *pen) Write(_ context.Context, acts ...audit.Act) ([]audit.Written, error) {
	p.acts = append(p.acts, acts...)
	return nil, nil
}

// Find is what was written of a person, as the evidence of the centre has it, the newest first.
func (p *pen) Find(_ context.Context, q audit.Query) (found []audit.Recorded, err error) {
	for _, a := range slices.Backward(p.acts) {
		if string(a.Subject) == q.Pseudonym && q.Type == audit.FactorChanged && len(found) < q.Limit {
			e := audit.Event{Type: audit.FactorChanged, Detail: a.Detail}
			e.Detail.Action = string(a.Action)
			found = append(found, audit.Recorded{Event: e})
		}
	}
	return found, nil
}

// wrote are the events of an action about a person.
func (p *pen) wrote(action audit.Action, who authz.Subject) (n int) {
	for _, a := range p.acts {
		if a.Action == action && a.Subject == who {
			n++
		}
	}
	return n
}

// world is the centre and a province, and what is between them.
type world struct {
	now              time.Time
	at, there        *store.DB // databases of the centre and of the province
	rings            map[federation.EntityID]*lifecycle.Keeper
	known            map[federation.EntityID]*resolver.Entry
	pens             map[federation.EntityID]*pen
	names            *regional.Names
	choices          *regional.Choices
	centre           http.Handler
	feeder           *regional.Feeder
	cut              bool
	answered, signed int
	spoil            func(body string) string // of an answer
	meanwhile        func()                   // once, between an answer and its arrival
	sent             []string
}

func (w *world) Resolve(id federation.EntityID, anchors ...federation.EntityID) (*resolver.Entry, error) {
	if e := w.known[id]; e != nil && slices.Contains(anchors, e.Anchor) {
		return e, nil
	}
	return nil, resolver.ErrUnknown
}

func (w *world) Post(ctx context.Context, m outbound.Message) (outbound.Answer, error) {
	if w.cut {
		return outbound.Answer{}, errors.New("no route to the centre")
	}
	w.sent = append(w.sent, m.Body)
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, m.URL, strings.NewReader(m.Body))
	r.Header.Set("Content-Type", m.Type)
	answer := httptest.NewRecorder()
	w.centre.ServeHTTP(answer, r)
	w.answered++
	body := answer.Body.String()
	if do := w.meanwhile; do != nil {
		w.meanwhile = nil
		do()
	}
	if w.spoil != nil {
		body = w.spoil(body)
	}
	if int64(len(body)) > m.Limit {
		return outbound.Answer{}, fmt.Errorf("an answer of %d bytes", len(body))
	}
	return outbound.Answer{Status: answer.Code, Body: []byte(body)}, nil
}

// SignOut, Lock and Unlock are what the province does with accounts.
func (w *world) SignOut(context.Context, authz.Subject) error { w.signed++; return nil }

func (w *world) Lock(ctx context.Context, who authz.Subject, why string, at time.Time) error {
	return w.there.Lock(ctx, who, why, at)
}

func (w *world) Unlock(ctx context.Context, who authz.Subject, why string) error {
	return w.there.Unlock(ctx, who, why)
}

// entry is what the federation knows of an entity by its ring.
func (w *world) entry(t *testing.T, id federation.EntityID, marks ...resolver.Mark) *resolver.Entry {
	t.Helper()
	published, err := w.rings[id].Published(keys.EntityStatement)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.MarshalSet(published)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{
		"iss": id, "sub": id, "iat": w.now.Unix(), "exp": w.now.Add(time.Hour).Unix(), "jwks": json.RawMessage(set),
	}
	token, err := jose.Sign(t.Context(), w.rings[id],
		jose.Token{Use: keys.EntityStatement, Algorithm: keys.ES256, Type: statement.Type, Claims: claims})
	if err != nil {
		t.Fatal(err)
	}
	return &resolver.Entry{Subject: id, Anchor: anchor, Chain: token, Marks: marks}
}

// rings are the same for all tests: making their keys takes long.
var (
	rings  = map[federation.EntityID]*lifecycle.Keeper{}
	folder string
)

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "regional"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

func ringOf(t *testing.T, id federation.EntityID) *lifecycle.Keeper {
	t.Helper()
	if rings[id] == nil {
		files, err := file.Open(file.Options{Dir: filepath.Join(folder, id.Host()), Make: true, Algorithms: keytest.Algorithms})
		if err != nil {
			t.Fatal(err)
		}
		rings[id] = keytest.Ring(t, files, &keytest.Ledger{})
	}
	return rings[id]
}

func newWorld(t *testing.T, there *store.DB) *world {
	t.Helper()
	return newWorldAt(t, storetest.SQLite(t, nil), there)
}

// newWorldAt is a world whose centre has a database.
func newWorldAt(t *testing.T, at, there *store.DB) *world {
	t.Helper()
	w := &world{
		now: start, at: at, there: there, rings: map[federation.EntityID]*lifecycle.Keeper{},
		known: map[federation.EntityID]*resolver.Entry{}, pens: map[federation.EntityID]*pen{},
	}
	now := func() time.Time { return w.now }
	for _, id := range []federation.EntityID{centre, danang} {
		w.rings[id], w.pens[id] = ringOf(t, id), &pen{}
		w.known[id] = w.entry(t, id)
	}
	w.known[danang].Marks = []resolver.Mark{{Mark: statement.Mark{Type: marked}}}
	providers, err := regional.ParseProviders([]byte(file3(3)))
	if err != nil {
		t.Fatal(err)
	}
	providers.Anchor = anchor
	w.names = &regional.Names{Ring: w.rings[centre], Providers: providers, Sectors: w.at.Regional}
	w.choices = &regional.Choices{Names: w.names, Store: w.at.Regional, Evidence: w.pens[centre], Now: now}
	w.centre = regional.NewCentre(centre, w.names, w.at.Regional, w.pens[centre], w.grounds(t), w.rings[centre], w, now)
	w.feeder = &regional.Feeder{
		Self: danang, Centre: centre, Anchor: anchor, Ring: w.rings[danang], Resolver: w, Out: w, Store: there.Regional, Accounts: w,
		Evidence: w.pens[danang], Now: now,
	}
	return w
}

// grounds are what the centre wrote itself, in which each choice has its ground.
func (w *world) grounds(t *testing.T) regional.Grounds {
	return regional.Grounds{Events: w.pens[centre], Pseudonyms: plain{}, Report: func(_ context.Context, f reconcile.Finding) error {
		t.Errorf("an incident: %+v", f)
		return nil
	}}
}

// file3 is a file of the centre, with days.
func file3(days int) string {
	return fmt.Sprintf(`{"trust_mark_type":%q,"days":%d,"since":"2026-01-01T00:00:00+07:00","providers":[
		{"entity":%q,"name":{"vi":"Đà Nẵng"},"sectors":["danang.example.vn"]},
		{"entity":"https://id.hue.example.vn","name":{"vi":"Huế"},"sectors":["hue.example.vn"]}]}`, marked, days, danang)
}

func number(i int) authz.PersonalNumber { return authz.PersonalNumber(fmt.Sprintf("099000%06d", i)) }

var seed = []byte("a seed of 20 bytes ..")[:20]

// person opens an account at the centre, whose password hash is a text.
func (w *world) person(t *testing.T, i int, hash string) authz.Subject {
	t.Helper()
	subject := authz.Subject(authz.NewID())
	sealed, err := w.rings[centre].Seal(t.Context(), seed, authn.SeedAAD(subject))
	if err != nil {
		t.Fatal(err)
	}
	account := identity.Account{Subject: subject, Kind: authz.Citizen, Person: authz.PersonID(subject), Level: 2, Created: w.now}
	err = w.at.InsertAccount(t.Context(), account, number(i),
		authn.Held{ID: authn.FactorID(authz.NewID()), Kind: authn.PasswordFactor, Secret: []byte(hash)},
		authn.Held{ID: authn.FactorID(authz.NewID()), Kind: authn.TOTPFactor, Secret: sealed, Counter: 5})
	if err != nil {
		t.Fatal(err)
	}
	return subject
}

// chose makes a person who chose the province, and by what it knows her.
func (w *world) chose(t *testing.T, i int) (subject, there authz.Subject) {
	t.Helper()
	subject = w.person(t, i, "hash")
	there, err := w.names.Person(t.Context(), danang, subject)
	if err = errors.Join(err, w.choices.Choose(t.Context(), subject, danang)); err != nil {
		t.Fatal(err)
	}
	return subject, there
}

func (w *world) feed(t *testing.T) {
	t.Helper()
	if err := w.feeder.Feed(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// can reports whether a person could sign in at the province now.
func (w *world) can(t *testing.T, i int) bool {
	t.Helper()
	if err := w.feeder.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := w.there.Credentials(t.Context(), number(i))
	if err != nil {
		t.Fatal(err)
	}
	return c.Subject != "" && !c.Locked && len(c.Factors) == 2
}

// deaf is a database of a province that does not say whom it knows.
type deaf struct{ regional.PeopleStore }

func (deaf) Known(context.Context, []authz.Subject) (map[authz.Subject]regional.Known, error) {
	return nil, authz.ErrUnavailable
}

// TestFeeding: who chose a province can sign in there, with a seed that only the province
// opens, for the days that are stated; a lock, another password and the withdrawal arrive.
func TestFeeding(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		an, anThere := w.chose(t, 1)
		chi, chiThere := w.chose(t, 2)
		w.person(t, 3, "hash") // chose nothing
		w.feed(t)
		if !w.can(t, 1) || !w.can(t, 2) || w.can(t, 3) {
			t.Fatal("who chose the province cannot sign in there, or who did not can")
		}
		if w.pens[centre].wrote(audit.RegionalChosen, an) != 1 || w.pens[centre].wrote(audit.RegionalHanded, an) != 1 ||
			w.pens[danang].wrote(audit.RegionalReceived, anThere) != 1 {
			t.Errorf("recorded: %v and %v", w.pens[centre].acts, w.pens[danang].acts)
		}
		c, err := db.Credentials(t.Context(), number(1))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range c.Factors {
			if f.Kind != authn.TOTPFactor {
				continue
			}
			opened, _, err := w.rings[danang].Open(t.Context(), f.Secret, authn.SeedAAD(anThere))
			if err != nil || string(opened) != string(seed) || f.Counter != 5 {
				t.Errorf("the seed: %q, %v, step %d", opened, err, f.Counter)
			}
			if _, _, err := w.rings[centre].Open(t.Context(), f.Secret, authn.SeedAAD(anThere)); err == nil {
				t.Error("the seed is sealed under the keyring of the centre")
			}
		}

		// Nothing new: nothing is recorded, and the days are counted from now.
		acts := len(w.pens[centre].acts) + len(w.pens[danang].acts)
		w.now = w.now.AddDate(0, 0, 2)
		w.feed(t)
		if got := len(w.pens[centre].acts) + len(w.pens[danang].acts); got != acts {
			t.Errorf("%d events for nothing", got-acts)
		}
		kept := w.feeder.Store
		w.feeder.Store = deaf{kept}
		w.now = w.now.Add(time.Second)
		if err := w.feeder.Feed(t.Context()); !errors.Is(err, authz.ErrUnavailable) || !w.can(t, 1) || !w.can(t, 2) {
			t.Errorf("an error of the database ended people: %v", err)
		}
		w.feeder.Store = kept
		w.now = w.now.Add(-time.Second)

		w.cut = true
		w.now = w.now.AddDate(0, 0, 3).Add(-time.Second)
		if err := w.feeder.Feed(t.Context()); err == nil || !w.can(t, 1) {
			t.Errorf("cut off, before the last day: %v", err)
		}
		w.now = w.now.Add(time.Second)
		if w.can(t, 1) || w.can(t, 2) || w.pens[danang].wrote(audit.AccountLock, anThere) != 1 {
			t.Error("what was handed over outlived its days")
		}
		w.cut = false
		w.feed(t)
		if !w.can(t, 1) || w.pens[danang].wrote(audit.AccountUnlock, anThere) != 1 {
			t.Error("reconnected, she cannot sign in")
		}

		// What the centre took meanwhile wins.
		ended := w.signed
		if err := w.at.Lock(t.Context(), an, "operator", w.now); err != nil {
			t.Fatal(err)
		}
		if err := w.choices.Withdraw(t.Context(), chi, danang); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Minute)
		w.feed(t)
		if w.can(t, 1) || w.can(t, 2) || w.signed != ended+2 {
			t.Error("a lock or a withdrawal did not arrive")
		}
		if err := errors.Join(w.at.Unlock(t.Context(), an, "operator"), w.choices.Choose(t.Context(), chi, danang)); err != nil {
			t.Fatal(err)
		}
		w.feed(t)
		if !w.can(t, 1) || !w.can(t, 2) || w.pens[centre].wrote(audit.RegionalHanded, chi) != 2 {
			t.Error("who was unlocked, or chose again, cannot sign in")
		}

		// Another password ends what began by the one before.
		ended = w.signed
		factors, err := w.at.Credentials(t.Context(), number(1))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range factors.Factors {
			if f.Kind == authn.PasswordFactor {
				err = w.at.ReplaceSecret(t.Context(), an, f.ID, f.Secret, []byte("another hash"))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		w.feed(t)
		c, err = db.Credentials(t.Context(), number(1))
		another := func(f authn.Held) bool { return string(f.Secret) == "another hash" }
		if err != nil || !slices.ContainsFunc(c.Factors, another) || w.signed != ended+1 {
			t.Errorf("another password did not arrive: %v, %v", c, err)
		}

		// A lock of the province's own operator is not undone by the centre.
		if err := db.Lock(t.Context(), chiThere, string(authz.Operator), w.now); err != nil {
			t.Fatal(err)
		}
		w.feed(t)
		if w.can(t, 2) {
			t.Error("the centre undid a lock of the province")
		}

		// Nor where the choice is over and begins again meanwhile: each lock is one of its own.
		for _, change := range []func(context.Context, authz.Subject, federation.EntityID) error{w.choices.Withdraw, w.choices.Choose} {
			if err := change(t.Context(), chi, danang); err != nil {
				t.Fatal(err)
			}
			w.now = w.now.Add(time.Minute)
			w.feed(t)
			if w.can(t, 2) {
				t.Error("the feed took the lock of an operator away")
			}
		}
		if err := db.Unlock(t.Context(), chiThere, string(authz.Operator)); err != nil || !w.can(t, 2) {
			t.Errorf("the operator took the lock away: %v", err)
		}
	})
}

// TestPages: any number of people come, in pages.
func TestPages(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, nil))
	for i := range 205 {
		w.chose(t, i)
	}
	w.feed(t)
	if w.answered != 3 { // 100, 100 and 5
		t.Errorf("%d answers", w.answered)
	}
	for _, i := range []int{0, 99, 100, 204} {
		if !w.can(t, i) {
			t.Errorf("person %d cannot sign in", i)
		}
	}
}

// TestSub: OpenID Connect Core §8.1: centre and province name a person alike in a sector of the
// province, and differently everywhere else; neither key tells the other names.
func TestSub(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, nil))
	an, there := w.chose(t, 1)
	served := &regional.Served{Centre: centre, Store: w.there.Regional, Ring: w.rings[danang], Now: func() time.Time { return w.now }}
	if _, _, err := served.Regional(t.Context(), sector); !errors.Is(err, regional.ErrSector) {
		t.Errorf("before the key came: %v", err)
	}
	old := &authz.Client{ID: "old", Profile: authz.OIDC}
	old.Sector = "old.danang.example.vn"
	w.names.Providers.Since = time.Now().Add(time.Hour) // the app comes before it
	if err := w.at.SaveClient(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := w.names.Regional(t.Context(), old.Sector); ok || err != nil {
		t.Errorf("a sector of before: %v, %v", ok, err)
	}
	w.names.Providers.Since = start.AddDate(0, -1, 0)
	w.feed(t)
	name := func(id federation.EntityID, regions identity.Regions, sector string, who authz.Subject) authz.Pairwise {
		t.Helper()
		p, err := identity.NewPseudonyms(t.Context(), w.rings[id])
		if err != nil {
			t.Fatal(err)
		}
		p.Regions = regions
		sub, err := p.Pairwise(t.Context(), sector, who)
		if err != nil {
			t.Fatal(err)
		}
		return sub
	}
	if a, b := name(centre, w.names, sector, an), name(danang, served, sector, there); a != b {
		t.Errorf("two names of one person: %s, %s", a, b)
	}
	if name(centre, w.names, sector, an) == name(centre, nil, sector, an) {
		t.Error("the name in a sector of the province is the national one")
	}
	if name(centre, w.names, sector, an) == name(centre, w.names, "other.danang.example.vn", an) {
		t.Error("two sectors of a province have one name")
	}
	for _, s := range []string{"land.hue.example.vn", "example.vn", "xdanang.example.vn", "old.danang.example.vn"} {
		if _, _, err := served.Regional(t.Context(), s); !errors.Is(err, regional.ErrSector) {
			t.Errorf("the province serves %s: %v", s, err)
		}
	}
	if a, b := name(centre, w.names, "old.danang.example.vn", an), name(centre, nil, "old.danang.example.vn", an); a != b {
		t.Error("a sector of before has another name than before")
	}
	if name(danang, served, "audit", there) == name(danang, served, sector, there) {
		t.Error("the name in the evidence is that in a sector")
	}
	hue, err := w.names.Person(t.Context(), "https://id.hue.example.vn", an)
	if err != nil || hue == there || hue == an || there == an {
		t.Errorf("two provinces know one person by one name: %v", err)
	}
}

// TestRefusals: who is no province with the mark of the anchor, or did not sign, is told nothing;
// what did not come from the centre changes nothing.
func TestRefusals(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(t *testing.T, w *world)
		want   string
	}{
		{"a province that the centre does not name", func(_ *testing.T, w *world) { w.names.Providers.All = w.names.Providers.All[1:] }, "answered 403"},
		{"a province that nobody vouches for", func(_ *testing.T, w *world) { w.known[danang] = nil }, "answered 403"},
		{"a province without the mark", func(_ *testing.T, w *world) { w.known[danang].Marks = nil }, "answered 403"},
		{"a province whose mark has ended", func(_ *testing.T, w *world) { w.known[danang].Marks[0].Expiry = start }, "answered 403"},
		{"another mark", func(_ *testing.T, w *world) { w.known[danang].Marks[0].Type = "x" }, "answered 403"},
		{"keys of another", func(t *testing.T, w *world) {
			w.rings[danang], w.rings[centre] = w.rings[centre], w.rings[danang]
			e := w.entry(t, danang, w.known[danang].Marks...)
			w.rings[danang], w.rings[centre] = w.rings[centre], w.rings[danang]
			w.known[danang] = e
		}, "answered 403"},
		{"the request of another hour", func(_ *testing.T, w *world) {
			w.feeder.Now = func() time.Time { return w.now.Add(-time.Hour) }
		}, "answered 400"},
		{"a request for another centre", func(_ *testing.T, w *world) {
			w.feeder.Centre, w.known["https://other.example.vn"] = "https://other.example.vn", w.known[centre]
		}, "answered 400"},
		{"a province that another anchor vouches for", func(_ *testing.T, w *world) { w.known[danang].Anchor = "https://other.example.vn" }, "answered 403"},
		{"a centre that another anchor vouches for", func(_ *testing.T, w *world) { w.known[centre].Anchor = "https://other.example.vn" }, "in no federation"},
		{"a centre that nobody vouches for", func(_ *testing.T, w *world) { w.known[centre] = nil }, "in no federation"},
		{"an answer that was changed", func(_ *testing.T, w *world) { w.spoil = func(b string) string { return b[:len(b)-9] + "AAAAAAAAA" } }, "invalid JWS"},
		{"an answer in plain", func(_ *testing.T, w *world) { w.spoil = func(string) string { return "e30.e30.e30" } }, "invalid JWS"},
		{"an answer of before", func(t *testing.T, w *world) {
			first := ""
			w.spoil = func(b string) string { first = b; return b }
			w.feed(t)
			w.spoil = func(string) string { return first }
		}, "another request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, storetest.SQLite(t, nil))
			w.chose(t, 1)
			before := len(w.pens[danang].acts)
			row.change(t, w)
			after := len(w.pens[danang].acts)
			if err := w.feeder.Feed(t.Context()); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
			if got := len(w.pens[danang].acts); got != after || after == before && w.can(t, 1) {
				t.Error("it was taken all the same")
			}
		})
	}
}

// TestNothingInTheOpen: no request and no answer has a number, a hash or a seed in the open.
func TestNothingInTheOpen(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, nil))
	an, there := w.chose(t, 1)
	var got string
	w.spoil = func(b string) string { got += b; return b }
	w.feed(t)
	for _, secret := range []string{number(1).Reveal(), "hash", string(an), string(there)} {
		if strings.Contains(got+strings.Join(w.sent, ""), secret) {
			t.Errorf("%q is in the open", secret)
		}
	}
	if !jose.IsEncrypted(got) {
		t.Error("an answer is not encrypted")
	}
}

// TestMethods: RFC 9110 §15.5.6 and §15.5.16: the endpoint takes one method and one media type,
// and bounds what is posted.
func TestMethods(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, nil))
	for _, row := range []struct {
		method, media, body string
		want                int
	}{
		{http.MethodGet, "", "", http.StatusMethodNotAllowed},
		{http.MethodPost, "application/json", "{}", http.StatusUnsupportedMediaType},
		{http.MethodPost, regional.MediaType, "e30.e30.e30", http.StatusBadRequest},
		{http.MethodPost, regional.MediaType, strings.Repeat("x", 17<<10), http.StatusRequestEntityTooLarge},
	} {
		r := httptest.NewRequestWithContext(t.Context(), row.method, regional.Path, strings.NewReader(row.body))
		r.Header.Set("Content-Type", row.media)
		answer := httptest.NewRecorder()
		w.centre.ServeHTTP(answer, r)
		if answer.Code != row.want {
			t.Errorf("%s %s: %d, want %d", row.method, row.media, answer.Code, row.want)
		}
	}
}

// TestParseProviders: what a centre may say of provinces.
func TestParseProviders(t *testing.T) {
	good := file3(3)
	for _, row := range []struct{ name, from, to, want string }{
		{"as it is", "", "", ""},
		{"no mark", marked, "", "trust_mark_type"},
		{"no days", `"days":3`, `"days":0`, "days"},
		{"too many days", `"days":3`, `"days":31`, "days"},
		{"no time", `"since":"2026-01-01T00:00:00+07:00",`, ``, "since"},
		{"a province twice", "https://id.hue.example.vn", string(danang), "twice"},
		{"one domain of two provinces", `"hue.example.vn"`, `"danang.example.vn"`, "there already"},
		{"a domain below that of another", `"hue.example.vn"`, `"hue.danang.example.vn"`, "there already"},
		{"a domain above that of another", `"hue.example.vn"`, `"example.vn"`, "there already"},
		{"a domain of one label", `"hue.example.vn"`, `"vn"`, "not a domain"},
		{"a domain in capitals", `"hue.example.vn"`, `"Hue.example.vn"`, "not a domain"},
		{"no domain", `["hue.example.vn"]`, `[]`, "0 domains"},
		{"no name", `{"vi":"Huế"}`, `{"vi":" "}`, "name"},
		{"a province without TLS", "https://id.hue", "http://id.hue", "provider 1"},
		{"a member that nobody knows", `"days"`, `"day"`, "unknown field"},
		{"two objects", `}]}`, `}]}{}`, "more after"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := regional.ParseProviders([]byte(strings.Replace(good, row.from, row.to, 1)))
			if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
}
