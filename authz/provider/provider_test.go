package provider_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authorize"
	"hopnhat/authz/claims"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/grant/granttest"
	"hopnhat/authz/interaction"
	"hopnhat/authz/provider"
	"hopnhat/keys"
	"hopnhat/keys/file"
	"hopnhat/keys/keytest"
	"hopnhat/keys/lifecycle"
	"hopnhat/keys/seal"
)

// memory keeps pending authorizations and grants as the interface promises.
type memory struct {
	mu      sync.Mutex
	pending map[authz.AuthorizationID]grant.Pending
	grants  map[authz.GrantID]grant.Grant
	spent   map[string]bool
	// down makes every call fail as a database does that does not answer.
	down bool
	// beforeRotate does what another request does to a grant before it is rotated;
	// together holds rotations back until as many have come as it has room for.
	beforeRotate func(g *grant.Grant)
	together     chan struct{}
	all          chan struct{}
}

func (m *memory) do(fn func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return authz.ErrUnavailable
	}
	return fn()
}

func (m *memory) InsertPending(ctx context.Context, p grant.Pending, once clientauth.Assertion) error {
	if err := m.Spend(ctx, once); err != nil {
		return err
	}
	return m.do(func() error {
		m.pending[p.ID] = p
		undoing(ctx, func() { delete(m.pending, p.ID) })
		return nil
	})
}

func (m *memory) Pending(_ context.Context, id authz.AuthorizationID) (p grant.Pending, err error) {
	err = m.do(func() error {
		var ok bool
		if p, ok = m.pending[id]; !ok {
			return authz.ErrNotFound
		}
		return nil
	})
	return p, err
}

func (m *memory) FinishPending(ctx context.Context, id authz.AuthorizationID, at time.Time, refused string) error {
	return m.do(func() error {
		p := m.pending[id]
		if !p.Finished.IsZero() {
			return authz.ErrConflict
		}
		undoing(ctx, func() { p.Finished, p.Refused = time.Time{}, ""; m.pending[id] = p })
		p.Finished, p.Refused = at, refused
		m.pending[id] = p
		return nil
	})
}

func (m *memory) InsertGrant(ctx context.Context, g grant.Grant, answers authz.AuthorizationID) error {
	if answers != "" {
		if err := m.FinishPending(ctx, answers, g.Created, ""); err != nil {
			return err
		}
	}
	return m.do(func() error {
		m.grants[g.ID] = g
		undoing(ctx, func() { delete(m.grants, g.ID) })
		return nil
	})
}

func (m *memory) find(match func(grant.Grant) bool) (g grant.Grant, err error) {
	err = m.do(func() error {
		for _, one := range m.grants {
			if match(one) {
				g = one
				return nil
			}
		}
		return authz.ErrNotFound
	})
	return g, err
}

func (m *memory) GrantByCode(_ context.Context, hash []byte) (grant.Grant, error) {
	return m.find(func(g grant.Grant) bool { return string(g.CodeHash) == string(hash) })
}

func (m *memory) Grant(_ context.Context, id authz.GrantID) (grant.Grant, error) {
	return m.find(func(g grant.Grant) bool { return g.ID == id })
}

func (m *memory) GrantByPublicID(_ context.Context, id authz.GrantID) (grant.Grant, error) {
	newest, err := grant.Grant{}, authz.ErrNotFound
	for {
		g, e := m.find(func(g grant.Grant) bool {
			return g.PublicID() == id && !g.CodeSpent.IsZero() && g.Revoked.IsZero() && g.ID > newest.ID
		})
		if errors.Is(e, authz.ErrNotFound) {
			return newest, err
		}
		if newest, err = g, e; e != nil {
			return newest, err
		}
	}
}

func (m *memory) Supersede(ctx context.Context, by grant.Grant, at time.Time) error {
	return m.do(func() error {
		ended := false
		for id, g := range m.grants {
			if g.PublicID() == by.Continues && g.ID != by.ID && g.Live(at) {
				before := g
				undoing(ctx, func() { m.grants[id] = before })
				g.Revoked, ended = at, true
				m.grants[id] = g
			}
		}
		if !ended {
			return authz.ErrConflict
		}
		return nil
	})
}

func (m *memory) change(ctx context.Context, id authz.GrantID, fn func(g *grant.Grant) bool) error {
	return m.do(func() error {
		g := m.grants[id]
		before := g
		if !fn(&g) {
			return authz.ErrConflict
		}
		undoing(ctx, func() { m.grants[id] = before })
		m.grants[id] = g
		return nil
	})
}

func (m *memory) RedeemCode(ctx context.Context, id authz.GrantID, bound authz.Confirmation, at time.Time,
	once clientauth.Assertion,
) error {
	if err := m.Spend(ctx, once); err != nil {
		return err
	}
	return m.change(ctx, id, func(g *grant.Grant) bool {
		free := g.CodeSpent.IsZero() && g.Revoked.IsZero()
		g.CodeSpent, g.Bound = at, bound
		return free
	})
}

func (m *memory) Rotate(ctx context.Context, id authz.GrantID, generation int, at time.Time, once clientauth.Assertion) error {
	if err := m.Spend(ctx, once); err != nil {
		return err
	}
	if m.together != nil {
		if m.together <- struct{}{}; len(m.together) == cap(m.together) {
			close(m.all)
		}
		<-m.all
	}
	if m.beforeRotate != nil {
		_ = m.change(context.Background(), id, func(g *grant.Grant) bool { m.beforeRotate(g); return true })
	}
	return m.change(ctx, id, func(g *grant.Grant) bool {
		if g.RefreshGeneration != generation || !g.Revoked.IsZero() || !at.Before(g.Expires) {
			return false
		}
		g.RefreshGeneration, g.RefreshRotated = generation+1, at
		return true
	})
}

func (m *memory) Revoke(ctx context.Context, id authz.GrantID, because string, at time.Time) error {
	return m.change(ctx, id, func(g *grant.Grant) bool {
		if g.Revoked.IsZero() {
			g.Revoked, g.RevokedBecause = at, because
		}
		if g.CodeSpent.IsZero() {
			g.CodeSpent = at
		}
		return true
	})
}

func (m *memory) Spend(ctx context.Context, once clientauth.Assertion) error {
	return m.do(func() error {
		if once.Digest != nil && m.spent[string(once.Digest)] {
			return clientauth.ErrAssertionUsed
		}
		if once.Proof.Digest != nil && m.spent[string(once.Proof.Digest)] {
			return clientauth.ErrProofUsed
		}
		for _, digest := range [][]byte{once.Digest, once.Proof.Digest} {
			if digest != nil {
				m.spent[string(digest)] = true
				undoing(ctx, func() { delete(m.spent, string(digest)) })
			}
		}
		return nil
	})
}

func (m *memory) RevokeToken(ctx context.Context, digest []byte, expires time.Time) error {
	return m.Spend(ctx, clientauth.Assertion{Digest: digest, Expires: expires})
}

func (m *memory) TokenRevoked(_ context.Context, digest []byte) (found bool, err error) {
	err = m.do(func() error { found = m.spent[string(digest)]; return nil })
	return found, err
}

type undoKey struct{}

// undoing notes how a write is undone if its transaction fails.
func undoing(ctx context.Context, undo func()) {
	if list, ok := ctx.Value(undoKey{}).(*[]func()); ok {
		*list = append(*list, undo)
	}
}

// Tx undoes what a failed function wrote, and nothing that others did meanwhile.
func (m *memory) Tx(ctx context.Context, fn func(context.Context) error) error {
	if _, joined := ctx.Value(undoKey{}).(*[]func()); joined {
		return fn(ctx)
	}
	var undo []func()
	var after []func(context.Context) error
	if err := fn(context.WithValue(context.WithValue(ctx, undoKey{}, &undo), afterKey{}, &after)); err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, one := range slices.Backward(undo) {
			one()
		}
		return err
	}
	var failed []error
	for _, do := range after {
		failed = append(failed, do(ctx))
	}
	return errors.Join(failed...)
}

type afterKey struct{}

func (m *memory) AfterCommit(ctx context.Context, do func(context.Context) error) error {
	if after, ok := ctx.Value(afterKey{}).(*[]func(context.Context) error); ok {
		*after = append(*after, do)
		return nil
	}
	return do(ctx)
}

// world is a provider with a clock in hand.
type world struct {
	*provider.Provider
	now      time.Time
	memory   *memory
	app      *authz.Client
	signedIn bool
	session  authz.SessionID // "s" if empty
	register register
	// holder is whose tokens are bound to its key; nil has bearer tokens.
	holder *ecdsa.PrivateKey
	// presents is the certificate that is presented with each request, if any.
	presents *x509.Certificate
	// person who is signed in, at a level.
	person authz.Subject
	// represented is whom she acts for; zero is herself.
	represented authz.Represented
	level       authz.AuthenticationLevel
	clients     map[authz.ClientID]*authz.Client
	resources   map[string]*authz.Resource
	staged      []audit.Event
	logging     sync.Mutex // of logged
	logged      []string
	logDown     bool
	// beforeHold runs before what an event holds is looked at.
	beforeHold func()
	granted    []authz.Release
	wanted     []authz.Release // what the person was last asked for
	details    []authz.Release // what authorization_details is read as
}

func (w *world) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	if c, ok := w.clients[id]; ok {
		return c, nil
	}
	if id != w.app.ID {
		return nil, authz.ErrNotFound
	}
	return w.app, nil
}

func (w *world) Current(*http.Request) (authorize.SignedIn, bool, error) {
	return authorize.SignedIn{ID: cmp.Or(w.session, "s"), Principal: w.principal(), AuthTime: w.now.Add(-time.Minute), Methods: []string{"pwd", "otp"}, Level: w.level, Reachable: 2}, w.signedIn, nil
}

// principal is the person who is signed in, and whom she acts for.
func (w *world) principal() authz.Principal {
	if w.represented == (authz.Represented{}) {
		return authz.Herself(w.person)
	}
	return authz.Acting(w.person, w.represented, "mandate-1")
}

func (w *world) Details([]byte, *authz.Client) ([]authz.Release, error) {
	return w.details, nil
}

func (w *world) Needed(
	_ context.Context, _ *authz.Client, _ authorize.SignedIn, wanted []authz.Release,
) (interaction.Question, []authz.Release, error) {
	w.wanted = wanted
	return interaction.Nothing, append(w.register.agreed(wanted), w.granted...), nil
}

func (w *world) Pairwise(_ context.Context, sector string, s authz.Subject) (authz.Pairwise, error) {
	return authz.Pairwise(sector + "/" + string(s)), nil
}

func (w *world) Audit(_ context.Context, s authz.Subject) (string, error) {
	return "pseudonym-in-evidence-of-" + string(s), nil
}

func (w *world) Resource(_ context.Context, id string) (*authz.Resource, error) {
	r, ok := w.resources[id]
	if !ok {
		return nil, authz.ErrNotFound
	}
	return r, nil
}

// Record keeps events whose transaction commits.
func (w *world) Record(_ context.Context, events ...audit.Sealed) error {
	for _, e := range events {
		w.staged = append(w.staged, e.Event)
	}
	return nil
}

// RecordHolding is Record, while the grant lives.
func (w *world) RecordHolding(ctx context.Context, e audit.Sealed, h audit.Hold) error {
	if w.beforeHold != nil {
		w.beforeHold()
	}
	g, err := w.memory.Grant(ctx, h.Grant)
	if err != nil {
		return err
	}
	if !g.Live(w.now) || len(h.Clients) == 0 {
		return authz.ErrConflict
	}
	return w.Record(ctx, e)
}

// NextNumber is the first of everybody.
func (w *world) NextNumber(context.Context, string, *audit.Hold) (int64, error) { return 1, nil }

// Tx is that of the memory.
func (w *world) Tx(ctx context.Context, fn func(context.Context) error) error {
	return w.memory.Tx(ctx, fn)
}

// AppendLeaf keeps which events were logged.
func (w *world) AppendLeaf(_ context.Context, s audit.Sealed) (audit.Place, error) {
	if w.logDown {
		return audit.Place{}, authz.ErrUnavailable
	}
	w.logging.Lock() // leaves of one act are appended at the same time
	defer w.logging.Unlock()
	w.logged = append(w.logged, s.Event.ID)
	return audit.Place{}, nil
}

func (w *world) AfterCommit(ctx context.Context, do func(context.Context) error) error {
	return w.memory.AfterCommit(ctx, do)
}

func (w *world) AppendSoon(s audit.Sealed) {
	_, _ = w.AppendLeaf(context.Background(), s)
}

func (w *world) SID(s authz.SessionID, c authz.ClientID) string { return string(s) + "/" + string(c) }

// ring is one for all worlds: making its RSA keys takes long.
var ring = sync.OnceValue(func() keys.Ring {
	dir, err := os.MkdirTemp("", "hopnhat-provider-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir) // it was read; nothing rotates here
	algorithms := []keys.Algorithm{keys.ES256, keys.EdDSA}
	material, err := file.Open(file.Options{Dir: dir, Algorithms: algorithms, Make: true})
	if err != nil {
		panic(err)
	}
	opened, err := lifecycle.Open(
		context.Background(), lifecycle.Options{Store: material, Ledger: &keytest.Ledger{}, Algorithms: algorithms, Begin: true},
	)
	if err != nil {
		panic(err)
	}
	return opened
})

// emptyWorld has no provider yet.
func emptyWorld() *world {
	return &world{
		now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), signedIn: true, person: "p", level: 2,
		app: &authz.Client{
			ID: "app", Profile: authz.OIDC, Authentication: authz.Authentication{
				Method: authz.ClientSecretBasic, SecretHash: authz.HashSecret("secret"),
			}, Tokens: authz.Tokens{Sector: "app"},
			Requests: authz.Requests{
				RedirectURIs: []string{"https://app.example/cb"},
				GrantTypes:   []string{"authorization_code", "refresh_token"},
				Scopes:       []string{"openid"},
			},
		},
		memory: &memory{
			pending: map[authz.AuthorizationID]grant.Pending{}, grants: map[authz.GrantID]grant.Grant{}, spent: map[string]bool{},
		},
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := emptyWorld()
	w.Provider = w.node(t)
	return w
}

// node is a provider of a world, of which there may be several.
func (w *world) node(t testing.TB) *provider.Provider {
	t.Helper()
	clock := func() time.Time { return w.now }
	p, err := provider.New(t.Context(), provider.Options{
		Issuer: "https://id.example", SignInPath: "/signin", ConsentPath: "/consent", Ring: ring(), Grants: w.memory, Sessions: w,
		Consents: w, Pseudonyms: w, Releases: w, Resources: w,
		Evidence:  &audit.Scribe{Rows: w, Leaves: w, Pseudonyms: w, Site: "dc1", Now: func() time.Time { return w.now }},
		Directory: clientauth.NewDirectory(w, 0, clock), Proofs: clientauth.NewProofs(seal.New(seal.Nonces, []byte("nonces")), clock),
		Published: provider.Published{Reachable: 2}, Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func authorization(change ...string) url.Values {
	f := url.Values{
		"client_id": {"app"}, "redirect_uri": {"https://app.example/cb"}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s1"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		f.Set(change[i], change[i+1])
	}
	return f
}

// connected is a request over the world's connection.
func (w *world) connected(r *http.Request) *http.Request {
	if w.presents == nil {
		return r
	}
	return r.WithContext(clientauth.WithConnection(r.Context(), clientauth.Connection{Chain: []*x509.Certificate{w.presents}}))
}

func (w *world) post(h http.HandlerFunc, f url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("app", "secret")
	out := httptest.NewRecorder()
	h(out, r)
	return out
}

func (w *world) open(t testing.TB, f url.Values) (url.Values, string, error) {
	t.Helper()
	next, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+f.Encode(), nil))
	if err != nil {
		return nil, "", err
	}
	u, err := url.Parse(next.Location)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query(), u.Path, nil
}

func (w *world) exchange(code string) *httptest.ResponseRecorder {
	return w.post(
		w.Token, url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example/cb"}, "code_verifier": {verifier},
		},
	)
}

func errorOf(t *testing.T, r *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct{ Error string }
	if err := json.Unmarshal(r.Body.Bytes(), &body); err != nil {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	return body.Error
}

func TestPushedRequestExpires(t *testing.T) {
	for _, row := range []struct {
		name  string
		after time.Duration
		opens bool
	}{
		{"RFC 9126 §2.2: within expires_in", 89 * time.Second, true},
		{"RFC 9126 §4: after expires_in", 91 * time.Second, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			pushed := w.post(w.PAR, authorization())
			var body struct {
				RequestURI string `json:"request_uri"`
				ExpiresIn  int    `json:"expires_in"`
			}
			if err := json.Unmarshal(pushed.Body.Bytes(), &body); err != nil || body.ExpiresIn != 90 {
				t.Fatalf("%d %s", pushed.Code, pushed.Body)
			}
			w.now = w.now.Add(row.after)
			// What the browser adds to the URL does not count (fosite would merge it).
			q, _, err := w.open(
				t, url.Values{"client_id": {"app"}, "request_uri": {body.RequestURI}, "state": {"other"}, "prompt": {"none"}},
			)
			if row.opens != (err == nil) {
				t.Fatalf("got %v, %v", q, err)
			}
			if row.opens && (q.Get("code") == "" || q.Get("state") != "s1") {
				t.Fatalf("got %v", q)
			}
			if _, _, err := w.open(t, url.Values{"client_id": {"app"}, "request_uri": {body.RequestURI}}); err == nil {
				t.Fatal("a request_uri was good twice")
			}
		})
	}
}

func TestCodeExpires(t *testing.T) {
	for _, row := range []struct {
		name  string
		after time.Duration
		code  int
	}{
		{"FAPI 2.0 SP §5.3.2.1: a code lives 60 s at most", 61 * time.Second, 400},
		{"within its life", 59 * time.Second, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			q, _, err := w.open(t, authorization())
			if err != nil {
				t.Fatal(err)
			}
			w.now = w.now.Add(row.after)
			if got := w.exchange(q.Get("code")); got.Code != row.code {
				t.Fatalf("%d %s", got.Code, got.Body)
			}
		})
	}
}

// TestWrongCode: RFC 6749 §5.2, each cause by its name; the one that came first
// stays told when the code comes again.
func TestWrongCode(t *testing.T) {
	for _, row := range []struct {
		name          string
		change        func(url.Values)
		first, second string
	}{
		{"RFC 7636 §4.6: no verifier", func(f url.Values) { f.Del("code_verifier") }, "code_verifier is missing", "presented wrongly before"},
		{"RFC 7636 §4.6: another verifier", func(f url.Values) { f.Set("code_verifier", strings.Repeat("a", 43)) }, "code_verifier is not that", "presented wrongly before"},
		{"RFC 6749 §4.1.3: another redirect_uri", func(f url.Values) { f.Set("redirect_uri", "https://app.example/other") }, "redirect_uri is not that", "presented wrongly before"},
		{"RFC 6749 §4.1.2: a used code", func(url.Values) {}, "", "used already"},
		{"a made-up code", func(f url.Values) { f.Set("code", "x") }, "the code is unknown", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			q, _, err := w.open(t, authorization())
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []string{row.first, row.second} {
				f := url.Values{
					"grant_type": {"authorization_code"}, "code": q["code"], "redirect_uri": {"https://app.example/cb"},
					"code_verifier": {verifier},
				}
				if i == 0 {
					row.change(f)
				}
				a := w.post(w.Token, f)
				if want == "" && a.Code != http.StatusOK ||
					want != "" && (errorOf(t, a) != "invalid_grant" || !strings.Contains(a.Body.String(), want)) {
					t.Errorf("time %d: got %d %s, want %q", i+1, a.Code, a.Body, want)
				}
			}
		})
	}
}

func TestRefreshTokens(t *testing.T) {
	w := newWorld(t)
	q, _, err := w.open(t, authorization())
	if err != nil {
		t.Fatal(err)
	}
	refreshOf := func(r *httptest.ResponseRecorder) string {
		var body struct {
			Refresh string `json:"refresh_token"`
		}
		if err := json.Unmarshal(r.Body.Bytes(), &body); err != nil || body.Refresh == "" {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		return body.Refresh
	}
	ask := func(token string) *httptest.ResponseRecorder {
		return w.post(w.Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	}
	first := refreshOf(w.exchange(q.Get("code")))
	second := refreshOf(ask(first))
	w.now = w.now.Add(19 * time.Second)
	if again := refreshOf(ask(first)); again != second {
		t.Fatal("asking again within the grace gave another successor")
	}
	w.now = w.now.Add(2 * time.Second)
	if got := errorOf(t, ask(first)); got != "invalid_grant" {
		t.Fatalf("after the grace: %s", got)
	}
	if got := errorOf(t, ask(second)); got != "invalid_grant" {
		t.Fatalf("RFC 9700 §4.14.2: the family lives on: %s", got)
	}
}

// TestDatabaseDown: "could not look" is never told as "is not there", and nothing
// is claimed that was not done.
func TestDatabaseDown(t *testing.T) {
	w := newWorld(t)
	q, _, err := w.open(t, authorization())
	if err != nil {
		t.Fatal(err)
	}
	tokens := w.exchange(q.Get("code"))
	var body struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(tokens.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	w.memory.down = true
	userinfo := func(out http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+body.Access)
		r.Header.Set("Content-Type", "text/plain")
		w.UserInfo(out, r)
	}
	for name, answer := range map[string]*httptest.ResponseRecorder{
		"PAR": w.post(w.PAR, authorization()), "code": w.exchange("x"), "refresh": w.post(w.Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {body.Refresh}}),
		"introspection": w.post(w.Introspect, url.Values{"token": {body.Access}}), "revocation": w.post(w.Revoke, url.Values{"token": {body.Refresh}}),
		"UserInfo": w.post(userinfo, nil),
	} {
		if got := errorOf(t, answer); answer.Code != http.StatusServiceUnavailable || got != "temporarily_unavailable" ||
			answer.Header().Get("Retry-After") == "" {
			t.Errorf("%s answered %d %s", name, answer.Code, got)
		}
	}
	w.memory.down = false
	if got := w.post(w.Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {body.Refresh}}); got.Code != http.StatusOK {
		t.Errorf("nothing should have been lost: %d %s", got.Code, got.Body)
	}
}

func TestSilentRequest(t *testing.T) {
	w := newWorld(t)
	w.signedIn = false
	q, _, err := w.open(t, authorization("prompt", "none"))
	if err != nil || q.Get("error") != "login_required" || q.Get("iss") != "https://id.example" || q.Get("state") != "s1" {
		t.Fatalf("OpenID Connect Core §3.1.2.6: %v, %v", q, err)
	}
	if len(w.memory.pending) != 0 || len(w.memory.grants) != 0 {
		t.Fatal("a refused silent request left rows")
	}
	if _, path, err := w.open(t, authorization()); err != nil || path != "/signin" {
		t.Fatalf("%s, %v", path, err)
	}
}

// TestTokensAreWhatTheySay holds the two tokens to RFC 9068 §2 and OpenID Connect Core §2.
// TestTokensAreWhatTheySay: the type of an access token (RFC 9068 §2.1), its claims (RFC 9068
// §2.2) and what they say of the sign-in (RFC 9068 §2.2.1); those of an ID token beside it.
func TestTokensAreWhatTheySay(t *testing.T) {
	w := newWorld(t)
	q, _, err := w.open(t, authorization("nonce", "n1"))
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		Access string `json:"access_token"`
		ID     string `json:"id_token"`
		Type   string `json:"token_type"`
	}
	if err := json.Unmarshal(w.exchange(q.Get("code")).Body.Bytes(), &body); err != nil || body.Type != "Bearer" {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name  string
		token string
		typ   string
		names []string
	}{
		{"access token", body.Access, "at+jwt", []string{"acr", "amr", "aud", "auth_time", "client_id", "exp", "gid", "iat", "iss", "jti", "scope", "sub"}},
		{"ID token", body.ID, "JWT", []string{"acr", "amr", "aud", "auth_time", "exp", "iat", "iss", "jti", "nonce", "sid", "sub"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if head := part(t, row.token, 0); head["typ"] != row.typ || head["alg"] != "ES256" || head["kid"] == nil {
				t.Errorf("header %v", head)
			}
			claims := part(t, row.token, 1)
			if got := slices.Sorted(maps.Keys(claims)); !slices.Equal(got, row.names) {
				t.Errorf("claims %v, want %v", got, row.names)
			}
			if claims["sub"] != "app/p" {
				t.Errorf("sub %v is not the pairwise one", claims["sub"])
			}
		})
	}
}

// part is a part of a JWT.
func part(t *testing.T, token string, i int) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCheckIssuer(t *testing.T) {
	for issuer, good := range map[string]bool{
		"https://id.example": true, "https://id.example:8443": true, "http://localhost:8440": true, "http://127.0.0.1": true, "http://[::1]:1": true,
		"http://id.example": false, "https://id.example/": false, "https://id.example/tenant": false, "http://localhost:8440/a": false, "https://id.example?x": false, "https://u@id.example": false, "": false, "ftp://x": false, "http://localhost.evil.example": false,
	} {
		if err := provider.CheckIssuer(issuer); (err == nil) != good {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}

// TestScopesSupported: RFC 8414 §2, no scope that the metadata name is called
// unknown where one is asked for; and the answer says which were granted.
func TestScopesSupported(t *testing.T) {
	w := newWorld(t)
	var metadata struct {
		Scopes []string `json:"scopes_supported"`
	}
	if err := json.Unmarshal(w.Metadata(), &metadata); err != nil || !slices.Contains(metadata.Scopes, "grant_management_query") {
		t.Fatalf("%v, %v", metadata.Scopes, err)
	}
	w.app.Scopes = metadata.Scopes
	for _, scope := range metadata.Scopes {
		if slices.Contains(claims.Scopes(), scope) {
			continue // this app declares nothing about persons
		}
		if a := w.post(w.PAR, authorization("scope", "openid "+scope)); a.Code != http.StatusCreated {
			t.Errorf("%s: %d %s", scope, a.Code, a.Body)
		}
	}
	q, _, err := w.open(t, authorization("scope", "openid grant_management_query"))
	if err != nil {
		t.Fatal(err)
	}
	var tokens struct{ Scope string }
	if a := w.exchange(q.Get("code")); json.Unmarshal(a.Body.Bytes(), &tokens) != nil || tokens.Scope != "openid" {
		t.Errorf("RFC 6749 §5.1: %s", a.Body)
	}
}

// TestBasicChallenge: RFC 6749 §5.2, docs/decisions.md F5.
func TestBasicChallenge(t *testing.T) {
	w := newWorld(t)
	w.app.SecretHash = authz.HashSecret("another secret")
	got := w.exchange("any")
	if challenge := got.Header().Get("WWW-Authenticate"); got.Code != http.StatusUnauthorized || !strings.HasPrefix(challenge, "Basic ") {
		t.Errorf("got %d with challenge %q, want 401 with Basic", got.Code, challenge)
	}
}

// TestGrantPromises: the fake keeps what a grant.Store promises, as the database does.
func TestGrantPromises(t *testing.T) { granttest.Run(t, emptyWorld().memory) }
