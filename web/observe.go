package web

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/protocol"
	"hopnhat/authz/tally"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// Answered is what an answer is counted by: the pattern of the route, never the
// path itself, and the class of its status.
type Answered struct {
	Route string // such as /token or /portal/events/:id; "none" for what has no route
	Class string // 2xx, 3xx, 4xx or 5xx
}

// Group is what a time of answering is counted by: what the caller waits for.
type Group string

// The groups. An objective stands on sign_in and release (docs/production.md §5).
const (
	GroupSignIn  Group = "sign_in" // a password, code or passkey that was sent
	GroupRequest Group = "request" // /par and /authorize
	GroupToken   Group = "token"
	GroupRelease Group = "release" // of the broker
	GroupOther   Group = "other"
)

// Groups are all of them.
var Groups = []Group{GroupSignIn, GroupRequest, GroupToken, GroupRelease, GroupOther}

// groupOf is the group of a route. The pages of a sign-in that are only fetched hash
// nothing and would hide those that do.
func groupOf(method, route string) Group {
	switch route {
	case "/signin", "/signin/code", "/signin/passkey":
		if method == fiber.MethodPost {
			return GroupSignIn
		}
	case protocol.PARPath, protocol.AuthorizePath:
		return GroupRequest
	case protocol.TokenPath:
		return GroupToken
	case ReleasesPath:
		return GroupRelease
	}
	return GroupOther
}

// noRoute is set for a request that no route took.
const noRoute = "no route"

// observe counts every answer and, where it is switched on, writes a line of the
// access log. The line has nothing of the person: the route's pattern and not the
// path, no query, no address, no header of the caller but the UUID by which it names
// its interaction with a resource.
func (s *Server) observe(c *fiber.Ctx) error {
	began := time.Now()
	if err := c.Next(); err != nil {
		// Here and not after us, so that the status is known.
		if err := c.App().ErrorHandler(c, err); err != nil {
			return err
		}
	}
	route := "none"
	if c.Locals(noRoute) == nil {
		route = c.Route().Path
	}
	status := c.Response().StatusCode()
	took := time.Since(began)
	s.answered.Add(Answered{Route: route, Class: strconv.Itoa(status/100) + "xx"})
	s.took.Add(groupOf(c.Method(), route), took)
	if s.o.AccessLog {
		slog.InfoContext(authz.WithRequest(context.Background(), c.GetRespHeader(fiber.HeaderXRequestID)), "answered",
			"method", c.Method(), "route", route, "status", status, "bytes", len(c.Response().Body()), "ms", took.Milliseconds(),
			"interaction", c.GetRespHeader(interactionHeader))
	}
	return nil
}

// Answers says how many requests were answered, by route and class of status.
func (s *Server) Answers() map[Answered]uint64 { return s.answered.All() }

// Took says how long answers took, by what the caller waited for. What was refused
// before it could be read is not in it.
func (s *Server) Took() map[Group]tally.Spread { return s.took.All() }

// onlyNear answers callers from this machine or from a network that the configuration
// names, where no proxy passed the request on: counters tell a stranger too much.
func (s *Server) onlyNear(h fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		from := peerAddress(c)
		passedOn := c.Get(fiber.HeaderXForwardedFor) != "" || c.Get("Forwarded") != ""
		if passedOn || !from.IsLoopback() && !contains(s.o.MetricsNetworks, from) {
			return page.Fault(view.ErrorNotFound)
		}
		return h(c)
	}
}
