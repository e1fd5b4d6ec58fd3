package web

import (
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"

	"hopnhat/authz/provider"
	"hopnhat/authz/registration/endpoint"
	"hopnhat/web/account"
	"hopnhat/web/console"
	"hopnhat/web/page"
	"hopnhat/web/portal"
	"hopnhat/web/signin"
	"hopnhat/web/signout"
	"hopnhat/web/static"
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
)

// roles are the roles of audiences that need one.
var roles = map[audience]string{auditor: "auditor", operator: "operator"}

// twoFactors is the level of a sign-in with two factors.
const twoFactors = 2

// route is a row of the route table.
type route struct {
	method   string // empty for all of them
	path     string
	audience audience
	handle   fiber.Handler
}

// table is the route table, in the order in which routes are tried.
func (s *Server) table() []route {
	const all, get, post = "", http.MethodGet, http.MethodPost
	serve := func(method, path string, handle fiber.Handler) route { return route{method, path, anybody, handle} }
	visit := func(method, path string, who audience, h func(*page.Visit) error) route {
		return route{method, path, who, s.frame.Handler(s.admit(who, h))}
	}
	e, d, mount := s.o.Endpoints, s.documents, s.mount
	table := []route{
		serve(get, "/.well-known/openid-configuration", d.metadata),
		serve(get, "/.well-known/oauth-authorization-server", d.metadata),
		serve(get, provider.JWKSPath, forPrograms(d.jwks)),
		serve(all, provider.PARPath, mount(e.PAR)),
		serve(all, provider.TokenPath, mount(e.Token)),
		serve(all, provider.DeviceGrantPath, mount(e.Device)),
		serve(all, provider.BackchannelPath, mount(e.Backchannel)),
		serve(all, provider.UserInfoPath, interaction(mount(e.UserInfo))),
		serve(all, provider.IntrospectionPath, mount(e.Introspect)),
		serve(all, provider.RevocationPath, mount(e.Revoke)),
		serve(all, provider.GrantsPath+"/:id", interaction(mount(e.Grant))),
		serve(post, ReleasesPath, interaction(mount(e.Broker))),
		visit(all, provider.AuthorizePath, anybody, s.signin.Authorize),
		visit(get, signin.ResumePath, anybody, s.signin.Resume),
		visit(all, signout.Path, anybody, s.signout.EndSession),
		visit(get, signout.ContinuePath, anybody, s.signout.Continue),
		visit(post, signout.ConfirmPath, anybody, s.signout.Confirm),
		visit(get, signout.DonePath, anybody, s.signout.Done),
		serve(get, provider.CheckSessionPath, s.checkSession),

		visit(get, "/", anybody, s.signin.Home),
		visit(get, signin.Path, anybody, s.signin.SignInForm),
		visit(post, signin.Path, anybody, s.signin.SignIn),
		visit(get, signin.CancelPath, anybody, s.signin.Cancel),
		visit(get, signin.CodePath, anybody, s.signin.CodeForm),
		visit(post, signin.CodePath, anybody, s.signin.SignInCode),
		visit(get, signin.ConsentPath, anybody, s.signin.ConsentForm),
		visit(post, signin.ConsentPath, anybody, s.signin.Consent),
		visit(get, signin.DevicePath, anybody, s.signin.DeviceForm),
		visit(post, signin.DevicePath, anybody, s.signin.Device),
		visit(get, signin.ApprovePath, anybody, s.signin.ApproveForm),
		visit(post, signin.ApprovePath, anybody, s.signin.Approve),
		visit(get, signin.ApprovedPath, anybody, s.signin.Approved),
		visit(get, signin.RequestsPath, person, s.signin.Requests),

		visit(get, portal.Path, person, s.portal.Timeline),
		visit(get, portal.ReleasesPath+"/:id", person, s.portal.Release),
		visit(get, portal.ReleasesPath+"/:id/proof", person, s.portal.Proof),
		visit(get, portal.ConsentsPath, person, s.portal.Consents),
		visit(get, portal.ConsentsPath+"/:id", person, s.portal.Consent),
		visit(get, portal.ConsentsPath+"/:id/withdraw", person, s.portal.WithdrawForm),
		visit(post, portal.ConsentsPath+"/:id/withdraw", person, s.portal.Withdraw),
		visit(get, account.Path, person, s.account.Sessions),
		visit(post, account.EndPath, person, s.account.EndSession),
		visit(post, account.EndAllPath, person, s.account.EndAllSessions),
		visit(get, account.ActsPath+"/:id/proof", person, s.account.Proof),

		visit(get, console.Path, auditor, s.console.Search),
		visit(post, console.Path, auditor, s.console.Ask),
		visit(get, console.EventsPath+"/:id", auditor, s.console.Event),
		visit(get, console.EventsPath+"/:id/proof", auditor, s.console.EventProof),
		visit(get, console.ExportsPath, auditor, s.console.ExportForm),
		visit(post, console.ExportsPath, auditor, s.console.Export),
		visit(get, console.AppsPath, operator, s.console.Apps),
		visit(get, console.DeliveriesPath, operator, s.console.Deliveries),
		visit(post, console.RetryPath, operator, s.console.Retry),

		serve(get, "/log/key", forPrograms(d.logKey)),
		serve(get, "/log/checkpoint", forPrograms(s.frame.Handler(d.checkpoint))),
		serve(get, "/healthz", func(c *fiber.Ctx) error { return c.SendString("ok\n") }),
		serve(get, "/readyz", s.ready("")),
		serve(get, "/metrics", s.onlyNear(adaptor.HTTPHandler(s.o.Metrics))),
		serve(get, static.Prefix+"*", asset),
	}
	for path, body := range s.o.Published.ResourceMetadata() {
		document := newDocument(body)
		table = append(table, serve(get, path, func(c *fiber.Ctx) error { return document.send(c, metadataCache) }))
	}
	if e.Register != nil {
		table = append(table, serve(all, endpoint.Path, mount(e.Register)), serve(all, endpoint.Path+"/:id", mount(e.Manage)))
	}
	if s.logos != nil {
		table = append(table, serve(get, "/logo/:id", s.logos.Serve))
	}
	for _, role := range AllRoles {
		table = append(table, serve(get, "/readyz/"+string(role), s.ready(role)))
	}
	return table
}

// ReleasesPath is the endpoint of the broker.
const ReleasesPath = provider.BrokerPath + "/releases"

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
		if role, needed := roles[who]; needed {
			has, err := s.o.Roles.HasRole(v.Context, in.Subject, role)
			if err != nil {
				return err
			}
			if !has || in.Level < twoFactors {
				return page.Fault(view.ErrorForbidden)
			}
		}
		return h(v)
	}
}
