package protocol

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"hopnhat/authz"
)

// TestRefusalsWrite: docs/decisions.md F5, what goes with an error beside its body.
func TestRefusalsWrite(t *testing.T) {
	for _, row := range []struct {
		name          string
		authorization string
		refusal       *authz.Error
		status        int
		header, want  string
	}{
		{"RFC 6749 §5.2: who tried Basic is told the scheme", "Basic YTpi", authz.NewError(authz.InvalidClient, "x"), 401, "WWW-Authenticate", `Basic realm="hopnhat"`},
		{"RFC 6749 §5.2: who did not is not", "", authz.NewError(authz.InvalidClient, "x"), 401, "WWW-Authenticate", ""},
		{"RFC 6749 §5.2: an error that is not of the client", "Basic YTpi", authz.NewError(authz.InvalidGrant, "x"), 400, "WWW-Authenticate", ""},
		{"RFC 6749 §5.1: not to be kept", "", authz.NewError(authz.InvalidRequest, "x"), 400, "Cache-Control", "no-store"},
		{"RFC 9449 §8: a nonce", "", authz.NewError(authz.UseDPoPNonce, "x"), 400, "DPoP-Nonce", "n"},
		{"when to try again", "", &authz.Error{Code: authz.TemporarilyUnavailable, RetryAfter: 3 * time.Second}, 503, "Retry-After", "3"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := Refusals{Nonce: func() string { return "n" }}
			r := httptest.NewRequest(http.MethodPost, TokenPath, nil)
			if row.authorization != "" {
				r.Header.Set("Authorization", row.authorization)
			}
			out := httptest.NewRecorder()
			f.Write(out, r, row.refusal)
			if got := out.Header().Get(row.header); out.Code != row.status || got != row.want {
				t.Errorf("got %d with %s %q, want %d with %q", out.Code, row.header, got, row.status, row.want)
			}
			if f.All()[row.refusal.Code] != 1 {
				t.Errorf("counted %v", f.All())
			}
		})
	}
}
