package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/authorize/object"
	"hopnhat/authz/protocol"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// statuses of the kinds that have one of their own.
var statuses = map[view.ErrorKind]int{
	view.ErrorNotFound: 404, view.ErrorMethod: 405, view.ErrorTooLarge: 413, view.ErrorTooMany: 429, view.ErrorUnavailable: 503,
	view.ErrorInternal: 500, view.ErrorForbidden: 403, view.ErrorForm: 403, view.ErrorLocked: 403, view.ErrorFinished: 410, view.ErrorNotAvailable: 503, view.ErrorNotGenuine: 409,
	view.ErrorMisdirected: 421,
}

// readByPrograms is the local that forPrograms sets.
const readByPrograms = "read by programs"

// forPrograms marks a document that programs fetch: where it cannot be served they
// get an error that they can read, and no page.
func forPrograms(h fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		c.Locals(readByPrograms, true)
		return h(c)
	}
}

// sayToProgram answers as the endpoints of the protocol do (RFC 6749 §5.2).
func sayToProgram(c *fiber.Ctx, status int, kind view.ErrorKind) error {
	code, description := authz.ServerError, "this document cannot be served"
	switch kind {
	case view.ErrorUnavailable:
		code, description = authz.TemporarilyUnavailable, "this document cannot be served now; ask again"
	case view.ErrorNotFound:
		code, description = "not_found", "there is no such document yet"
	case view.ErrorMisdirected:
		code, description = "misdirected_request", "this node does not have the role that serves this path; ask a node that has it"
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Status(status).JSON(authz.NewError(code, "%s", description).Body())
}

// renderError is the one place where an error becomes an answer.
func (s *Server) renderError(c *fiber.Ctx, err error) error {
	var to page.Redirect
	if errors.As(err, &to) {
		return c.Redirect(string(to), http.StatusSeeOther)
	}
	if timeout := (*fiber.Error)(nil); errors.As(err, &timeout) && timeout.Code == fiber.StatusRequestTimeout && c.Context().Conn() != nil {
		// A connection on which nothing was asked in time is closed without a word:
		// an answer now would be taken for that of the next request.
		return c.Context().Conn().Close()
	}
	if c.GetRespHeader(fiber.HeaderXRequestID) == "" {
		return s.refuseUnrouted(c, err)
	}
	body := view.Error{Reference: c.GetRespHeader(fiber.HeaderXRequestID), HomeURL: "/"}
	describe(&body, err)
	if on, _ := wireOf(c.Context().Conn()); on != nil && on.wrong != nil && body.Kind == view.ErrorBadRequest {
		body.Developer = &view.Developer{Error: "malformed request", Description: on.wrong.reason, Clause: on.wrong.clause}
	}
	status, ok := statuses[body.Kind]
	if !ok {
		status = http.StatusBadRequest
		if errors.Is(err, fiber.ErrUnsupportedMediaType) {
			status = http.StatusUnsupportedMediaType
		}
	}
	if body.Kind == view.ErrorInternal || body.Kind == view.ErrorUnavailable {
		slog.ErrorContext(authz.WithRequest(context.Background(), body.Reference), "request failed", "path", c.Path(), "error", err)
	}
	if body.RetrySeconds > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(body.RetrySeconds))
	}
	if c.Locals(readByPrograms) != nil {
		return sayToProgram(c, status, body.Kind)
	}
	if strings.HasPrefix(c.Path(), protocol.EndSessionPath) && body.Developer != nil {
		// An app asked for a sign-out that cannot be. The person can have hers all the same.
		if body.SignOutURL = protocol.EndSessionPath; body.Kind == view.ErrorBadRequest {
			body.Kind = view.ErrorSignOut
		}
	}
	body.Code = "HN-" + strconv.Itoa(status) + "-" + string(body.Kind)
	c.Status(status)
	return s.frame.AnyInput(func(v *page.Visit) error { return v.Show(body) })(c)
}

// refuseUnrouted answers what no middleware has seen, since it could not be read: with
// an id, the headers of every answer, and counted as any.
func (s *Server) refuseUnrouted(c *fiber.Ctx, err error) error {
	c.Set(fiber.HeaderXRequestID, authz.NewID())
	s.setHardHeaders(c)
	if err := s.renderError(c, err); err != nil {
		return err
	}
	s.answered.Add(Answered{Route: "none", Class: strconv.Itoa(c.Response().StatusCode()/100) + "xx"})
	return nil
}

// describe sorts an error into the words of the catalogue.
func describe(body *view.Error, err error) {
	var fault page.Fault
	var refusal *authz.Error
	var fromFiber *fiber.Error
	switch {
	case errors.As(err, &fault):
		body.Kind = view.ErrorKind(fault)
	case errors.As(err, &refusal):
		body.Kind = kindOf(refusal)
		body.RetrySeconds = int(refusal.RetryAfter.Seconds())
		if finished := (authorize.Finished{}); errors.As(err, &finished) && finished.Client != nil {
			a := page.App(finished.Client)
			body.App, body.AppURL = &a, finished.Client.HomeURI
		}
		if body.Kind != view.ErrorInternal && body.Kind != view.ErrorUnavailable {
			body.Developer = &view.Developer{Error: string(refusal.Code), Description: refusal.Description, Clause: refusal.Clause}
			if refusal.Parameter != "" {
				body.Developer.Fields = []view.Field{{Name: "parameter", Value: refusal.Parameter}}
			}
		}
	case errors.As(err, &fromFiber):
		switch fromFiber.Code {
		case fiber.StatusNotFound:
			body.Kind = view.ErrorNotFound
		case fiber.StatusMethodNotAllowed:
			body.Kind = view.ErrorMethod
		case fiber.StatusRequestEntityTooLarge, fiber.StatusRequestHeaderFieldsTooLarge:
			body.Kind = view.ErrorTooLarge
		default:
			body.Kind = view.ErrorBadRequest
		}
	case errors.Is(err, authz.ErrNotFound):
		body.Kind = view.ErrorNotFound
	case errors.Is(err, authz.ErrConflict):
		body.Kind = view.ErrorExpired
	case errors.Is(err, authz.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		body.Kind = view.ErrorUnavailable
	default:
		body.Kind = view.ErrorInternal
	}
	if body.Kind == view.ErrorUnavailable {
		body.RetrySeconds = 10
	}
}

func kindOf(e *authz.Error) view.ErrorKind {
	switch {
	case errors.Is(e.Cause, protocol.ErrTooMany):
		return view.ErrorTooMany
	case e.Code == authz.TemporarilyUnavailable:
		return view.ErrorUnavailable
	case e.Code == authz.ServerError:
		return view.ErrorInternal
	case errors.As(e.Cause, new(authorize.Finished)):
		return view.ErrorFinished
	case errors.Is(e.Cause, object.ErrForeign):
		return view.ErrorRequestURI
	case e.Code == authz.InvalidRequestURI, errors.Is(e.Cause, authorize.ErrGone):
		return view.ErrorExpired
	case e.Parameter == "client_id":
		return view.ErrorUnknownApp
	case e.Parameter == "redirect_uri" || e.Parameter == "post_logout_redirect_uri":
		return view.ErrorBadReturn
	default:
		return view.ErrorBadRequest
	}
}
