package authorize_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/authztest"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
)

// TestTheSameApprovalTwice: whoever answers for another device twice reads twice how it
// ended, for a moment; another person does not.
func TestTheSameApprovalTwice(t *testing.T) {
	for _, row := range []struct {
		name, result string
		answer       func(a *authztest.Apart, handle grant.Handle, right, wrong string) (response.Next, error)
	}{
		{"approving", "approved", func(a *authztest.Apart, handle grant.Handle, right, _ string) (response.Next, error) {
			return a.Confirm(authztest.Get("/approve"), handle, right, authztest.Unchanged)
		}},
		{"a wrong symbol", "wrong_symbol", func(a *authztest.Apart, handle grant.Handle, _, wrong string) (response.Next, error) {
			return a.Confirm(authztest.Get("/approve"), handle, wrong, authztest.Unchanged)
		}},
		{"it was not she", "not_me", func(a *authztest.Apart, handle grant.Handle, _, _ string) (response.Next, error) {
			return a.Disown(authztest.Get("/approve"), handle, decoupled.NotMe)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := authztest.NewApart(t)
			body := authztest.BodyOf(a.Post(a.Backchannel, url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}))
			right, _ := body["binding_number"].(string)
			list, err := a.Approvals(t.Context(), "p")
			if err != nil || len(list) != 1 {
				t.Fatalf("%v, %v", list, err)
			}
			handle := list[0].ID
			shown, err := a.Approval(t.Context(), handle, "p")
			if err != nil {
				t.Fatal(err)
			}
			wrong := shown.Choices[0]
			if wrong == right {
				wrong = shown.Choices[1]
			}
			for range 2 {
				if next, err := row.answer(a, handle, right, wrong); err != nil || !strings.HasSuffix(next.Location, "result="+row.result) {
					t.Fatalf("got %v, %v", next, err)
				}
			}
			if staged := len(a.Staged); staged > 1 {
				t.Errorf("%d events", staged)
			}
			person := a.Person
			a.Person = "another"
			if next, err := row.answer(a, handle, right, wrong); !errors.As(err, new(authorize.Finished)) {
				t.Errorf("another person: %v, %v", next, err)
			}
			a.Person, a.Now = person, a.Now.Add(time.Minute)
			if next, err := row.answer(a, handle, right, wrong); !errors.As(err, new(authorize.Finished)) {
				t.Errorf("a minute later: %v, %v", next, err)
			}
		})
	}
}

// TestDecoupledOutage: when the database does not answer, neither does the
// provider say that a code is wrong or expired.
func TestDecoupledOutage(t *testing.T) {
	a := authztest.NewApart(t)
	a.Memory.Down = true
	for name, h := range map[string]http.HandlerFunc{"device": a.Device, "backchannel": a.Backchannel} {
		if out := a.Post(h, url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}); out.Code != http.StatusServiceUnavailable {
			t.Errorf("%s answers %d: %s", name, out.Code, out.Body)
		}
	}
}

// TestASignedRequestThatComesAgain: CIBA Core §7.1.1, a signed request is accepted once; and what
// the app authenticated with is spent by the refusal (RFC 7523 §3).
func TestASignedRequestThatComesAgain(t *testing.T) {
	a := authztest.NewApart(t)
	k := authztest.NewKey(t)
	a.App.Method, a.App.SecretHash, a.App.JWKS = authz.PrivateKeyJWT, nil, []byte(`{"keys":[`+authztest.PublicJWK(t, k)+`]}`)
	a.App.BackchannelRequestAlg = "ES256"
	claims := func(more map[string]any) map[string]any {
		all := map[string]any{
			"iss": "app", "aud": "https://id.example", "jti": authz.NewSecret(), "iat": a.Now.Unix(), "nbf": a.Now.Unix(),
			"exp": a.Now.Add(time.Minute).Unix(),
		}
		maps.Copy(all, more)
		return all
	}
	request := func() string {
		return authztest.Handmade(t, k, `{"alg":"ES256"}`, claims(map[string]any{"scope": "openid", "login_hint": "099000000001"}))
	}
	send := func(request, assertion string) string {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/bc-authorize", strings.NewReader(url.Values{
			"request": {request}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		out := httptest.NewRecorder()
		a.Backchannel(out, r)
		code, _ := authztest.BodyOf(out)["error"].(string)
		return code
	}
	asserted := func() string {
		return authztest.Handmade(t, k, `{"alg":"ES256"}`, claims(map[string]any{"sub": "app"}))
	}
	once, late := request(), asserted()
	if got := send(once, asserted()); got != "" {
		t.Fatalf("the first time: %s", got)
	}
	if got := send(once, late); got != "invalid_request" {
		t.Errorf("the second time: %q", got)
	}
	if got := send(request(), late); got != "invalid_client" {
		t.Errorf("another request by the assertion of the one refused: %q", got)
	}
}
