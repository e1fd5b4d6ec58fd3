package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/authorize/object"
	"hopnhat/web/view"
)

// TestErrorPagesSayWhatIsWrong: each refusal of the provider has the page that is
// about it, and one of a sign-out lets the person sign out all the same.
func TestErrorPagesSayWhatIsWrong(t *testing.T) {
	refuse := func(code authz.Code, at string, cause error) error {
		return authz.NewError(code, "it is so").At(at).Because(cause)
	}
	for _, row := range []struct {
		name, path string
		err        error
		want       view.ErrorKind
		signOut    bool
	}{
		{"no such app", "/authorize", refuse(authz.InvalidRequest, "client_id", nil), view.ErrorUnknownApp, false},
		{"a return address that is not registered", "/authorize", refuse(authz.InvalidRequest, "redirect_uri", nil), view.ErrorBadReturn, false},
		{"a request_uri that was used", "/authorize", refuse(authz.InvalidRequestURI, "request_uri", nil), view.ErrorExpired, false},
		{"a request_uri of somebody else", "/authorize", refuse(authz.InvalidRequestURI, "request_uri", object.ErrForeign), view.ErrorRequestURI, false},
		{"a state that is too long", "/authorize", refuse(authz.InvalidRequest, "state", nil), view.ErrorBadRequest, false},
		{"a hint of somebody else", "/logout", refuse(authz.InvalidRequest, "id_token_hint", nil), view.ErrorSignOut, true},
		{"a return address after a sign-out", "/logout", refuse(authz.InvalidRequest, "post_logout_redirect_uri", nil), view.ErrorBadReturn, true},
		{"a sign-out of no such app", "/logout", refuse(authz.InvalidRequest, "client_id", nil), view.ErrorUnknownApp, true},
		{"a sign-out that took too long", "/logout/continue", refuse(authz.InvalidRequest, "logout", authorize.ErrGone), view.ErrorExpired, true},
		{"a part that is down, at a sign-out", "/logout", authz.ErrUnavailable, view.ErrorUnavailable, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := routed()
			s.app = fiber.New(fiber.Config{ErrorHandler: s.renderError})
			s.app.Get(row.path, func(*fiber.Ctx) error { return row.err })
			response, err := s.app.Test(httptest.NewRequest(http.MethodGet, row.path, nil), -1)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || !strings.Contains(string(raw), "-"+string(row.want)+"<") {
				t.Errorf("%v: the page is not %s: %s", err, row.want, raw)
			}
			if got := strings.Contains(string(raw), `href="/logout"`); got != row.signOut {
				t.Errorf("a sign-out is offered: %v, want %v", got, row.signOut)
			}
		})
	}
}
