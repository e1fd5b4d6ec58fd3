// Package web is the outer edge: the route table, the order of the middleware, the mount
// of the protocol's handlers, the bounds of what a caller may send, and the one place
// where errors are rendered. The pages are in the rooms below it, each with the few needs
// that it declares. Fiber lives in this tree and nowhere else.
package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"

	"hopnhat/authz/tally"
	"hopnhat/web/account"
	"hopnhat/web/console"
	"hopnhat/web/console/enrolment"
	"hopnhat/web/console/incidents"
	"hopnhat/web/console/operations"
	"hopnhat/web/crowd"
	"hopnhat/web/logo"
	"hopnhat/web/page"
	"hopnhat/web/portal"
	"hopnhat/web/signin"
	"hopnhat/web/signout"
	"hopnhat/web/upstream"
)

// Server is the HTTP server.
type Server struct {
	o          Options
	app        *fiber.App
	frame      *page.Frame
	documents  *documents
	signin     *signin.Pages
	signout    *signout.Pages
	portal     *portal.Pages
	account    *account.Pages
	console    *console.Pages
	incidents  *incidents.Pages
	enrolment  *enrolment.Pages
	operations *operations.Pages
	upstream   *upstream.Pages // nil where there are no other providers
	// logos is nil where none are shown.
	logos    *logo.Logos
	crowd    crowd.Crowd
	answered tally.Counter[Answered]
	took     tally.Durations[Group]
}

// maxBody bounds the body of every request.
const maxBody = 128 << 10

// New makes a server.
func New(o Options) *Server {
	s := &Server{o: o}
	s.furnish()
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
	s.register()
	return s
}

// library takes what fasthttp logs. It writes a line for each connection that fails, with
// the caller's address and what was read, as often as a stranger likes: an answer of 400
// is counted with all answers, and that is enough. The rest, such as that no more
// connections can be taken, concerns the operator.
type library struct{}

// Printf logs what concerns the operator.
func (library) Printf(format string, args ...any) {
	if !strings.HasPrefix(format, "error when serving connection") {
		slog.Warn("the HTTP server reports a fault", "fault", fmt.Sprintf(format, args...))
	}
}

// Shutdown stops accepting and waits for the requests that were accepted.
func (s *Server) Shutdown(ctx context.Context) error { return s.app.ShutdownWithContext(ctx) }

// Test runs one request without a network, for tests of the routes.
func (s *Server) Test(r *http.Request) (*http.Response, error) { return s.app.Test(r, -1) }
