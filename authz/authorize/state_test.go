package authorize_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
)

// TestState: RFC 6749 §4.1.1, §4.1.2.1: an app gets back the state that it sent, with
// each answer and each refusal; one that is too long is refused on a page of ours,
// since an answer without it would be none to the app.
func TestState(t *testing.T) {
	w := authztest.New(t)
	for _, row := range []struct {
		name, method string
		length       int
		taken        bool
	}{
		{"4 KiB in an address", http.MethodGet, 4 << 10, true},
		{"more in an address", http.MethodGet, 4<<10 + 1, false},
		{"8 KiB by POST", http.MethodPost, 8 << 10, true},
		{"more by POST", http.MethodPost, 8<<10 + 1, false},
	} {
		for _, change := range []struct{ name, parameter, value, refused string }{
			{"granted", "scope", "openid", ""},
			{"scope", "scope", "", "invalid_scope"},
			{"prompt", "prompt", "shout", "invalid_request"},
			{"response_type", "response_type", "x", "unsupported_response_type"},
			{"response_mode", "response_mode", "x", "invalid_request"},
			{"code_challenge", "code_challenge", "x", "invalid_request"},
			{"nonce", "nonce", strings.Repeat("n", 257), "invalid_request"},
			{"max_age", "max_age", "-1", "invalid_request"},
			{"resource", "resource", "https://elsewhere.example", "invalid_target"},
			{"claims", "claims", "{", "invalid_request"},
			{"a request object", "request", "x", "invalid_request_object"},
			{"registration", "registration", "{}", "registration_not_supported"},
		} {
			t.Run(row.name+", "+change.name, func(t *testing.T) {
				state := strings.Repeat("s", row.length)
				f := authztest.Authorization("state", state, change.parameter, change.value)
				r := httptest.NewRequest(http.MethodGet, "/authorize?"+f.Encode(), nil)
				if row.method == http.MethodPost {
					r = httptest.NewRequest(row.method, "/authorize", strings.NewReader(f.Encode()))
				}
				next, err := w.Authorize(r)
				if !row.taken {
					var refusal *authz.Error
					if !errors.As(err, &refusal) || refusal.Redirectable || refusal.Parameter != "state" {
						t.Fatalf("got %v to %.60q, want a page about state", err, next.Location)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				u, err := url.Parse(next.Location)
				if err != nil {
					t.Fatal(err)
				}
				if got := u.Query(); u.Host != "app.example" || got.Get("state") != state || got.Get("error") != change.refused {
					t.Fatalf("answered %q at %s with a state of %d bytes, want %q", got.Get("error"), u.Host, len(got.Get("state")), change.refused)
				}
			})
		}
	}
}

// TestStateInARequestObject: RFC 9101 §6.3: the state inside counts, and one that is
// too long is refused on a page there too.
func TestStateInARequestObject(t *testing.T) {
	w := authztest.New(t)
	changed := *w.App
	changed.Profile = authz.OIDC
	w.App = &changed
	for length, taken := range map[int]bool{8 << 10: true, 8<<10 + 1: false} {
		inside := map[string]string{}
		for name, values := range authztest.Authorization("state", strings.Repeat("s", length)) {
			inside[name] = values[0]
		}
		raw, err := json.Marshal(inside)
		if err != nil {
			t.Fatal(err)
		}
		object := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(raw) + "."
		next, err := w.Authorize(httptest.NewRequest(
			http.MethodPost, "/authorize", strings.NewReader(authztest.Authorization("state", "outside", "request", object).Encode()),
		))
		var refusal *authz.Error
		if !taken {
			if !errors.As(err, &refusal) || refusal.Redirectable || refusal.Parameter != "state" {
				t.Errorf("%d bytes: got %v to %.80q, want a page about state", length, err, next.Location)
			}
			continue
		}
		if err != nil || !strings.Contains(next.Location, "code=") || !strings.Contains(next.Location, strings.Repeat("s", length)) {
			t.Errorf("%d bytes: got %v, %.80q", length, err, next.Location)
		}
	}
}
