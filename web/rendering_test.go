package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// rendered is the answer for an error of a page at a path.
func rendered(t *testing.T, path string, wrap func(fiber.Handler) fiber.Handler, err error) (*http.Response, string) {
	t.Helper()
	s := routed()
	s.app = fiber.New(fiber.Config{ErrorHandler: s.renderError})
	s.app.Use(identify)
	s.app.Get(path, wrap(func(*fiber.Ctx) error { return err }))
	answer, failed := s.app.Test(httptest.NewRequest(http.MethodGet, path, nil), -1)
	if failed != nil {
		t.Fatal(failed)
	}
	raw, failed := io.ReadAll(answer.Body)
	answer.Body.Close()
	if failed != nil {
		t.Fatal(failed)
	}
	return answer, string(raw)
}

func forPeople(h fiber.Handler) fiber.Handler { return h }

// TestEveryFaultIsRendered: each kind of error has its page and its status, of which the
// code on the page is made; an unknown one is ours.
func TestEveryFaultIsRendered(t *testing.T) {
	statuses := map[view.ErrorKind]int{
		view.ErrorBadRequest: 400, view.ErrorUnknownApp: 400, view.ErrorBadReturn: 400, view.ErrorRequestURI: 400, view.ErrorSignOut: 400,
		view.ErrorAppDisabled: 400, view.ErrorExpired: 400, view.ErrorFinished: 410, view.ErrorForm: 403, view.ErrorLocked: 403, view.ErrorForbidden: 403,
		view.ErrorNotFound: 404, view.ErrorMethod: 405, view.ErrorTooLarge: 413, view.ErrorTooMany: 429, view.ErrorUnavailable: 503, view.ErrorInternal: 500,
		view.ErrorNotAvailable: 503, view.ErrorNotGenuine: 409, view.ErrorMisdirected: 421,
	}
	for _, kind := range view.ErrorKinds() {
		t.Run(string(kind), func(t *testing.T) {
			want, ok := statuses[kind]
			if !ok {
				t.Fatal("a kind that no row says the status of")
			}
			answer, body := rendered(t, "/portal", forPeople, fmt.Errorf("in a page: %w", page.Fault(kind)))
			if answer.StatusCode != want || !strings.Contains(body, fmt.Sprintf("HN-%d-%s<", want, kind)) {
				t.Errorf("%d, want %d", answer.StatusCode, want)
			}
			if !strings.Contains(body, answer.Header.Get(fiber.HeaderXRequestID)) {
				t.Error("the page does not name the request")
			}
			if answer.Header.Get(fiber.HeaderCacheControl) != "no-store" ||
				answer.Header.Get(fiber.HeaderContentSecurityPolicy) != page.Policy {
				t.Errorf("headers: %v", answer.Header)
			}
		})
	}
}

// TestErrorsOfOurs keep their words to themselves, and say when to come again where that
// helps.
func TestErrorsOfOurs(t *testing.T) {
	const secret = "dial tcp 10.1.2.3:5432: 099304000017"
	for _, row := range []struct {
		name   string
		err    error
		status int
		retry  string
	}{
		{"a fault", errors.New(secret), 500, ""},
		{"what is down", fmt.Errorf("%s: %w", secret, authz.ErrUnavailable), 503, "10"},
		{"what took too long", fmt.Errorf("%s: %w", secret, context.DeadlineExceeded), 503, "10"},
		{"what is not there", fmt.Errorf("%s: %w", secret, authz.ErrNotFound), 404, ""},
		{"what another was faster with", fmt.Errorf("%s: %w", secret, authz.ErrConflict), 400, ""},
		{"a server_error", authz.NewError(authz.ServerError, "%s", secret), 500, ""},
		{"a refusal that says when to come again", func() error {
			e := authz.NewError(authz.InvalidRequest, "too often")
			e.RetryAfter = 7 * time.Second
			return e
		}(), 400, "7"},
		{"no such method", fiber.ErrMethodNotAllowed, 405, ""},
		{"a body that is too long", fiber.ErrRequestEntityTooLarge, 413, ""},
		{"a media type that no page reads", fiber.ErrUnsupportedMediaType, 415, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			answer, body := rendered(t, "/portal", forPeople, row.err)
			if answer.StatusCode != row.status || answer.Header.Get(fiber.HeaderRetryAfter) != row.retry {
				t.Errorf("%d, Retry-After %q", answer.StatusCode, answer.Header.Get(fiber.HeaderRetryAfter))
			}
			if strings.Contains(body, "10.1.2.3") || strings.Contains(body, "099304000017") {
				t.Error("the page has our words")
			}
		})
	}
	if answer, body := rendered(
		t, "/portal", forPeople, fmt.Errorf("on the way: %w", page.Redirect("/signin?next=/portal")),
	); answer.StatusCode != 303 ||
		answer.Header.Get(fiber.HeaderLocation) != "/signin?next=/portal" || body != "" && strings.Contains(body, "<html") {
		t.Errorf("a redirect: %d to %q", answer.StatusCode, answer.Header.Get(fiber.HeaderLocation))
	}
}

// TestErrorsForPrograms: a document that programs fetch answers as the endpoints of the
// protocol do (RFC 6749 §5.2), and never with a page.
func TestErrorsForPrograms(t *testing.T) {
	for _, row := range []struct {
		err    error
		status int
		code   string
	}{
		{errors.New("10.1.2.3"), 500, "server_error"},
		{authz.ErrUnavailable, 503, "temporarily_unavailable"},
		{authz.ErrNotFound, 404, "not_found"},
	} {
		answer, body := rendered(t, "/jwks", forPrograms, row.err)
		var got struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || answer.StatusCode != row.status || got.Error != row.code ||
			got.Description == "" || strings.Contains(body, "10.1.2.3") {
			t.Errorf("%v: %d %q, %v", row.err, answer.StatusCode, body, err)
		}
		if answer.Header.Get(fiber.HeaderCacheControl) != "no-store" {
			t.Errorf("%v may be kept", row.err)
		}
	}
}
