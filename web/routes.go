package web

import (
	"net/http"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/protocol"
	"hopnhat/authz/registration/endpoint"
	"hopnhat/federation/authority"
	"hopnhat/federation/regional"
	"hopnhat/web/account"
	"hopnhat/web/choices"
	"hopnhat/web/console"
	"hopnhat/web/console/enrolment"
	"hopnhat/web/console/incidents"
	"hopnhat/web/console/operations"
	"hopnhat/web/logtiles"
	"hopnhat/web/page"
	"hopnhat/web/passkeys"
	"hopnhat/web/portal"
	"hopnhat/web/signin"
	"hopnhat/web/signout"
	"hopnhat/web/static"
	"hopnhat/web/upstream"
	"hopnhat/web/view"
)

// audience says who is let in to a page. The table is the one place that says it: a room
// does not ask again.
type audience int

const (
	// anybody is let in. A form that is sent to such a page is checked by its handler.
	anybody audience = iota
	// person is somebody who is signed in.
	person
	// auditor and operator are persons with that role who have signed in with two factors.
	auditor
	operator
	// official is one of the two.
	official
	// recent is a person who signed in a short while ago: here she changes how she signs in.
	recent
)

// roles are the roles of audiences that need one of some.
var roles = map[audience][]authz.Role{
	auditor: {authz.Auditor}, operator: {authz.Operator}, official: {authz.Auditor, authz.Operator},
}

// twoFactors is the level of a sign-in with two factors.
const twoFactors = 2

// route is a row of the route table.
type route struct {
	role     Role   // a node without it does not serve the route; empty: each node does
	method   string // empty for all of them
	path     string
	audience audience
	handle   fiber.Handler
}

// everyNode is the role of routes that each node serves.
const everyNode Role = ""

// has reports whether this node has a role.
func (s *Server) has(role Role) bool {
	return role == everyNode || len(s.o.Node) == 0 || slices.Contains(s.o.Node, role)
}

// elsewhere answers for a route of a role that this node does not have (RFC 9110
// §15.5.20): a balancer sent the request to the wrong node.
func elsewhere(*fiber.Ctx) error { return page.Fault(view.ErrorMisdirected) }

// table is the route table, in the order in which routes are tried.
func (s *Server) table() []route {
	const all, get, post = "", http.MethodGet, http.MethodPost
	serve := func(role Role, method, path string, handle fiber.Handler) route {
		if !s.has(role) {
			handle = forPrograms(elsewhere)
		}
		return route{role, method, path, anybody, handle}
	}
	visit := func(role Role, method, path string, who audience, h func(*page.Visit) error) route {
		handle := s.frame.Handler(s.admit(who, h))
		if !s.has(role) {
			handle = elsewhere
		}
		return route{role, method, path, who, handle}
	}
	e, d, mount := s.o.Endpoints, s.documents, s.mount
	table := []route{
		serve(Provider, get, "/.well-known/openid-configuration", d.metadata),
		serve(Provider, get, "/.well-known/oauth-authorization-server", d.metadata),
		serve(Provider, get, protocol.JWKSPath, forPrograms(d.jwks)),
		serve(Provider, all, protocol.PARPath, mount(e.PAR)),
		serve(Provider, all, protocol.TokenPath, mount(e.Token)),
		serve(Provider, all, protocol.DeviceGrantPath, mount(e.Device)),
		serve(Provider, all, protocol.BackchannelPath, mount(e.Backchannel)),
		serve(Provider, all, protocol.UserInfoPath, interaction(mount(e.UserInfo))),
		serve(Provider, all, protocol.IntrospectionPath, mount(e.Introspect)),
		serve(Provider, all, protocol.RevocationPath, mount(e.Revoke)),
		serve(Provider, all, protocol.GrantsPath+"/:id", interaction(mount(e.Grant))),
		serve(Broker, post, ReleasesPath, interaction(mount(e.Broker))),
		visit(Provider, all, protocol.AuthorizePath, anybody, s.signin.Authorize),
		visit(Provider, get, signin.ResumePath, anybody, s.signin.Resume),
		visit(Provider, all, signout.Path, anybody, s.signout.EndSession),
		visit(Provider, get, signout.ContinuePath, anybody, s.signout.Continue),
		visit(Provider, post, signout.ConfirmPath, anybody, s.signout.Confirm),
		visit(Provider, get, signout.DonePath, anybody, s.signout.Done),
		serve(Provider, get, protocol.CheckSessionPath, s.checkSession),

		visit(Provider, get, "/", anybody, s.signin.Home),
		visit(Provider, get, signin.Path, anybody, s.signin.SignInForm),
		visit(Provider, post, signin.Path, anybody, s.signin.SignIn),
		visit(Provider, get, signin.CancelPath, anybody, s.signin.Cancel),
		visit(Provider, get, signin.CodePath, anybody, s.signin.CodeForm),
		visit(Provider, post, signin.CodePath, anybody, s.signin.SignInCode),
		visit(Provider, get, signin.ConsentPath, anybody, s.signin.ConsentForm),
		visit(Provider, post, signin.ConsentPath, anybody, s.signin.Consent),
		visit(Provider, get, signin.DevicePath, anybody, s.signin.DeviceForm),
		visit(Provider, post, signin.DevicePath, anybody, s.signin.Device),
		visit(Provider, get, signin.ApprovePath, anybody, s.signin.ApproveForm),
		visit(Provider, post, signin.ApprovePath, anybody, s.signin.Approve),
		visit(Provider, get, signin.ApprovedPath, anybody, s.signin.Approved),
		visit(Portal, get, signin.RequestsPath, person, s.signin.Requests),

		visit(Portal, get, portal.Path, person, s.portal.Timeline),
		visit(Portal, get, portal.ReleasesPath+"/:id", person, s.portal.Release),
		visit(Portal, get, portal.ReleasesPath+"/:id/proof", person, s.portal.Proof),
		visit(Portal, get, portal.ConsentsPath, person, s.portal.Consents),
		visit(Portal, get, portal.ConsentsPath+"/:id", person, s.portal.Consent),
		visit(Portal, get, portal.ConsentsPath+"/:id/withdraw", person, s.portal.WithdrawForm),
		visit(Portal, post, portal.ConsentsPath+"/:id/withdraw", person, s.portal.Withdraw),
		visit(Portal, get, account.Path, person, s.account.Sessions),
		visit(Portal, post, account.EndPath, person, s.account.EndSession),
		visit(Portal, post, account.EndAllPath, person, s.account.EndAllSessions),
		visit(Portal, get, account.ActsPath+"/:id/proof", person, s.account.Proof),

		visit(Portal, get, console.Path, auditor, s.console.Search),
		visit(Portal, post, console.Path, auditor, s.console.Ask),
		visit(Portal, get, console.EventsPath+"/:id", auditor, s.console.Event),
		visit(Portal, get, console.EventsPath+"/:id/proof", auditor, s.console.EventProof),
		visit(Portal, get, console.ExportsPath, auditor, s.console.ExportForm),
		visit(Portal, post, console.ExportsPath, auditor, s.console.Export),
		visit(Portal, get, operations.AppsPath, operator, s.operations.Apps),
		visit(Portal, get, operations.DeliveriesPath, operator, s.operations.Deliveries),
		visit(Portal, post, operations.RetryPath, operator, s.operations.Retry),
		visit(Portal, get, enrolment.Path, operator, s.enrolment.List),
		visit(Portal, get, enrolment.EntityPath, operator, s.enrolment.Show),
		visit(Portal, post, enrolment.EntityPath, operator, s.enrolment.Step),
		visit(Portal, get, enrolment.TrustPath, operator, s.enrolment.Trust),
		visit(Portal, get, enrolment.WeatherPath, operator, s.enrolment.Weather),
		visit(Portal, get, enrolment.ProposePath, operator, s.enrolment.ProposeForm),
		visit(Portal, post, enrolment.ProposePath, operator, s.enrolment.Propose),
		visit(Portal, get, incidents.Path, official, s.incidents.List),
		visit(Portal, get, incidents.Path+"/:id", official, s.incidents.Show),
		visit(Portal, post, incidents.Path+"/:id", official, s.incidents.Say),

		serve(everyNode, get, "/healthz", func(c *fiber.Ctx) error { return c.SendString("ok\n") }),
		serve(everyNode, get, "/readyz", s.ready("")),
		serve(everyNode, get, "/metrics", s.onlyNear(adaptor.HTTPHandler(s.o.Metrics))),
		serve(everyNode, get, static.Prefix+"*", asset),
	}
	for _, log := range []audit.Tree{audit.ReleaseTree, audit.ConsentTree} {
		files, at := logtiles.Files{Logs: s.o.Log, Tree: log, Tokens: s.o.LogTokens, Roles: s.o.Roles, Now: s.o.Now}, logtiles.PathsOf(log)
		shards := visit(LogWriter, get, at.Shards, auditor, files.Show)
		if s.has(LogWriter) {
			shards.handle = files.Handler(shards.handle)
		}
		table = append(
			table, shards, serve(LogWriter, get, at.Key, forPrograms(files.Key)),
			serve(LogWriter, get, at.Checkpoint, forPrograms(s.frame.Handler(files.Checkpoint))),
		)
	}
	for path, body := range d.resources {
		document := newDocument(body)
		table = append(table, serve(Provider, get, path, func(c *fiber.Ctx) error { return document.send(c, metadataCache) }))
	}
	if e.Regional != nil {
		table = append(table, serve(Provider, all, regional.Path, mount(e.Regional)))
	}
	if e.Register != nil {
		table = append(
			table, serve(Provider, all, endpoint.Path, mount(e.Register)), serve(Provider, all, endpoint.Path+"/:id", mount(e.Manage)),
		)
	}
	for _, path := range authority.Paths {
		if handle := e.Federation[path]; handle != nil || !s.has(Federation) {
			table = append(table, serve(Federation, all, path, mount(handle)))
		}
	}
	if up := s.upstream; up != nil {
		table = append(
			table, visit(Provider, get, upstream.StartPath, anybody, up.Start),
			visit(Provider, get, upstream.CallbackPath, anybody, up.Callback),
			serve(Provider, all, upstream.LogoutPath, mount(e.UpstreamLogout)), visit(Portal, get, upstream.Path, person, up.List),
			visit(Portal, post, upstream.LinkPath, person, up.Link), visit(Portal, post, upstream.ConfirmPath, person, up.Confirm),
			visit(Portal, post, upstream.UnlinkPath, person, up.Unlink),
		)
	}
	if s.o.Passkeys != nil {
		room := passkeys.New(s.o.Passkeys)
		table = append(
			table, visit(Provider, post, signin.PasskeyPath, anybody, s.signin.SignInPasskey),
			visit(Portal, get, passkeys.Path, recent, room.Show), visit(Portal, post, passkeys.Path, recent, room.Add),
			visit(Portal, post, passkeys.RemovePath, recent, room.Remove),
		)
	}
	if s.o.Choices != nil {
		room := choices.New(s.o.Choices)
		table = append(table, visit(Portal, get, choices.Path, person, room.Show), visit(Portal, post, choices.Path, person, room.Change))
	}
	if s.logos != nil {
		table = append(table, serve(Provider, get, "/logo/:id", s.logos.Serve))
	}
	for _, role := range AllRoles {
		table = append(table, serve(role, get, "/readyz/"+string(role), s.ready(role)))
	}
	return table
}

// ReleasesPath is the endpoint of the broker.
const ReleasesPath = protocol.BrokerPath + "/releases"

// register puts the table into the router. What no route takes is not found.
func (s *Server) register() {
	for _, r := range s.table() {
		switch r.method {
		case "":
			s.app.All(r.path, r.handle)
		case http.MethodGet:
			s.app.Get(r.path, r.handle) // and HEAD
		default:
			s.app.Add(r.method, r.path, r.handle)
		}
	}
	s.app.Use(func(c *fiber.Ctx) error {
		c.Locals(noRoute, true)
		return page.Fault(view.ErrorNotFound)
	})
}

// admit lets the audience of a page in. A form is checked first, so that one of somebody
// else's does not lead to a sign-in.
func (s *Server) admit(who audience, h func(*page.Visit) error) func(*page.Visit) error {
	if who == anybody {
		return h
	}
	return func(v *page.Visit) error {
		if v.C.Method() == http.MethodPost {
			if err := v.CheckForm(); err != nil {
				return err
			}
		}
		in, err := v.SignedIn()
		if err != nil {
			return err
		}
		if who == recent {
			if in, err = v.SignedInRecently(s.o.Now()); err != nil {
				return err
			}
		}
		if of, needed := roles[who]; needed {
			for i := 0; i < len(of) && v.Role == ""; i++ {
				if has, err := s.o.Roles.HasRole(v.Context, in.Actor, of[i]); err != nil {
					return err
				} else if has {
					v.Role = of[i]
				}
			}
			if v.Role == "" || in.Level < twoFactors {
				return page.Fault(view.ErrorForbidden)
			}
		}
		return h(v)
	}
}
