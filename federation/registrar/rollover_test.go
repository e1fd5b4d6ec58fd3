package registrar_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/consent"
	apps "hopnhat/authz/registration"
	"hopnhat/conformance/harness/vaulttest"
	"hopnhat/federation"
	"hopnhat/federation/authority"
	"hopnhat/federation/enrol"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/fetch"
	"hopnhat/federation/registrar"
	"hopnhat/federation/registration"
	"hopnhat/federation/resolver"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/keys"
	"hopnhat/keys/file"
	"hopnhat/keys/jose"
	"hopnhat/keys/keytest"
	"hopnhat/keys/lifecycle"
	"hopnhat/keys/vault"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// body is an entity with keys, endpoints and, if it has subordinates, a registry of its own.
type body struct {
	*authority.Authority
	id       federation.EntityID
	keeper   *lifecycle.Keeper
	operator func() *lifecycle.Keeper
	superior *body
	db       *store.DB
}

// tree is a federation of three levels: an anchor, a province, and an app below it; a provider
// stands below the anchor. Its clock is turned by the test.
type tree struct {
	t                               *testing.T
	now                             time.Time
	anchor, province, app, provider *body
	bodies                          []*body
	// protocol are the app's own keys, the one that signs first.
	protocol []*federationtest.Entity
	file     string
	pinned   []trust.Anchor
	fetcher  *fetch.Fetcher
	// known registers by what it gathers, shown by the chains that the app sends; both are of
	// the provider, each on a database of its own.
	resolver     *resolver.Resolver
	known, shown *registrar.Registrar
	rows         [2]*store.DB
	// sent are the statements of the chains that the app keeps for half a day.
	sent   map[string]statement.Statement
	pace   pace
	logins int
}

// pace is how much time passes between two logins: for most of a day after a change, of the
// days in which a key leaves, and while nothing changes.
type pace struct{ near, leaving, quiet time.Duration }

func (tr *tree) clock() time.Time { return tr.now }

// body makes an entity on a key store.
func (tr *tree) body(id federation.EntityID, superior *body, subordinates bool, s keys.Store, metadata func() map[string]any) *body {
	t := tr.t
	options := lifecycle.Options{
		Store: s, Ledger: &keytest.Ledger{}, Algorithms: []keys.Algorithm{keys.ES256}, Node: "a", MayCreate: true, Begin: true,
		Rules: map[keys.Use]lifecycle.Rule{
			keys.EntityStatement: lifecycle.Rules(10*time.Minute, time.Hour, 30*24*time.Hour)[keys.EntityStatement],
		},
		Tick: 24 * 365 * time.Hour, Now: tr.clock,
	}
	start := func() *lifecycle.Keeper {
		k, err := lifecycle.Open(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = k.Close() })
		return k
	}
	b := &body{id: id, keeper: start(), superior: superior, operator: start}
	k := b.keeper
	options.Node = "" // a command
	o := authority.Options{ID: id, Organization: "Cơ quan " + string(id), Ring: k, Now: tr.clock}
	if superior != nil {
		o.Superiors = []federation.EntityID{superior.id}
	}
	if subordinates {
		b.db = storetest.SQLite(t, tr.clock)
		o.Registry = federationtest.Unheld{Registry: b.db.Enrolments}
	}
	if metadata != nil {
		o.Metadata = func() (map[federation.EntityType]json.RawMessage, error) {
			raw, err := json.Marshal(metadata())
			var all map[federation.EntityType]json.RawMessage
			if err == nil {
				err = json.Unmarshal(raw, &all)
			}
			return all, err
		}
	}
	b.Authority = authority.New(o)
	tr.bodies = append(tr.bodies, b)
	return b
}

// FetchAs asks the endpoints of the entities, as over the network.
func (tr *tree) FetchAs(ctx context.Context, address, _ string, _ int64) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	for _, b := range tr.bodies {
		if handle := b.Handlers()[u.Path]; handle != nil && "https://"+u.Host == string(b.id) {
			w := httptest.NewRecorder()
			handle(w, httptest.NewRequestWithContext(ctx, http.MethodGet, address, nil))
			if w.Code == http.StatusOK {
				return w.Body.Bytes(), nil
			}
			return nil, fmt.Errorf("status %d: %s", w.Code, w.Body)
		}
	}
	return nil, fmt.Errorf("nobody is at %s", address)
}

func (tr *tree) must(err error) {
	tr.t.Helper()
	if err != nil {
		tr.t.Fatalf("at %s: %v", tr.now, err)
	}
}

func newRollingTree(t *testing.T, open func(name string) keys.Store) *tree {
	tr := &tree{t: t, now: federationtest.Now, file: filepath.Join(t.TempDir(), "f.json"), sent: map[string]statement.Statement{}}
	tr.fetcher = fetch.New(tr, tr.clock)
	tr.protocol = []*federationtest.Entity{federationtest.New(t, "https://khoa.example.vn")}
	tr.anchor = tr.body("https://neo.example.vn", nil, true, open("anchor"), nil)
	tr.province = tr.body("https://tinh.example.vn", tr.anchor, true, open("province"), nil)
	tr.app = tr.body("https://app.tinh.example.vn", tr.province, false, open("app"), func() map[string]any {
		var set []json.RawMessage
		for _, k := range tr.protocol {
			var one struct {
				Keys []json.RawMessage `json:"keys"`
			}
			tr.must(json.Unmarshal(k.JWKS(t), &one))
			set = append(set, one.Keys...)
		}
		return map[string]any{"openid_relying_party": map[string]any{
			"client_registration_types": []string{"automatic"}, "client_name": "Cổng dịch vụ", "jwks": map[string]any{"keys": set},
			"redirect_uris": []string{"https://app.tinh.example.vn/cb"},
		}}
	})
	tr.provider = tr.body(self, tr.anchor, false, open("provider"), func() map[string]any {
		return map[string]any{"openid_provider": map[string]any{"issuer": self, "client_registration_types_supported": []string{"automatic"}}}
	})
	tr.rows = [2]*store.DB{storetest.SQLite(t, tr.clock), storetest.SQLite(t, tr.clock)}
	for _, b := range tr.bodies {
		tr.must(b.keeper.Reconcile(t.Context()))
		tr.enrol(b)
	}
	tr.pin()
	return tr
}

// pin makes the provider anew, as after a start, with the keys that the anchor has now in its file.
func (tr *tree) pin() {
	tr.pinned = []trust.Anchor{{ID: tr.anchor.id, Keys: tr.keys(tr.anchor)}}
	tr.resolver = resolver.New(resolver.Options{Anchors: tr.pinned, Fetcher: tr.fetcher, File: tr.file, Now: tr.clock})
	o := registrar.Options{
		Self: self, Evidence: &audit.Scribe{Rows: tr.rows[0], Site: "dc1"}, Store: tr.rows[0], Resolver: tr.resolver, Now: tr.clock,
		Rules: registration.Rules{
			Anchors: tr.pinned, Let: apps.Policy{Profile: authz.FAPI2}, Checks: apps.Rules{Catalogue: consent.Load()},
		},
		Changed: func(authz.ClientID) {},
	}
	tr.known = registrar.New(o)
	o.Resolver, o.Store, o.Evidence = nil, tr.rows[1], &audit.Scribe{Rows: tr.rows[1], Site: "dc1"}
	tr.shown = registrar.New(o)
}

// keys are the federation keys that an entity publishes.
func (tr *tree) keys(b *body) *jose.Set {
	published, err := b.keeper.Published(keys.EntityStatement)
	tr.must(err)
	raw, err := jose.MarshalSet(published)
	tr.must(err)
	set, err := jose.ParseSet(raw)
	tr.must(err)
	return set
}

// enrol makes the superior of an entity state the keys that it publishes, by two people.
func (tr *tree) enrol(b *body) {
	if b.superior == nil {
		return
	}
	ctx, book := tr.t.Context(), b.superior.db.Enrolments
	token, err := b.Configuration(ctx)
	tr.must(err)
	terms, err := enrol.FromConfiguration(federationtest.Parse(tr.t, token), b.superior.id, tr.now)
	tr.must(err)
	terms.Agreement, terms.Level, terms.Until = "12/2026", 3, tr.now.AddDate(2, 0, 0)
	s, err := book.Subordinate(ctx, b.id)
	if err != nil {
		s = enrol.Subordinate{ID: b.id}
	}
	s, err = s.Propose(b.superior.id, terms, "a", "", tr.now)
	tr.must(err)
	s, err = s.Approve(b.superior.id, s.Proposal.Terms.Digest(), "b", tr.now)
	tr.must(err)
	tr.must(book.SaveSubordinate(ctx, s))
}

// statement is what an entity sends in chains, not fetched again for half a day.
func (tr *tree) statement(issuer, subject *body) string {
	name := string(issuer.id + " " + subject.id)
	if s, ok := tr.sent[name]; ok && tr.now.Before(s.IssuedAt.Add(12*time.Hour)) {
		return s.Token()
	}
	address := fetch.ConfigurationURL(issuer.id)
	if issuer != subject {
		address = string(issuer.id) + authority.FetchPath + "?" + url.Values{"sub": {string(subject.id)}}.Encode()
	}
	raw, err := tr.FetchAs(tr.t.Context(), address, "", 0)
	tr.must(err)
	tr.sent[name] = federationtest.Parse(tr.t, string(raw))
	return string(raw)
}

func (tr *tree) chain(b *body) (list []string) {
	list = []string{tr.statement(b, b)}
	for ; b.superior != nil; b = b.superior {
		list = append(list, tr.statement(b.superior, b))
	}
	return append(list, tr.statement(b, b))
}

// login is what a login asks of the federation: the app is let in, by what is known and by the
// chains that are sent, with a key that it signs with.
func (tr *tree) login() {
	ctx, id := tr.t.Context(), authz.ClientID(tr.app.id)
	tr.must(tr.shown.Introduce(ctx, id, tr.chain(tr.app), tr.chain(tr.provider)))
	assertion := tr.protocol[0].Sign(tr.t, claims{"typ": "JWT"}, claims{"iss": id})
	for way, r := range map[string]*registrar.Registrar{"known": tr.known, "shown": tr.shown} {
		c, err := r.Client(ctx, id)
		if err != nil {
			tr.t.Fatalf("at %s, %s: %v", tr.now, way, err)
		}
		set, err := jose.ParseSet(c.JWKS)
		tr.must(err)
		if _, err := jose.Verify(assertion, set, jose.Rule{Type: "JWT", Algorithms: []keys.Algorithm{keys.ES256}}); err != nil {
			tr.t.Fatalf("at %s, %s: the key of the app: %v", tr.now, way, err)
		}
	}
	tr.logins++
}

// pass lets time pass, with a login at each step.
func (tr *tree) pass(long, step time.Duration) {
	for end := tr.now.Add(long); tr.now.Before(end); {
		tr.now = tr.now.Add(step)
		for _, b := range tr.bodies {
			tr.must(b.keeper.Reconcile(tr.t.Context()))
		}
		tr.resolver.Refresh(tr.t.Context())
		tr.login()
	}
}

// told gives the keys that an entity publishes now to those who have to have them.
func (tr *tree) told(b *body) {
	tr.enrol(b)
	if b == tr.anchor {
		tr.pin()
	}
}

// roll changes the federation key of an entity: announced, told, a day and two hours later it
// signs, and 31 days later the one before has left.
func (tr *tree) roll(b *body) {
	t, ctx := tr.t, tr.t.Context()
	before := tr.keys(b)
	next, err := b.operator().Commands().Rotate(ctx, keys.EntityStatement, keys.ES256, false)
	tr.must(err)
	tr.pass(2*time.Hour, time.Hour)
	tr.told(b)
	tr.pass(26*time.Hour, tr.pace.near)
	tr.must(b.operator().Commands().Expedite(ctx, next.KeyID))
	tr.pass(26*time.Hour, tr.pace.near)
	if active, err := b.keeper.Active(keys.EntityStatement, keys.ES256); err != nil || active.KeyID != next.KeyID || tr.keys(b).Len() != 2 {
		t.Fatalf("%s signs with %s of %d: %v", b.id, active.KeyID, tr.keys(b).Len(), err)
	}
	tr.pass(31*24*time.Hour, tr.pace.leaving)
	if token, err := b.Configuration(ctx); err != nil || federationtest.Parse(t, token).SignedBy(before) == nil || tr.keys(b).Len() != 1 {
		t.Fatalf("%s still has the key from before: %v", b.id, err)
	}
	tr.told(b)
	tr.pass(26*time.Hour, tr.pace.near)
}

// TestRollover: in a tree of three levels every key is changed, one after another, and no login
// fails meanwhile (OpenID Federation 1.0 §11.2), with keys in files and in Vault. No key of a
// federation changes by itself.
func TestRollover(t *testing.T) {
	const day = 24 * time.Hour
	server := vaulttest.Start(t)
	for name, row := range map[string]struct {
		pace   pace
		logins int
		open   func(t *testing.T, name string) keys.Store
	}{
		"files": {pace{2 * time.Hour, day, 2 * day}, 30 + 4*(2+3*13+31) + 3*13, func(t *testing.T, _ string) keys.Store {
			s, err := file.Open(file.Options{Dir: t.TempDir(), Make: true, Algorithms: []keys.Algorithm{keys.ES256}})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}},
		"vault": {pace{6 * time.Hour, 5 * day, 10 * day}, 6 + 4*(2+3*5+7) + 3*5, func(t *testing.T, name string) keys.Store {
			s, err := vault.Open(vault.Options{
				Addresses: []string{server.Address}, TokenFile: server.Token(server.Root), Algorithms: []keys.Algorithm{keys.ES256}, Prefix: name + "-",
			})
			if err == nil {
				err = s.Ensure(t.Context(), time.Hour)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newRollingTree(t, func(name string) keys.Store { return row.open(t, name) })
			tr.pace = row.pace
			tr.pass(60*24*time.Hour, tr.pace.quiet)
			for _, b := range []*body{tr.anchor, tr.province, tr.app, tr.provider} {
				if n := tr.keys(b).Len(); n != 1 {
					t.Fatalf("%s has %d federation keys, and nobody made one", b.id, n)
				}
				tr.roll(b)
			}
			tr.protocol = append(tr.protocol, federationtest.New(t, "https://khoa-hai.example.vn"))
			tr.pass(26*time.Hour, tr.pace.near)
			tr.protocol = []*federationtest.Entity{tr.protocol[1], tr.protocol[0]}
			tr.pass(26*time.Hour, tr.pace.near)
			tr.protocol = tr.protocol[:1]
			tr.pass(26*time.Hour, tr.pace.near)
			if tr.logins != row.logins {
				t.Errorf("%d logins, want %d", tr.logins, row.logins)
			}
		})
	}
}

// TestRevocation: an app that its province revokes is refused as soon as the lists were looked at
// again, with its event, although its chain is in force; so is one below a province that the
// anchor revokes.
func TestRevocation(t *testing.T) {
	for name, which := range map[string]func(tr *tree) *body{
		"the app":          func(tr *tree) *body { return tr.app },
		"its province too": func(tr *tree) *body { return tr.province },
	} {
		t.Run(name, func(t *testing.T) {
			tr := newRollingTree(t, func(string) keys.Store {
				s, err := file.Open(file.Options{Dir: t.TempDir(), Make: true, Algorithms: []keys.Algorithm{keys.ES256}})
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
			tr.pass(time.Hour, time.Hour)
			b, ctx, id := which(tr), t.Context(), authz.ClientID(tr.app.id)
			s, err := b.superior.db.Enrolments.Subordinate(ctx, b.id)
			tr.must(err)
			s, err = s.Revoke("a", "thử nghiệm", tr.now)
			tr.must(err)
			tr.must(b.superior.db.Enrolments.SaveSubordinate(ctx, s))
			var told []federation.EntityID
			tr.resolver.OnDropped(func(id federation.EntityID) { told = append(told, id) })
			tr.now = tr.now.Add(2 * time.Second)
			tr.resolver.Watch(ctx)
			_, err = tr.known.Client(ctx, id)
			refusedBy(t, err, authz.InvalidTrustChain, "")
			if len(told) == 0 {
				t.Error("nobody is told")
			}
			if c, err := tr.rows[0].Client(ctx, id); err != nil || !c.Membership.Lapsed(tr.now) {
				t.Errorf("it is kept as trusted: %+v, %v", c.Membership, err)
			}
		})
	}
}
