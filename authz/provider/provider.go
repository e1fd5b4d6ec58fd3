package provider

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/claims"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/interaction"
	"hopnhat/authz/protocol"
	"hopnhat/authz/redeem"
	"hopnhat/authz/redeem/engine"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
	"hopnhat/keys"
	"hopnhat/keys/seal"
)

// SignedIn is what the provider needs to know of the browser's session.
type SignedIn struct {
	ID       authz.SessionID
	Subject  authz.Subject
	AuthTime time.Time
	Methods  []string
	Level    authz.AuthenticationLevel
	// Account is the proofing level, 1 or 2.
	Account authz.AccountLevel
	// Reachable is the highest authentication level the person can reach here.
	Reachable authz.AuthenticationLevel
	Kind      authz.Kind
}

// Sessions finds the live session of a browser. ok is false when nobody is
// signed in; an error means that it could not be looked for.
type Sessions interface {
	Current(r *http.Request) (s SignedIn, ok bool, err error)
}

// Consents is what the provider asks of the consent part.
type Consents interface {
	// Details reads authorization_details and checks them against the client's
	// declarations; errors are *authz.Error.
	Details(raw []byte, client *authz.Client) ([]authz.Release, error)
	// Needed tells what the person must be asked or told, and if nothing, which
	// releases her live consents and other legal bases grant.
	Needed(ctx context.Context, client *authz.Client, s SignedIn, wanted []authz.Release) (question interaction.Question, granted []authz.Release, err error)
	// Wishes makes wishes for releases out of attributes that claims need, see
	// request.Wishes.
	Wishes(client *authz.Client, attributes []authz.AttributeID) []authz.Release
}

// Pseudonyms derives what a client may know a person and a session by.
type Pseudonyms interface {
	// Audit is the name a person has in the evidence.
	Audit(ctx context.Context, subject authz.Subject) (string, error)
	// Pairwise is the sub of OpenID Connect Core §8.1.
	Pairwise(ctx context.Context, sector string, subject authz.Subject) (authz.Pairwise, error)
	// SID is the session identifier that one client sees (OpenID Connect
	// Back-Channel Logout §2.1).
	SID(session authz.SessionID, client authz.ClientID) string
}

// Strangers limits what anybody may make us keep, by address. Take takes one request,
// or says how long to wait.
type Strangers interface {
	Take(address netip.Addr) (wait time.Duration)
}

// Options is what a Provider is made of. All but Now and the lifetimes are
// required.
type Options struct {
	// Issuer is the issuer identifier: https, or http on a loopback host.
	Issuer string
	// MutualTLSAlias is the URL of the host that asks for client certificates (RFC
	// 8705 §5), without path; empty if there is none. ClientCAs issue the
	// certificates of method tls_client_auth; nil offers that method to nobody.
	MutualTLSAlias string
	ClientCAs      *x509.CertPool
	// SignInPath and ConsentPath are the pages that do a step; they get the
	// authorization's id as query parameter a.
	SignInPath, ConsentPath string
	// ApprovePath is the page where a person answers for another device, DevicePath
	// that where she types what it shows, WaitingPath that which lists what waits
	// for her.
	ApprovePath, DevicePath, WaitingPath string
	Approvals                            *decoupled.Engine
	Decoupled                            Decoupled
	Ring                                 keys.Ring
	Directory                            *clientauth.Directory
	Proofs                               *clientauth.Proofs
	Grants                               Grants
	Sessions                             Sessions
	Consents                             Consents
	Pseudonyms                           Pseudonyms
	// Releases lets data about the person go, for claims; nil offers none.
	Releases Releases
	// Resources are the agencies' APIs that tokens can be for.
	Resources Resources
	// Evidence records exchanges and ends of grants.
	Evidence Evidence
	// Fetcher gets request objects by reference; nil offers none.
	Fetcher Fetcher
	// Published is what the metadata say of others' doing.
	Published Published
	// Strangers limits requests that a row is written for without credentials; nil
	// limits nothing.
	Strangers Strangers
	// Parties is told of clients that used their credentials; it may be nil.
	Parties   Parties
	Now       func() time.Time
	Lifetimes Lifetimes
}

// Published is what the metadata say of others' doing: URLs that are answered elsewhere,
// of which empty ones are left out, and levels.
type Published struct {
	// Reachable is the highest level that a sign-in here reaches (acr_values_supported).
	Reachable authz.AuthenticationLevel
	// Registration is the registration endpoint, RFC 7591 §3.
	Registration string
	// Policy and Terms are op_policy_uri and op_tos_uri (OpenID Connect Discovery
	// §3), for who registers an app.
	Policy, Terms string
}

// Lifetimes of what the provider gives out; zero values take the defaults.
type Lifetimes struct {
	Pushed      time.Duration // request_uri, 90 s until it is opened (RFC 9126 §2.2)
	Interaction time.Duration // the time a person has to answer, 10 min
	Access      time.Duration // access and ID token, 5 min (docs/decisions.md D6)
	Grant       time.Duration // refresh tokens, 30 days
	Grace       time.Duration // asking twice with one refresh token, 20 s
	Decoupled   time.Duration // the time to answer on another device, 10 min
}

func (l Lifetimes) orDefaults() Lifetimes {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.Pushed, 90 * time.Second},
		{&l.Interaction, 10 * time.Minute},
		{&l.Access, 5 * time.Minute},
		{&l.Grant, 30 * 24 * time.Hour},
		{&l.Grace, 20 * time.Second},
		{&l.Decoupled, 10 * time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return l
}

// Provider answers the protocol. It is safe for concurrent use.
type Provider struct {
	o       Options
	now     func() time.Time
	life    Lifetimes
	clients *clientauth.Authenticator
	checker *request.Checker
	*redeem.TokenEndpoint
	engine   *engine.Engine
	recorder *grant.Recorder
	refresh  grant.RefreshKey
	// Notices are the tokens that tell apps of events.
	*token.Notices
	signer     *token.Signer
	targets    *token.Targets
	persons    *token.PersonClaims
	minter     *token.Minter
	verifier   *token.Verifier
	possession *token.Possession
	guard      *token.Guard
	fetching   fetches
	handles    grant.HandleKey
	codes      []byte // key of the codes of those
	browser    browserKey
	logouts    logoutKey
	refusals   protocol.Refusals
	// decrypting holds as many as decrypt a request object now.
	decrypting chan struct{}
	metadata   []byte
	jwks       atomic.Pointer[writtenSet]
	// resourceMetadata are the documents of our resources by their path.
	resourceMetadata map[string][]byte
	url              protocol.URLs
}

// scopes are those this provider knows: of OpenID Connect Core §3.1.2.1 and §11, and
// where claims about a person can be had, of §5.4.
func (p *Provider) scopes() []string {
	known := []string{"openid", "offline_access"}
	if p.o.Releases != nil {
		known = append(known, claims.Scopes()...)
	}
	return known
}

// New makes a Provider. It derives its refresh-token key from the keyring, so
// it fails when the keyring is not available.
func New(ctx context.Context, o Options) (*Provider, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := CheckIssuer(o.Issuer); err != nil {
		return nil, err
	}
	p := &Provider{
		o: o, now: o.Now, life: o.Lifetimes.orDefaults(), decrypting: make(chan struct{}, maxDecrypting),
		url: protocol.At(o.Issuer, o.MutualTLSAlias), refusals: protocol.Refusals{Nonce: o.Proofs.Nonce},
	}
	p.clients = &clientauth.Authenticator{
		Directory: o.Directory, Issuer: o.Issuer, ClientCAs: o.ClientCAs, Now: o.Now,
		Endpoints: p.url.AssertionAudiences(p.url.Token, p.url.PAR, p.url.Introspect, p.url.Revoke, p.url.Device, p.url.Backchannel),
		CIBA:      p.url.AssertionAudiences(p.url.Token, p.url.Backchannel),
	}
	p.checker = &request.Checker{ScopesKnown: p.scopes(), ScopesOfApps: token.ServiceScopes, Details: o.Consents.Details, Resources: []string{p.url.UserInfo, p.url.Broker}}
	if o.Releases != nil {
		p.checker.Wishes = o.Consents.Wishes
	}
	var opaque token.OpaqueKey
	var err error
	for _, one := range []struct {
		use seal.Use
		key *seal.Key
	}{{seal.RefreshTokens, &p.refresh.Key}, {seal.FrontChannel, &opaque.Key}, {seal.Handles, &p.handles.Key}} {
		if *one.key, err = seal.Derive(ctx, o.Ring, one.use); err != nil {
			return nil, err
		}
	}
	if p.codes, err = o.Ring.Derive(ctx, keys.Secrets, "authorization codes"); err != nil {
		return nil, fmt.Errorf("deriving the key of authorization codes: %w", err)
	}
	if p.browser, err = o.Ring.Derive(ctx, keys.Secrets, "browser states"); err != nil {
		return nil, fmt.Errorf("deriving the key of browser states: %w", err)
	}
	if p.logouts, err = o.Ring.Derive(ctx, keys.Secrets, "logout requests"); err != nil {
		return nil, fmt.Errorf("deriving the key of logout requests: %w", err)
	}
	p.signer = &token.Signer{Issuer: o.Issuer, Ring: o.Ring, Directory: o.Directory}
	p.targets = &token.Targets{URLs: &p.url, Resources: o.Resources}
	p.persons = &token.PersonClaims{Releases: o.Releases, Now: o.Now}
	p.minter = &token.Minter{Signer: p.signer, Targets: p.targets, Persons: p.persons, Pseudonyms: o.Pseudonyms, Opaque: opaque, Life: p.life.Access}
	p.verifier = &token.Verifier{Issuer: o.Issuer, Ring: o.Ring, Opaque: opaque, Directory: o.Directory, Grants: o.Grants, Revoked: o.Grants, Now: o.Now}
	p.possession = &token.Possession{Proofs: o.Proofs, Directory: o.Directory, URLs: &p.url, Now: o.Now}
	p.guard = &token.Guard{Verifier: p.verifier, Possession: p.possession}
	p.Notices = &token.Notices{Signer: p.signer, Pseudonyms: o.Pseudonyms, Now: o.Now}
	p.engine = engine.New(engine.Options{Authorize: p.url.Authorize, Token: p.url.Token, Access: p.life.Access, Grant: p.life.Grant})
	p.recorder = &grant.Recorder{Evidence: o.Evidence, Store: o.Grants, Now: o.Now}
	p.TokenEndpoint = redeem.New(redeem.Options{
		Clients: p.clients, Parties: o.Parties, Refusals: &p.refusals, Possession: p.possession, Minter: p.minter, Verifier: p.verifier,
		Store: o.Grants, RefreshKey: p.refresh, Engine: p.engine, Approvals: o.Approvals, Polls: o.Decoupled, Recorder: p.recorder,
		Grace: p.life.Grace, Now: o.Now,
	})
	if p.metadata, err = p.buildMetadata(); err != nil {
		return nil, err
	}
	if err := p.buildResourceMetadata(); err != nil {
		return nil, err
	}
	return p, nil
}

// CheckIssuer refuses an issuer that is not https, save http on loopback, or
// that has a query, a fragment or a trailing slash (OpenID Connect Discovery §3).
// A path is refused too: cookies, pages and well-known addresses are those of a host,
// so two issuers of one host would share what a browser keeps.
func CheckIssuer(issuer string) error {
	rest, secure := strings.CutPrefix(issuer, "https://")
	if !secure {
		var plain bool
		rest, plain = strings.CutPrefix(issuer, "http://")
		host, _, _ := strings.Cut(rest, "/")
		name := host
		if i := strings.LastIndex(host, ":"); i >= 0 && !strings.HasSuffix(host, "]") {
			name = host[:i]
		}
		if !plain || !slices.Contains([]string{"localhost", "127.0.0.1", "[::1]"}, name) {
			return fmt.Errorf("issuer %q must start with https:// (http:// is for loopback hosts only)", issuer)
		}
	}
	if rest == "" || strings.ContainsAny(rest, "?#@ ") || strings.HasSuffix(issuer, "/") {
		return fmt.Errorf("issuer %q must be a URL without query, fragment, user or trailing slash", issuer)
	}
	if strings.Contains(rest, "/") {
		return fmt.Errorf("issuer %q has a path, and nothing is served below one: give the provider a host name of its own", issuer)
	}
	return nil
}

// Issuer is the issuer identifier.
func (p *Provider) Issuer() string { return p.o.Issuer }
