package web

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/google/uuid"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/protocol"
	"hopnhat/web/page"
)

// mount runs a net/http handler behind fiber. The adaptor gives no deadline and
// does not tell when the client leaves, so the mount sets one; and it lends its
// strings, so the mount makes them the request's own.
func (s *Server) mount(h http.HandlerFunc) fiber.Handler {
	convert := adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page.DetachStrings(r)
		r.RemoteAddr = r.Header.Get(addressHeader) // not that of a proxy of ours
		ctx, cancel := context.WithTimeout(authz.WithRequest(context.Background(), r.Header.Get(fiber.HeaderXRequestID)), page.Deadline)
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
				setAlone(c, name, string(bytes.Join(all, []byte(", "))))
			}
		}
		setAlone(c, addressHeader, s.clientAddress(c).String())
		return convert(c)
	}
}

// addressHeader carries the caller's address through the mount; what a caller
// sends under this name is dropped.
const addressHeader = "X-Hopnhat-Address"

// setAlone makes a header of a request stand once, with a value of ours. Set would leave a
// second one that the caller sent, and the adaptor hands on the last.
func setAlone(c *fiber.Ctx, name, value string) {
	c.Request().Header.Del(name)
	c.Request().Header.Set(name, value)
}

// identify gives every request an id: ours, never the caller's.
func identify(c *fiber.Ctx) error {
	id := authz.NewID()
	setAlone(c, fiber.HeaderXRequestID, id)
	c.Set(fiber.HeaderXRequestID, id)
	return c.Next()
}

// interactionHeader names an interaction of an app with a resource, over all that
// log it: FAPI 1.0 Baseline §6.2.1.
const interactionHeader = "X-Fapi-Interaction-Id"

// interaction gives back the id that an app has sent to a resource, or else the id
// of the request. Only a UUID is one; nothing else of a caller stands in an answer.
func interaction(resource fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id := strings.Clone(c.Get(interactionHeader))
		if len(id) != 36 || uuid.Validate(id) != nil {
			id = c.GetRespHeader(fiber.HeaderXRequestID)
		}
		c.Set(interactionHeader, id)
		return resource(c)
	}
}

// harden sets the headers every answer carries.
func (s *Server) harden(c *fiber.Ctx) error {
	s.setHardHeaders(c)
	return c.Next()
}

func (s *Server) setHardHeaders(c *fiber.Ctx) {
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
	for _, way := range []string{protocol.AuthorizePath, "/signin", "/consent", protocol.EndSessionPath} {
		if path == way || strings.HasPrefix(path, way+"/") {
			return true
		}
	}
	return false
}
