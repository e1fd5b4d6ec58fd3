package web

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/audit/incident"
	"hopnhat/authz/consent"
	"hopnhat/authz/grant"
	"hopnhat/web/account"
	"hopnhat/web/certificate"
	"hopnhat/web/choices"
	"hopnhat/web/console"
	"hopnhat/web/console/enrolment"
	"hopnhat/web/console/incidents"
	"hopnhat/web/console/operations"
	"hopnhat/web/evidence"
	"hopnhat/web/logo"
	"hopnhat/web/logtiles"
	"hopnhat/web/page"
	"hopnhat/web/passkeys"
	"hopnhat/web/portal"
	"hopnhat/web/signin"
	"hopnhat/web/signout"
	"hopnhat/web/upstream"
	"hopnhat/web/view/ways"
)

// Endpoints are the handlers of the protocol, each at the path that the metadata name.
type Endpoints struct {
	PAR, Token, Device, Backchannel http.HandlerFunc
	UserInfo, Grant                 http.HandlerFunc // resources, with an interaction id
	Introspect, Revoke              http.HandlerFunc
	// Register and Manage let apps register themselves; nil if they do not.
	Register, Manage http.HandlerFunc
	// Broker answers release requests.
	Broker http.HandlerFunc
	// UpstreamLogout takes the logout tokens of other providers; nil where there are none.
	UpstreamLogout http.HandlerFunc
	// Regional answers the providers of provinces; nil where there are none.
	Regional http.HandlerFunc
	// Federation are the endpoints of a federation's entity by their paths; nil if it is none.
	Federation map[string]http.HandlerFunc
}

// Published is what anybody may read of the provider.
type Published interface {
	// Metadata is the document of RFC 8414 and OpenID Connect Discovery.
	Metadata() []byte
	// JWKS is the JWK Set.
	JWKS() ([]byte, error)
	// ResourceMetadata are the documents of RFC 9728, by path.
	ResourceMetadata() map[string][]byte
	// OnAlias reports whether a path is one of the protocol that is answered at the host
	// where client certificates are asked for (RFC 8705 §5).
	OnAlias(path string) bool
}

// Roles reports whether a person has a role, for example auditor.
type Roles interface {
	HasRole(ctx context.Context, who authz.Subject, role authz.Role) (bool, error)
}

// Sessions, Passkeys, Consents, Evidence, Log and Deliveries are what the rooms need of one thing,
// put together: each room says what it needs for itself.
type (
	// Sessions is the browser's session.
	Sessions interface {
		page.Sessions
		signin.Sessions
		signout.Sessions
		account.Sessions
	}
	// Passkeys are those by which people sign in.
	Passkeys interface {
		signin.Passkeys
		passkeys.Passkeys
	}
	// Consents is what people are asked and have agreed to.
	Consents interface {
		signin.Consents
		portal.Consents
	}
	// Evidence is what the pages read of recorded events.
	Evidence interface {
		portal.Evidence
		account.Evidence
		console.Evidence
	}
	// Log is the logs of the site.
	Log interface {
		console.Log
		logtiles.Logs
	}
	// Deliveries is the outbox of logout tokens and notices of consent.
	Deliveries interface {
		signout.Deliveries
		portal.Notices
		operations.Deliveries
	}
)

// Options is what the server is made of; all but Demo, DemoApps, Fetcher, KeysFetched and
// Certificate are needed.
type Options struct {
	Issuer string
	// The protocol.
	Endpoints Endpoints
	Published Published
	// KeysFetched is called with the client_id of a request for the JWK Set, if it has one,
	// and the address. KeysMaxAge is how long the set may be cached.
	KeysFetched func(client, address string)
	KeysMaxAge  time.Duration
	// The sign-in and its end.
	Requests   signin.Requests
	Answers    signin.Answers
	Approvals  signin.Approvals
	EndSession signout.Provider
	Authn      signin.Authenticator
	Sessions   Sessions
	Forms      page.Forms
	// Region is the province whose provider this is; empty for the national one.
	Region authz.LocalizedText
	// Upstream is sign-in by other providers: its engine, nil where there are none, and its limit.
	Upstream upstream.Options
	// Choices are what people choose of provinces; nil where there are none.
	Choices choices.Choices
	// Passkeys are a way to sign in; nil where there are none.
	Passkeys Passkeys
	// UserCodes limits how often an address may type the code of a device.
	UserCodes signin.UserCodes
	// Consents and evidence.
	Consents  Consents
	Catalogue *consent.Catalogue
	Evidence  Evidence
	Log       Log
	// LogTokens are those of auditors' tools.
	LogTokens  logtiles.Tokens
	Scribe     console.Scribe
	Pseudonyms evidence.Pseudonyms
	Roles      Roles
	// Incidents are what is wrong in the evidence, and Board is what of it is open.
	Incidents incidents.Options
	Board     *incident.Board
	// Enrolment is of the subordinates in the federation.
	Enrolment enrolment.Options
	// Apps.
	Clients console.Clients
	Names   portal.Names
	// Keys says to operators what is known of the keys at jwks_uris.
	Keys       operations.Keys
	Deliveries Deliveries
	// Fetcher gets the logos of apps; nil shows none.
	Fetcher logo.Fetcher
	// LogoutQueued is called when logout tokens were queued, Answered when a person has
	// answered a request of another device.
	LogoutQueued func()
	Answered     func()
	Now          func() time.Time
	// Demo shows the strip that says all is invented; DemoApps are links to try.
	Demo     bool
	DemoApps []signin.DemoApp
	// Node are the roles of this node; none stands for all. What only other roles need may be
	// left out.
	Node    []Role
	Metrics http.Handler
	// Parts is what is known of what the node needs, for /readyz.
	Parts func() []Part
	// TrustedProxies may say in X-Forwarded-For who calls; empty trusts nobody.
	TrustedProxies []netip.Prefix
	// MetricsNetworks may read /metrics, beside this machine.
	MetricsNetworks []netip.Prefix
	// AccessLog writes a line for each answer, without personal data.
	AccessLog bool
	// Certificate is the server's for TLS; nil speaks plain HTTP, for loopback and
	// behind a proxy.
	Certificate *certificate.Pair
}

// furnish makes the rooms.
func (s *Server) furnish() {
	o := s.o
	s.frame = &page.Frame{
		Issuer: o.Issuer, Sessions: o.Sessions, Forms: o.Forms, ClientAddress: s.clientAddress, Demo: o.Demo, OpenIncidents: o.Board.Open,
	}
	s.documents = newDocuments(o, func(c *fiber.Ctx) string { return s.clientAddress(c).String() })
	var buttons func(*page.Visit, string, string, grant.Handle) []ways.ProviderButton
	var signOut func(context.Context, authz.SessionID) *ways.ProviderButton
	links := ""
	if o.Upstream.Engine != nil {
		o.Upstream.Requests, o.Upstream.LogoutQueued, o.Upstream.Now = o.Requests, o.LogoutQueued, o.Now
		s.upstream = upstream.New(o.Upstream)
		buttons, signOut, links = s.upstream.Buttons, s.upstream.SignOut, upstream.Path
	}
	s.signin = signin.New(signin.Options{
		Issuer: o.Issuer, Requests: o.Requests, Answers: o.Answers, Approvals: o.Approvals, Authn: o.Authn, Sessions: o.Sessions,
		Consents: o.Consents, Catalogue: o.Catalogue, Forms: o.Forms, Clients: o.Clients, UserCodes: o.UserCodes,
		LogoutQueued: o.LogoutQueued, Answered: o.Answered, Now: o.Now, DemoApps: o.DemoApps, Region: o.Region,
		Buttons: buttons, Passkeys: o.Passkeys,
	})
	s.signout = signout.New(signout.Options{
		Provider: o.EndSession, Sessions: o.Sessions, Deliveries: o.Deliveries, Clients: o.Clients, LogoutQueued: o.LogoutQueued,
		Now: o.Now, Upstream: signOut,
	})
	s.portal = portal.New(portal.Options{
		Issuer: o.Issuer, Evidence: o.Evidence, Pseudonyms: o.Pseudonyms, Log: o.Log, Consents: o.Consents, Catalogue: o.Catalogue,
		Clients: o.Clients, Names: o.Names, Notices: o.Deliveries, Incidents: o.Board, LogoutQueued: o.LogoutQueued, Now: o.Now,
	})
	regions := ""
	if o.Choices != nil {
		regions = choices.Path
	}
	ways := ""
	if o.Passkeys != nil {
		ways = passkeys.Path
	}
	s.account = account.New(account.Options{
		Sessions: o.Sessions, SignOut: s.signout, Evidence: o.Evidence, Pseudonyms: o.Pseudonyms, Log: o.Log, Clients: o.Clients,
		LogoutQueued: o.LogoutQueued, Now: o.Now, ProvidersURL: links, Regions: regions, PasskeysURL: ways,
	})
	s.console = console.New(console.Options{
		Evidence: o.Evidence, Pseudonyms: o.Pseudonyms, Log: o.Log, Scribe: o.Scribe, Clients: o.Clients,
		Catalogue: o.Catalogue, Now: o.Now,
	})
	s.operations = operations.New(operations.Options{
		Scribe: o.Scribe, Clients: o.Clients, Keys: o.Keys, Deliveries: o.Deliveries, LogoutQueued: o.LogoutQueued, Now: o.Now,
	})
	s.incidents = incidents.New(o.Incidents)
	s.enrolment = enrolment.New(o.Enrolment)
	if o.Fetcher != nil {
		s.logos = logo.New(o.Fetcher, o.Clients, o.Now)
	}
}
