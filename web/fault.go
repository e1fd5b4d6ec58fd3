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
	"hopnhat/authz/provider"
	"hopnhat/web/view"
)

// pageFault is an error with a page of its own.
type pageFault struct{ kind view.ErrorKind }

func (f pageFault) Error() string { return "page error: " + string(f.kind) }

func fault(kind view.ErrorKind) error { return pageFault{kind} }

// statuses of the kinds that have one of their own.
var statuses = map[view.ErrorKind]int{
	view.ErrorNotFound: 404, view.ErrorMethod: 405, view.ErrorTooLarge: 413, view.ErrorTooMany: 429, view.ErrorUnavailable: 503,
	view.ErrorInternal: 500, view.ErrorForbidden: 403, view.ErrorForm: 403, view.ErrorLocked: 403, view.ErrorFinished: 410, view.ErrorNotAvailable: 503,
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
	code, told := authz.ServerError, "this document cannot be served"
	switch kind {
	case view.ErrorUnavailable:
		code, told = authz.TemporarilyUnavailable, "this document cannot be served now; ask again"
	case view.ErrorNotFound:
		code, told = "not_found", "there is no such document yet"
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Status(status).JSON(authz.Refuse(code, "%s", told).Body())
}

// renderError is the one place where an error becomes an answer.
func (s *Server) renderError(c *fiber.Ctx, err error) error {
	var to redirection
	if errors.As(err, &to) {
		return c.Redirect(to.to, http.StatusSeeOther)
	}
	if timeout := (*fiber.Error)(nil); errors.As(err, &timeout) && timeout.Code == fiber.StatusRequestTimeout && c.Context().Conn() != nil {
		// A connection on which nothing was asked in time is closed without a word:
		// an answer now would be taken for that of the next request.
		return c.Context().Conn().Close()
	}
	if c.GetRespHeader(fiber.HeaderXRequestID) == "" {
		return s.refuseUnrouted(c, err)
	}
	page := view.Error{Reference: c.GetRespHeader(fiber.HeaderXRequestID), HomeURL: "/"}
	describe(&page, err)
	if on, _ := wireOf(c.Context().Conn()); on != nil && on.wrong != nil && page.Kind == view.ErrorBadRequest {
		page.Developer = &view.Developer{Error: "malformed request", Description: on.wrong.reason, Clause: on.wrong.clause}
	}
	status, ok := statuses[page.Kind]
	if !ok {
		status = http.StatusBadRequest
		if errors.Is(err, fiber.ErrUnsupportedMediaType) {
			status = http.StatusUnsupportedMediaType
		}
	}
	if page.Kind == view.ErrorInternal || page.Kind == view.ErrorUnavailable {
		slog.ErrorContext(authz.WithRequest(context.Background(), page.Reference), "request failed", "path", c.Path(), "error", err)
	}
	if page.RetrySeconds > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(page.RetrySeconds))
	}
	if c.Locals(readByPrograms) != nil {
		return sayToProgram(c, status, page.Kind)
	}
	if strings.HasPrefix(c.Path(), provider.EndSessionPath) && page.Developer != nil {
		// An app asked for a sign-out that cannot be. The person can have hers all the same.
		if page.SignOutURL = provider.EndSessionPath; page.Kind == view.ErrorBadRequest {
			page.Kind = view.ErrorSignOut
		}
	}
	page.Code = "HN-" + strconv.Itoa(status) + "-" + string(page.Kind)
	c.Status(status)
	return s.show(func(v *visit) error { return v.show(page) })(c)
}

// refuseUnrouted answers what no middleware has seen, since it could not be read: with
// an id, the headers of every answer, and counted as any.
func (s *Server) refuseUnrouted(c *fiber.Ctx, err error) error {
	c.Set(fiber.HeaderXRequestID, authz.NewID())
	s.hardened(c)
	if err := s.renderError(c, err); err != nil {
		return err
	}
	s.answered.Add(Answered{Route: "none", Class: strconv.Itoa(c.Response().StatusCode()/100) + "xx"})
	return nil
}

// describe sorts an error into the words of the catalogue.
func describe(page *view.Error, err error) {
	var own pageFault
	var refusal *authz.Error
	var fromFiber *fiber.Error
	switch {
	case errors.As(err, &own):
		page.Kind = own.kind
	case errors.As(err, &refusal):
		page.Kind = kindOf(refusal)
		page.RetrySeconds = int(refusal.RetryAfter.Seconds())
		if finished := (provider.Finished{}); errors.As(err, &finished) && finished.Client != nil {
			a := app(finished.Client)
			page.App, page.AppURL = &a, finished.Client.HomeURI
		}
		if page.Kind != view.ErrorInternal && page.Kind != view.ErrorUnavailable {
			page.Developer = &view.Developer{Error: string(refusal.Code), Description: refusal.Description, Clause: refusal.Clause}
			if refusal.Parameter != "" {
				page.Developer.Fields = []view.Field{{Name: "parameter", Value: refusal.Parameter}}
			}
		}
	case errors.As(err, &fromFiber):
		switch fromFiber.Code {
		case fiber.StatusNotFound:
			page.Kind = view.ErrorNotFound
		case fiber.StatusMethodNotAllowed:
			page.Kind = view.ErrorMethod
		case fiber.StatusRequestEntityTooLarge, fiber.StatusRequestHeaderFieldsTooLarge:
			page.Kind = view.ErrorTooLarge
		default:
			page.Kind = view.ErrorBadRequest
		}
	case errors.Is(err, authz.ErrNotFound):
		page.Kind = view.ErrorNotFound
	case errors.Is(err, authz.ErrConflict):
		page.Kind = view.ErrorExpired
	case errors.Is(err, authz.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		page.Kind = view.ErrorUnavailable
	default:
		page.Kind = view.ErrorInternal
	}
	if page.Kind == view.ErrorUnavailable {
		page.RetrySeconds = 10
	}
}

func kindOf(e *authz.Error) view.ErrorKind {
	switch {
	case errors.Is(e.Cause, provider.ErrTooMany):
		return view.ErrorTooMany
	case e.Code == authz.TemporarilyUnavailable:
		return view.ErrorUnavailable
	case e.Code == authz.ServerError:
		return view.ErrorInternal
	case errors.As(e.Cause, new(provider.Finished)):
		return view.ErrorFinished
	case errors.Is(e.Cause, provider.ErrForeign):
		return view.ErrorRequestURI
	case e.Code == authz.InvalidRequestURI, errors.Is(e.Cause, provider.ErrGone):
		return view.ErrorExpired
	case e.Parameter == "client_id":
		return view.ErrorUnknownApp
	case e.Parameter == "redirect_uri" || e.Parameter == "post_logout_redirect_uri":
		return view.ErrorBadReturn
	default:
		return view.ErrorBadRequest
	}
}
