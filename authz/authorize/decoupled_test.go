package authorize_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

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
