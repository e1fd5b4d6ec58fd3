package authztest

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authorize"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant/granttest"
	"hopnhat/authz/interaction"
	"hopnhat/authz/provider"
	"hopnhat/keys"
	"hopnhat/keys/file"
	"hopnhat/keys/keytest"
	"hopnhat/keys/lifecycle"
	"hopnhat/keys/seal"
)

// World is a provider with a clock in hand.
type World struct {
	*provider.Provider
	Now      time.Time
	Memory   *granttest.Memory
	App      *authz.Client
	SignedIn bool
	Session  authz.SessionID // "s" if empty
	Register Register
	// Holder is whose tokens are bound to its key; nil has bearer tokens.
	Holder *ecdsa.PrivateKey
	// Presents is the certificate that is presented with each request, if any.
	Presents *x509.Certificate
	// Person who is signed in, at a level.
	Person authz.Subject
	// Represented is whom she acts for; zero is herself.
	Represented authz.Represented
	level       authz.AuthenticationLevel
	Clients     map[authz.ClientID]*authz.Client
	// Introducer takes up apps of federations; nil takes none.
	Introducer clientauth.Introducer
	Resources  map[string]*authz.Resource
	Staged     []audit.Event
	logging    sync.Mutex // of Logged
	Logged     []string
	LogDown    bool
	// BeforeHold runs before what an event holds is looked at.
	BeforeHold  func()
	Granted     []authz.Release
	Wanted      []authz.Release // what the person was last asked for
	DetailsRead []authz.Release // what authorization_details is read as
}

// Client finds an app of the world.
func (w *World) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	if c, ok := w.Clients[id]; ok {
		return c, nil
	}
	if id != w.App.ID {
		return nil, authz.ErrNotFound
	}
	return w.App, nil
}

// Current is the session of who is signed in.
func (w *World) Current(*http.Request) (authorize.SignedIn, bool, error) {
	return authorize.SignedIn{ID: cmp.Or(w.Session, "s"), Principal: w.Principal(), AuthTime: w.Now.Add(-time.Minute), Methods: []string{"pwd", "otp"}, Level: w.level, Reachable: 2}, w.SignedIn, nil
}

// Principal is the person who is signed in, and whom she acts for.
func (w *World) Principal() authz.Principal {
	if w.Represented == (authz.Represented{}) {
		return authz.Herself(w.Person)
	}
	return authz.Acting(w.Person, w.Represented, "mandate-1")
}

// Details are what authorization_details is read as.
func (w *World) Details([]byte, *authz.Client) ([]authz.Release, error) {
	return w.DetailsRead, nil
}

// Needed notes what is wanted, and asks the person nothing.
func (w *World) Needed(
	_ context.Context, _ *authz.Client, _ authorize.SignedIn, wanted []authz.Release,
) (interaction.Question, []authz.Release, error) {
	w.Wanted = wanted
	return interaction.Nothing, append(w.Register.agreed(wanted), w.Granted...), nil
}

// Pairwise is a pseudonym that can be read.
func (w *World) Pairwise(_ context.Context, sector string, s authz.Subject) (authz.Pairwise, error) {
	return authz.Pairwise(sector + "/" + string(s)), nil
}

// Audit is a pseudonym in evidence that can be read.
func (w *World) Audit(_ context.Context, s authz.Subject) (string, error) {
	return "pseudonym-in-evidence-of-" + string(s), nil
}

// Resource finds an API of the world.
func (w *World) Resource(_ context.Context, id string) (*authz.Resource, error) {
	r, ok := w.Resources[id]
	if !ok {
		return nil, authz.ErrNotFound
	}
	return r, nil
}

// Record keeps events whose transaction commits.
func (w *World) Record(_ context.Context, events ...audit.Sealed) error {
	for _, e := range events {
		w.Staged = append(w.Staged, e.Event)
	}
	return nil
}

// RecordHolding is Record, while the grant lives.
func (w *World) RecordHolding(ctx context.Context, e audit.Sealed, h audit.Hold) error {
	if w.BeforeHold != nil {
		w.BeforeHold()
	}
	g, err := w.Memory.Grant(ctx, h.Grant)
	if err != nil {
		return err
	}
	if !g.Live(w.Now) || len(h.Clients) == 0 {
		return authz.ErrConflict
	}
	return w.Record(ctx, e)
}

// NextNumber is the first of everybody.
func (w *World) NextNumber(context.Context, string, *audit.Hold) (int64, error) { return 1, nil }

// Tx is that of the memory.
func (w *World) Tx(ctx context.Context, fn func(context.Context) error) error {
	return w.Memory.Tx(ctx, fn)
}

// AppendLeaf keeps which events were logged.
func (w *World) AppendLeaf(_ context.Context, s audit.Sealed) (audit.Place, error) {
	if w.LogDown {
		return audit.Place{}, authz.ErrUnavailable
	}
	w.logging.Lock() // leaves of one act are appended at the same time
	defer w.logging.Unlock()
	w.Logged = append(w.Logged, s.Event.ID)
	return audit.Place{}, nil
}

// AfterCommit is that of the memory.
func (w *World) AfterCommit(ctx context.Context, do func(context.Context) error) error {
	return w.Memory.AfterCommit(ctx, do)
}

// AppendSoon appends at once.
func (w *World) AppendSoon(s audit.Sealed) {
	_, _ = w.AppendLeaf(context.Background(), s)
}

// SID is a session id that can be read.
func (w *World) SID(s authz.SessionID, c authz.ClientID) string { return string(s) + "/" + string(c) }

// Ring is one for all worlds: making its RSA keys takes long.
var Ring = sync.OnceValue(func() keys.Ring {
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

// Empty has no provider yet.
func Empty() *World {
	return &World{
		Now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), SignedIn: true, Person: "p", level: 2,
		App: &authz.Client{
			ID: "app", Profile: authz.OIDC, Authentication: authz.Authentication{
				Method: authz.ClientSecretBasic, SecretHash: authz.HashSecret("secret"),
			}, Tokens: authz.Tokens{Sector: "app"},
			Requests: authz.Requests{
				RedirectURIs: []string{"https://app.example/cb"},
				GrantTypes:   []string{"authorization_code", "refresh_token"},
				Scopes:       []string{"openid"},
			},
		},
		Memory: granttest.NewMemory(),
	}
}

// New is a world with one node.
func New(t testing.TB) *World {
	t.Helper()
	w := Empty()
	w.Provider = w.Node(t)
	return w
}

// Node is a provider of a world, of which there may be several.
func (w *World) Node(t testing.TB) *provider.Provider {
	t.Helper()
	clock := func() time.Time { return w.Now }
	directory := clientauth.NewDirectory(w, 0, clock)
	directory.Introducer = w.Introducer
	p, err := provider.New(t.Context(), provider.Options{
		Issuer: "https://id.example", SignInPath: "/signin", ConsentPath: "/consent", Ring: Ring(), Grants: w.Memory, Sessions: w,
		Consents: w, Pseudonyms: w, Releases: w, Resources: w,
		Evidence:  &audit.Scribe{Rows: w, Leaves: w, Pseudonyms: w, Site: "dc1", Now: func() time.Time { return w.Now }},
		Directory: directory, Proofs: clientauth.NewProofs(seal.New(seal.Nonces, []byte("nonces")), clock),
		Published: provider.Published{Reachable: 2}, Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	Verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// Authorization is a request of the app with changed parameters.
func Authorization(change ...string) url.Values {
	f := url.Values{
		"client_id": {"app"}, "redirect_uri": {"https://app.example/cb"}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s1"},
		"code_challenge": {Challenge}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		f.Set(change[i], change[i+1])
	}
	return f
}

// Connected is a request over the world's connection.
func (w *World) Connected(r *http.Request) *http.Request {
	if w.Presents == nil {
		return r
	}
	return r.WithContext(clientauth.WithConnection(r.Context(), clientauth.Connection{Chain: []*x509.Certificate{w.Presents}}))
}

// Post posts a form as the app.
func (w *World) Post(h http.HandlerFunc, f url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("app", "secret")
	out := httptest.NewRecorder()
	h(out, r)
	return out
}

// Open opens the authorization endpoint: the parameters and the path it leads to.
func (w *World) Open(t testing.TB, f url.Values) (url.Values, string, error) {
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

// RedeemAsApp redeems a code as the app does.
func (w *World) RedeemAsApp(code string) *httptest.ResponseRecorder {
	return w.Post(
		w.Token, url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example/cb"}, "code_verifier": {Verifier},
		},
	)
}

// ErrorOf is the code of a refusal.
func ErrorOf(t *testing.T, r *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct{ Error string }
	if err := json.Unmarshal(r.Body.Bytes(), &body); err != nil {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	return body.Error
}

// PartOf is a part of a JWT.
func PartOf(t *testing.T, token string, i int) map[string]any {
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
