package provider

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/authorize/object"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/endsession"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/redeem"
	"hopnhat/authz/redeem/engine"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
	"hopnhat/keys"
	"hopnhat/keys/seal"
)

// Consents is what the provider asks of the consent part.
type Consents interface {
	authorize.Consents
	// Details reads authorization_details and checks them against the client's
	// declarations; errors are *authz.Error.
	Details(raw []byte, client *authz.Client) ([]authz.Release, error)
	// Wishes makes wishes for releases out of attributes that claims need, see
	// request.Wishes.
	Wishes(client *authz.Client, attributes []authz.AttributeID) []authz.Release
}

// Decoupled finds requests that are answered on another device, and whom they are for;
// the rest is the engine's.
type Decoupled interface {
	redeem.Polls
	authorize.People
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
	Grants                               grant.Store
	Sessions                             authorize.Sessions
	Consents                             Consents
	Pseudonyms                           token.Pseudonyms
	// Releases lets data about the person go, for claims; nil offers none.
	Releases token.Releases
	// Resources are the agencies' APIs that tokens can be for.
	Resources token.Resources
	// Evidence records exchanges and ends of grants.
	Evidence grant.Evidence
	// Fetcher gets request objects by reference; nil offers none.
	Fetcher object.Fetcher
	// Published is what the metadata say of others' doing.
	Published Published
	// Strangers limits requests that a row is written for without credentials; nil
	// limits nothing.
	Strangers authorize.Strangers
	// Parties is told of clients that used their credentials; it may be nil.
	Parties   redeem.Parties
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
	// Ways are how apps of federations register, and Explicit is the endpoint at which they
	// ask for it (OpenID Federation 1.0 §12).
	Ways     []string
	Explicit string
	// SameSubject are other issuers that give a person the same sub for an app that is at
	// both (docs/cutoff.md).
	SameSubject []string
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

// Provider answers the protocol: it is its rooms, and what is left between them. It is
// safe for concurrent use.
type Provider struct {
	*authorize.Authorizer
	*authorize.Approver
	*authorize.Doors
	*redeem.TokenEndpoint
	*endsession.Endpoint
	*token.Notices
	Documents

	now        func() time.Time
	clients    *clientauth.Authenticator
	refresh    grant.RefreshKey
	refusals   protocol.Refusals
	signer     *token.Signer
	targets    *token.Targets
	persons    *token.PersonClaims
	verifier   *token.Verifier
	guard      *token.Guard
	references *authorize.References
	recorder   *grant.Recorder
}

// New makes a Provider. It derives keys from the keyring, so it fails when the keyring is
// not available.
func New(ctx context.Context, o Options) (*Provider, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := CheckIssuer(o.Issuer); err != nil {
		return nil, err
	}
	p := &Provider{
		Documents: Documents{o: o, url: protocol.At(o.Issuer, o.MutualTLSAlias)}, now: o.Now,
		refusals: protocol.Refusals{Nonce: o.Proofs.Nonce},
	}
	life := o.Lifetimes.orDefaults()
	derived, err := derive(ctx, o.Ring)
	if err != nil {
		return nil, err
	}
	p.refresh = derived.refresh
	p.clients = &clientauth.Authenticator{
		Directory: o.Directory, Issuer: o.Issuer, ClientCAs: o.ClientCAs, Now: o.Now,
		Endpoints: p.url.AssertionAudiences(p.url.Token, p.url.PAR, p.url.Introspect, p.url.Revoke, p.url.Device, p.url.Backchannel),
		CIBA:      p.url.AssertionAudiences(p.url.Token, p.url.Backchannel),
	}
	p.recorder = &grant.Recorder{Evidence: o.Evidence, Store: o.Grants, Now: o.Now}
	p.signer = &token.Signer{Issuer: o.Issuer, Ring: o.Ring, Directory: o.Directory}
	p.targets = &token.Targets{URLs: &p.url, Resources: o.Resources}
	p.persons = &token.PersonClaims{Releases: o.Releases, Now: o.Now}
	p.verifier = &token.Verifier{
		Issuer: o.Issuer, Ring: o.Ring, Opaque: derived.opaque, Directory: o.Directory, Grants: o.Grants, Revoked: o.Grants, Now: o.Now,
	}
	p.Notices = &token.Notices{Signer: p.signer, Pseudonyms: o.Pseudonyms, Now: o.Now}
	minter := &token.Minter{
		Signer: p.signer, Targets: p.targets, Persons: p.persons, Pseudonyms: o.Pseudonyms, Opaque: derived.opaque, Life: life.Access,
	}
	possession := &token.Possession{Proofs: o.Proofs, Directory: o.Directory, URLs: &p.url, Now: o.Now}
	p.guard = &token.Guard{Verifier: p.verifier, Possession: possession}
	fosite := engine.New(engine.Options{Authorize: p.url.Authorize, Token: p.url.Token, Access: life.Access, Grant: life.Grant})

	p.TokenEndpoint = redeem.New(redeem.Options{
		Clients: p.clients, Parties: o.Parties, Refusals: &p.refusals, Possession: possession, Minter: minter, Verifier: p.verifier,
		Store: o.Grants, RefreshKey: derived.refresh, Engine: fosite, Approvals: o.Approvals, Polls: o.Decoupled, Recorder: p.recorder,
		Grace: life.Grace, Now: o.Now,
	})
	p.Endpoint = endsession.New(endsession.Options{
		Issuer: o.Issuer, Directory: o.Directory, Verifier: p.verifier, Pseudonyms: o.Pseudonyms,
		Tickets: derived.tickets, Browser: derived.browser, TicketLife: life.Interaction, Now: o.Now,
	})
	checker := &request.Checker{
		ScopesKnown: p.scopes(), ScopesOfApps: token.ServiceScopes, Details: o.Consents.Details, Resources: []string{
			p.url.UserInfo,
			p.url.Broker,
		},
	}
	if o.Releases != nil {
		checker.Wishes = o.Consents.Wishes
	}
	p.Authorizer = authorize.New(authorize.Options{
		URLs: &p.url, Ring: o.Ring, Directory: o.Directory, Clients: p.clients, Checker: checker,
		Pages: authorize.Pages{
			SignIn: o.SignInPath, Consent: o.ConsentPath, Approve: o.ApprovePath, Device: o.DevicePath,
			Waiting: o.WaitingPath,
		},
		Objects: object.New(object.Options{
			Issuer: o.Issuer, Ring: o.Ring, Directory: o.Directory, Fetcher: o.Fetcher, Spender: o.Grants, Now: o.Now,
		}),
		Responder: &response.Responder{Signer: p.signer, BrowserState: p.BrowserState, Now: o.Now},
		Store:     o.Grants, Sessions: o.Sessions, Consents: o.Consents, Pseudonyms: o.Pseudonyms,
		Verifier: p.verifier, Minter: minter, Possession: possession, Engine: fosite,
		Approvals: o.Approvals, People: o.Decoupled, Refusals: &p.refusals, Strangers: o.Strangers, Handles: derived.handles,
		Codes:     derived.codes,
		Lifetimes: authorize.Lifetimes{Pushed: life.Pushed, Interaction: life.Interaction, Decoupled: life.Decoupled, Grant: life.Grant},
		Now:       o.Now,
	})
	p.Approver, p.Doors = authorize.NewApprover(p.Authorizer), authorize.NewDoors(p.Authorizer)
	p.references = &authorize.References{Store: o.Grants, Targets: p.targets, Now: o.Now}
	if p.metadata, err = p.buildMetadata(); err != nil {
		return nil, err
	}
	if err := p.buildResourceMetadata(); err != nil {
		return nil, err
	}
	return p, nil
}

// derivedKeys are the keys that are derived from the keyring: the same on every node.
type derivedKeys struct {
	refresh grant.RefreshKey
	opaque  token.OpaqueKey
	handles grant.HandleKey
	codes   authorize.CodeKey
	browser endsession.BrowserKey
	tickets endsession.TicketKey
}

func derive(ctx context.Context, ring keys.Ring) (d derivedKeys, err error) {
	for _, one := range []struct {
		use seal.Use
		key *seal.Key
	}{
		{seal.RefreshTokens, &d.refresh.Key},
		{seal.FrontChannel, &d.opaque.Key},
		{seal.Handles, &d.handles.Key},
		{seal.Codes, &d.codes.Key},
		{seal.BrowserStates, &d.browser.Key},
		{seal.LogoutRequests, &d.tickets.Key},
	} {
		if *one.key, err = seal.Derive(ctx, ring, one.use); err != nil {
			return d, err
		}
	}
	return d, nil
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
