package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/web/view"
)

// TestProgramsGetNoPage: a document that cannot be served is an error in JSON, with
// the status and when to ask again.
func TestProgramsGetNoPage(t *testing.T) {
	s := &Server{}
	s.app = fiber.New(fiber.Config{ErrorHandler: s.renderError})
	for _, row := range []struct {
		path, code, retry string
		status            int
		err               error
	}{
		{"/jwks", "temporarily_unavailable", "10", 503, fmt.Errorf("listing the keys: %w", authz.ErrUnavailable)},
		{"/log/checkpoint", "not_found", "", 404, fault(view.ErrorNotFound)},
		{"/log/key", "server_error", "", 500, errors.New("the disk is gone")},
	} {
		s.app.Get(row.path, forPrograms(func(*fiber.Ctx) error { return row.err }))
		answer, err := s.app.Test(httptest.NewRequest(http.MethodGet, row.path, nil), -1)
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Error string `json:"error"`
			Told  string `json:"error_description"`
		}
		if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
			t.Errorf("%s: no JSON: %v", row.path, err)
		}
		h := answer.Header
		if answer.StatusCode != row.status || body.Error != row.code || body.Told == "" || h.Get("Content-Type") != "application/json" || h.Get("Retry-After") != row.retry || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %+v", row.path, answer.StatusCode, h, body)
		}
	}
}
