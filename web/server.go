// Package web is the outer edge: the route table, the order of the middleware,
// the mount of the protocol's handlers, the pages, and the one place where
// errors are rendered. Fiber lives in this package and nowhere else.
package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/google/uuid"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/authn"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/consent"
	"hopnhat/authz/provider"
	"hopnhat/authz/registration/endpoint"
	"hopnhat/authz/session"
	"hopnhat/authz/tally"
	"hopnhat/web/static"
	"hopnhat/web/view"
)

// Evidence is what the pages read of the record.
type Evidence interface {
	Find(ctx context.Context, q audit.Query) ([]audit.Recorded, error)
	// FindVisible finds events of some kinds, and leaves out what the person herself
	// may not see at a time.
	FindVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) ([]audit.Recorded, error)
	Get(ctx context.Context, id string) (audit.Recorded, error)
	Count(ctx context.Context, q audit.Query) (Counts, error)
	// CountVisible counts what FindVisible finds, over all pages.
	CountVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) (Counts, error)
	// UsesOf tells how often consents let data go, those without a release left out.
	UsesOf(ctx context.Context, ids []authz.ConsentID) (map[authz.ConsentID]consent.Uses, error)
	// ClientsVisible are the apps in what FindVisible finds, over all pages.
	ClientsVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) ([]authz.ClientID, error)
}

// Counts are totals over all pages of a search. Concealed are those that the person
// herself may not see now.
type Counts struct {
	Total, Permitted, People, Concealed int
	Capped                              bool
}

// Log proves entries of the release log.
type Log interface {
	// Proof proves the entry at a place of a shard, and names the shard's key.
	Proof(ctx context.Context, origin string, index uint64) (in proof.Inclusion, key string, err error)
	// Bundle is an export of events of one shard, by their places, that proves what
	// it leaves out (see proof.Export).
	Bundle(ctx context.Context, origin string, query []byte, made time.Time, shown map[uint64]proof.Record) ([]byte, error)
	Checkpoint(ctx context.Context) ([]byte, error)
	VerifierKey() string
	// KeyOf is the verifier key of a shard; empty if it is not known here.
	KeyOf(origin string) string
	Origin() string
}

// Recorder records what auditors do.
type Recorder interface {
	Record(ctx context.Context, e audit.Event) (audit.Place, error)
}

// Clients finds apps.
type Clients interface {
	Client(ctx context.Context, id authz.ClientID) (*authz.Client, error)
	Clients(ctx context.Context, after authz.ClientID, limit int) ([]*authz.Client, error)
}

// Logouts is what the pages read of the outbox of logout tokens.
type Logouts interface {
	// Logouts lists deliveries to an app, the newest first, before one of them;
	// without an app those of all apps that failed at least once.
	Logouts(ctx context.Context, client authz.ClientID, before string, limit int) ([]session.Delivery, error)
	// LogoutsOf lists those for sessions.
	LogoutsOf(ctx context.Context, sessions []authz.SessionID) ([]session.Delivery, error)
	// WithdrawalTold finds where the notice stands of a consent that was withdrawn in
	// the version of a reference;
	// authz.ErrNotFound where there is none.
	WithdrawalTold(ctx context.Context, reference string) (session.Delivery, error)
	// RetryLogout lets one that failed begin again; authz.ErrNotFound if there is none.
	RetryLogout(ctx context.Context, id string, at time.Time) error
}

// Roles reports whether a person has a role, for example auditor.
type Roles interface {
	HasRole(ctx context.Context, subject authz.Subject, role string) (bool, error)
}

// Pseudonyms gives the name a person has in the evidence.
type Pseudonyms interface {
	Audit(ctx context.Context, subject authz.Subject) (string, error)
}

// Options is what the server is made of; all but Demo and DemoApps are needed.
type Options struct {
	Issuer     string
	Provider   *provider.Provider
	Authn      *authn.Authenticator
	Sessions   *session.Sessions
	Forms      *session.Forms
	Consents   *consent.Consents
	Evidence   Evidence
	Log        Log
	Recorder   Recorder
	Clients    Clients
	Roles      Roles
	Pseudonyms Pseudonyms
	// KeysFetched is told who fetched the JWK Set: the client_id of the request, if
	// it has one, and the address. KeysMaxAge is how long the set may be cached.
	KeysFetched func(client, address string)
	KeysMaxAge  time.Duration
	// Keys tells operators of the keys at jwks_uris.
	Keys Keys
	// Registration lets apps register themselves; nil if they do not.
	Registration *endpoint.Endpoint
	// Broker answers release requests.
	Broker  http.Handler
	Metrics http.Handler
	// Parts is what is known of what the node needs, for /readyz.
	Parts   func() []Part
	Logouts Logouts
	// Fetcher gets the logos of apps; nil shows none.
	Fetcher Fetcher
	// LogoutQueued is told when logout tokens were queued, Answered when a person has
	// answered a request of another device.
	LogoutQueued func()
	Answered     func()
	// UserCodes limits how often an address may type the code of a device.
	UserCodes *authn.Addresses
	Now       func() time.Time
	// Demo shows the strip that says all is invented; DemoApps are links to try.
	Demo     bool
	DemoApps []DemoApp
	// TrustedProxies may say in X-Forwarded-For who calls; empty trusts nobody.
	TrustedProxies []netip.Prefix
	// MetricsNetworks may read /metrics, beside this machine.
	MetricsNetworks []netip.Prefix
	// AccessLog writes a line for each answer, without personal data.
	AccessLog bool
	// Certificate is the server's for TLS; nil speaks plain HTTP, for loopback and
	// behind a proxy.
	Certificate *Certificate
}

// DemoApp is a sample app to try.
type DemoApp struct {
	Client authz.ClientID
	URL    string
}

// Server is the HTTP server.
type Server struct {
	o    Options
	app  *fiber.App
	jwks atomic.Pointer[document]
	meta document
	// logos is nil where none are shown.
	logos *logos
	// keysCache is the Cache-Control of the JWK Set.
	keysCache string
	crowd     crowd
	answered  tally.Counter[Answered]
	took      tally.Durations[Group]
}

// limits of every request.
const (
	maxBody       = 128 << 10
	deadline      = 15 * time.Second
	metadataCache = "public, max-age=300"
)

// New makes a server.
func New(o Options) *Server {
	s := &Server{o: o, keysCache: fmt.Sprintf("public, max-age=%d, must-revalidate", int(o.KeysMaxAge.Seconds()))}
	if o.Fetcher != nil {
		s.logos = newLogos(o.Fetcher, o.Clients, o.Now)
	}
	s.meta = newDocument(o.Provider.Metadata())
	s.app = fiber.New(fiber.Config{
		Immutable:     true,                      // kept strings must not change under us
		StrictRouting: true, CaseSensitive: true, // RFC 3986 §6.2.2.1: one path, one spelling, as a proxy's rules have it
		// Longer than proxies keep an idle connection to us, which is 60 to 90 s: if we
		// closed first, a request on its way would be lost.
		BodyLimit: maxBody, ReadTimeout: 20 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 150 * time.Second,
		ReadBufferSize:               maxHead, // a token and a proof
		DisablePreParseMultipartForm: true,    // nobody sends one, see bounded
		ErrorHandler:                 s.renderError, DisableStartupMessage: true, ServerHeader: "",
	})
	s.app.Server().Logger = library{}
	s.app.Server().SecureErrorLogMessage = true
	s.app.Use(identify, s.observe, recover.New(), s.harden, bounded, s.onAlias)
	s.routes()
	return s
}

// library takes what fasthttp logs. Of each connection that fails it writes a line with
// the caller's address and what was read, as often as a stranger likes: an
// answer of 400 is counted with all answers, and that is enough. The rest, such as that
// no more connections can be taken, concerns the operator.
type library struct{}

// Printf logs what concerns the operator.
func (library) Printf(format string, args ...any) {
	if !strings.HasPrefix(format, "error when serving connection") {
		slog.Warn("the HTTP server reports a fault", "fault", fmt.Sprintf(format, args...))
	}
}

func (s *Server) routes() {
	a, mount := s.app, s.mount
	a.Get("/.well-known/openid-configuration", s.metadata)
	a.Get("/.well-known/oauth-authorization-server", s.metadata)
	a.Get(provider.JWKSPath, forPrograms(s.keys))
	a.All(provider.PARPath, mount(s.o.Provider.PAR))
	a.All(provider.TokenPath, mount(s.o.Provider.Token))
	a.All(provider.DeviceGrantPath, mount(s.o.Provider.Device))
	a.All(provider.BackchannelPath, mount(s.o.Provider.Backchannel))
	a.All(provider.UserInfoPath, interaction, mount(s.o.Provider.UserInfo))
	a.All(provider.IntrospectionPath, mount(s.o.Provider.Introspect))
	a.All(provider.RevocationPath, mount(s.o.Provider.Revoke))
	a.All(provider.GrantsPath+"/:id", interaction, mount(s.o.Provider.Grant))
	for path, body := range s.o.Provider.ResourceMetadata() {
		d := newDocument(body)
		a.Get(path, func(c *fiber.Ctx) error { return d.send(c, metadataCache) })
	}
	if s.o.Registration != nil {
		a.All(endpoint.Path, mount(s.o.Registration.Register))
		a.All(endpoint.Path+"/:id", mount(s.o.Registration.Manage))
	}
	a.Post(provider.BrokerPath+"/releases", interaction, mount(s.o.Broker.ServeHTTP))
	a.All(provider.AuthorizePath, s.page(s.authorize))
	a.Get(provider.AuthorizePath+"/resume", s.page(s.resume))
	s.logoutRoutes(a)

	a.Get("/", s.page(s.home))
	a.Get("/signin", s.page(s.signInForm))
	a.Post("/signin", s.page(s.signIn))
	a.Get("/signin/cancel", s.page(s.cancel))
	a.Get("/signin/code", s.page(s.codeForm))
	a.Post("/signin/code", s.page(s.signInCode))
	a.Get("/consent", s.page(s.consentForm))
	a.Post("/consent", s.page(s.consent))
	s.approveRoutes(a)
	s.portalRoutes(a)
	s.consoleRoutes(a)
	s.logoutsRoutes(a)

	a.Get("/log/key", forPrograms(s.logKey))
	a.Get("/log/checkpoint", forPrograms(s.page(s.checkpoint)))
	a.Get("/healthz", func(c *fiber.Ctx) error { return c.SendString("ok\n") })
	a.Get("/readyz", s.ready(""))
	for _, role := range AllRoles {
		a.Get("/readyz/"+string(role), s.ready(role))
	}
	a.Get("/metrics", s.onlyNear, adaptor.HTTPHandler(s.o.Metrics))
	a.Get("/logo/:id", s.logo)
	a.Get(static.Prefix+"*", s.file)
	a.Use(func(c *fiber.Ctx) error {
		c.Locals(noRoute, true)
		return fault(view.ErrorNotFound)
	})
}

// Shutdown stops accepting and waits for the requests that were accepted.
func (s *Server) Shutdown(ctx context.Context) error { return s.app.ShutdownWithContext(ctx) }

// Test runs one request without a network, for tests of the routes.
func (s *Server) Test(r *http.Request) (*http.Response, error) { return s.app.Test(r, -1) }

// mount runs a net/http handler behind fiber. The adaptor gives no deadline and
// does not tell when the client leaves, so the mount sets one; and it lends its
// strings, so the mount makes them the request's own.
func (s *Server) mount(h http.HandlerFunc) fiber.Handler {
	convert := adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own(r)
		r.RemoteAddr = r.Header.Get(addressHeader) // not that of a proxy of ours
		ctx, cancel := context.WithTimeout(authz.WithRequest(context.Background(), r.Header.Get(fiber.HeaderXRequestID)), deadline)
		defer cancel()
		if connection, ok := r.Context().Value(connectionKey{}).(clientauth.Connection); ok {
			ctx = clientauth.WithConnection(ctx, connection)
		}
		h(w, r.WithContext(ctx))
	})
	return func(c *fiber.Ctx) error {
		// The adaptor keeps the last of several headers of one name. Where a
		// second one is an attack, they are joined, which no reader takes.
		for _, name := range []string{"Authorization", "DPoP"} {
			if all := c.Request().Header.PeekAll(name); len(all) > 1 {
				alone(c, name, string(bytes.Join(all, []byte(", "))))
			}
		}
		alone(c, addressHeader, s.caller(c).String())
		return convert(c)
	}
}

// addressHeader carries the caller's address through the mount; what a caller
// sends under this name is dropped.
const addressHeader = "X-Hopnhat-Address"

// alone makes a header of a request stand once, with a value of ours. Set would leave a
// second one that the caller sent, and the adaptor hands on the last.
func alone(c *fiber.Ctx, name, value string) {
	c.Request().Header.Del(name)
	c.Request().Header.Set(name, value)
}

// identify gives every request an id: ours, never the caller's.
func identify(c *fiber.Ctx) error {
	id := authz.NewID()
	alone(c, fiber.HeaderXRequestID, id)
	c.Set(fiber.HeaderXRequestID, id)
	return c.Next()
}

// interactionHeader names an interaction of an app with a resource, over all that
// log it: FAPI 1.0 Baseline §6.2.1.
const interactionHeader = "X-Fapi-Interaction-Id"

// interaction gives back the id that an app has sent to a resource, or else the id
// of the request. Only a UUID is one; nothing else of a caller stands in an answer.
func interaction(c *fiber.Ctx) error {
	id := strings.Clone(c.Get(interactionHeader))
	if len(id) != 36 || uuid.Validate(id) != nil {
		id = c.GetRespHeader(fiber.HeaderXRequestID)
	}
	c.Set(interactionHeader, id)
	return c.Next()
}

// harden sets the headers every answer carries.
func (s *Server) harden(c *fiber.Ctx) error {
	s.hardened(c)
	return c.Next()
}

func (s *Server) hardened(c *fiber.Ctx) {
	c.Set("X-Content-Type-Options", "nosniff")
	// The origin and never a path. Less would make browsers send "Origin: null" with
	// our own forms, and with the form that carries an answer to an app.
	c.Set("Referrer-Policy", "strict-origin")
	c.Set("X-Frame-Options", "DENY")
	if !inPopups(c.Path()) {
		c.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	if s.o.Sessions.Secure() {
		c.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
	}
}

// inPopups reports whether an address lies on the way of a sign-in or a sign-out, which
// an app may open in a window of its own (display=popup, OpenID Connect Core
// §3.1.2.1). The policy that keeps openers apart would cut that window from its app
// for good, by a redirect as by a page.
func inPopups(path string) bool {
	for _, way := range []string{provider.AuthorizePath, "/signin", "/consent", provider.EndSessionPath} {
		if path == way || strings.HasPrefix(path, way+"/") {
			return true
		}
	}
	return false
}

// document is bytes that are served as they are, with their digest as ETag.
type document struct {
	body []byte
	etag string
}

func newDocument(body []byte) document {
	sum := sha256.Sum256(body)
	return document{body, `"` + hex.EncodeToString(sum[:8]) + `"`}
}

func (d document) send(c *fiber.Ctx, cache string) error {
	c.Set(fiber.HeaderETag, d.etag)
	c.Set(fiber.HeaderCacheControl, cache)
	c.Set(fiber.HeaderAccessControlAllowOrigin, "*")
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	if c.Get(fiber.HeaderIfNoneMatch) == d.etag {
		return c.SendStatus(fiber.StatusNotModified)
	}
	return c.Send(d.body)
}

func (s *Server) metadata(c *fiber.Ctx) error { return s.meta.send(c, metadataCache) }

// keys serves the JWK Set. The set is a few kilobytes made from memory; its
// bytes are kept until they differ.
func (s *Server) keys(c *fiber.Ctx) error {
	body, err := s.o.Provider.JWKS()
	if err != nil {
		return err
	}
	d := s.jwks.Load()
	if d == nil || string(d.body) != string(body) {
		fresh := newDocument(body)
		d = &fresh
		s.jwks.Store(d)
	}
	if s.o.KeysFetched != nil {
		client := c.Query("client_id")
		if len(client) > 128 {
			client = ""
		}
		s.o.KeysFetched(client, s.caller(c).String())
	}
	return d.send(c, s.keysCache)
}

func (s *Server) logKey(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	return c.SendString(s.o.Log.VerifierKey() + "\n")
}

func (s *Server) checkpoint(v *visit) error {
	raw, err := s.o.Log.Checkpoint(v.ctx)
	if err != nil {
		return err
	}
	v.c.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	return v.c.Send(raw)
}

func (s *Server) file(c *fiber.Ctx) error {
	f, ok := static.Find(c.Path())
	if !ok {
		return fault(view.ErrorNotFound)
	}
	c.Set(fiber.HeaderContentType, f.Type)
	c.Set(fiber.HeaderCacheControl, static.CacheControl)
	return c.Send(f.Body)
}
