package web

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/web/view"
)

// Answered is what an answer is counted by: the pattern of the route, never the
// path itself, and the class of its status.
type Answered struct {
	Route string // such as /token or /portal/events/:id; "none" for what has no route
	Class string // 2xx, 3xx, 4xx or 5xx
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
	s.answered.Add(Answered{Route: route, Class: strconv.Itoa(status/100) + "xx"})
	if s.o.AccessLog {
		slog.InfoContext(authz.WithRequest(context.Background(), c.GetRespHeader(fiber.HeaderXRequestID)), "answered",
			"method", c.Method(), "route", route, "status", status, "bytes", len(c.Response().Body()), "ms", time.Since(began).Milliseconds(), "interaction", c.GetRespHeader(interactionHeader))
	}
	return nil
}

// Answers tells how many requests were answered, by route and class of status.
func (s *Server) Answers() map[Answered]uint64 { return s.answered.All() }

// onlyNear answers who asks from this machine or from a network that the
// configuration names, and was not passed on by a proxy: counters tell a stranger too
// much.
func (s *Server) onlyNear(c *fiber.Ctx) error {
	from := connected(c)
	passedOn := c.Get(fiber.HeaderXForwardedFor) != "" || c.Get("Forwarded") != ""
	if passedOn || !from.IsLoopback() && !among(s.o.MetricsNetworks, from) {
		return fault(view.ErrorNotFound)
	}
	return c.Next()
}
