package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/decoupled/decoupledtest"
	"hopnhat/authz/grant"
	"hopnhat/authz/provider"
	"hopnhat/keys/seal"
)

// apart is a world with a second device: what the store promises, over the grants
// of the world.
type apart struct {
	*world
	*decoupledtest.Store
}

func (a *apart) Polled(ctx context.Context, id authz.AuthorizationID, hash []byte) (decoupled.Request, *grant.Grant, error) {
	r, err := a.Decoupled(ctx, id)
	if err != nil {
		return r, nil, err
	}
	g, err := a.memory.GrantByCode(ctx, hash)
	if err != nil {
		return r, nil, nil
	}
	return r, &g, nil
}

func (a *apart) SubjectOfNumber(_ context.Context, number authz.PersonalNumber) (authz.Subject, error) {
	if number != "099000000001" {
		return "", authz.ErrNotFound
	}
	return "p", nil
}

func (a *apart) SubjectOfPairwise(context.Context, string, authz.Pairwise) (authz.Subject, error) {
	return "", authz.ErrNotFound
}

func (a *apart) KnowPairwise(context.Context, string, authz.Pairwise, authz.Subject) error {
	return nil
}

func newApart(t interface{ Fatal(...any) }) *apart {
	w := emptyWorld()
	w.app.GrantTypes = append(w.app.GrantTypes, authz.GrantDevice, authz.GrantCIBA)
	w.app.BackchannelDelivery = authz.Poll
	a := &apart{w, decoupledtest.New()}
	clock := func() time.Time { return w.now }
	var err error
	w.Provider, err = provider.New(context.Background(), provider.Options{
		Issuer: "https://id.example", SignInPath: "/signin", ConsentPath: "/consent", ApprovePath: "/approve", DevicePath: "/device",
		WaitingPath: "/portal/requests",
		Ring:        ring(), Grants: w.memory, Sessions: w, Consents: w, Pseudonyms: w, Decoupled: a,
		Approvals: &decoupled.Engine{
			Store: a.Store, Keys: decoupled.NewKeys(seal.New(seal.Approvals, []byte("a key of thirty-two bytes, really"))),
			Pace:     decoupled.NewPace(),
			Evidence: a.Store.Scribe(), Now: clock,
		},
		Directory: clientauth.NewDirectory(w, 0, clock), Proofs: clientauth.NewProofs(seal.New(seal.Nonces, []byte("nonces")), clock),
		Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// said is an answer of an endpoint.
func said(out *httptest.ResponseRecorder) map[string]any {
	body := map[string]any{}
	_ = json.Unmarshal(out.Body.Bytes(), &body)
	return body
}

func get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

// TestDecoupledTokens: in whatever order the device polls, the person answers and
// time passes, there are tokens once at most, only for what she approved in time
// with the right symbol, and every other answer is of RFC 8628 §3.5.
func unchanged(context.Context) error { return nil }

func TestDecoupledTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx, a := context.Background(), newApart(t)
		var code, symbol, grantType, name string
		var handle grant.Handle
		if rapid.Bool().Draw(t, "device") {
			body := said(a.post(a.Device, url.Values{"scope": {"openid"}}))
			user, _ := body["user_code"].(string)
			code, _ = body["device_code"].(string)
			next, err := a.UserCode(ctx, strings.ToLower(user))
			if err != nil {
				t.Fatal(err)
			}
			u, _ := url.Parse(next.Location)
			handle, symbol, grantType, name = grant.Handle(u.Query().Get("a")), user[5:], authz.GrantDevice, "device_code"
		} else {
			body := said(a.post(a.Backchannel, url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}))
			code, _ = body["auth_req_id"].(string)
			symbol, _ = body["binding_number"].(string)
			list, err := a.Approvals(ctx, "p")
			if err != nil || len(list) != 1 {
				t.Fatalf("%v, %v", list, err)
			}
			handle, grantType, name = list[0].ID, authz.GrantCIBA, "auth_req_id"
		}
		began, approved, over, tokens := a.now, false, false, 0
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			live := a.now.Before(began.Add(10 * time.Minute))
			switch rapid.SampledFrom([]string{"poll", "confirm", "wrong", "resume", "deny", "sign out", "wait"}).Draw(t, "step") {
			case "poll":
				out := a.post(a.Token, url.Values{"grant_type": {grantType}, name: {code}})
				body := said(out)
				if out.Code == http.StatusOK {
					if tokens++; !approved || tokens > 1 || body["access_token"] == nil || body["refresh_token"] == nil ||
						body["id_token"] == nil {
						t.Fatalf("tokens %d, approved %t: %s", tokens, approved, out.Body)
					}
					break
				}
				switch body["error"] {
				case "authorization_pending", "slow_down":
					if approved || over || !live {
						t.Fatalf("%s, approved %t, over %t, live %t", body["error"], approved, over, live)
					}
				case "access_denied":
					if approved || !over {
						t.Fatalf("denied, approved %t, over %t", approved, over)
					}
				case "expired_token":
					if live && !over {
						t.Fatal("expired before its time")
					}
				case "invalid_grant":
					if tokens == 0 {
						t.Fatal("used before it was")
					}
				default:
					t.Fatalf("%d %s", out.Code, out.Body)
				}
			case "confirm":
				next, err := a.Confirm(get("/approve"), handle, symbol, unchanged)
				if err == nil && strings.HasSuffix(next.Location, "result=approved") {
					// Who approves twice reads so twice.
					if !a.signedIn || !approved && (!live || over) {
						t.Fatal("approved by nobody, too late, or after it was over")
					}
					approved, over = true, true
				}
			case "wrong":
				p, err := a.Approval(ctx, handle, "p")
				if err != nil {
					break
				}
				for _, choice := range p.Choices {
					if choice == symbol {
						continue
					}
					next, err := a.Confirm(get("/approve"), handle, choice, unchanged)
					if err == nil && strings.HasSuffix(next.Location, "result=approved") {
						t.Fatal("approved with a wrong symbol")
					}
					over = over || err == nil && strings.HasSuffix(next.Location, "result=wrong_symbol")
					break
				}
			case "resume":
				next, err := a.Resume(get("/authorize/resume"), handle)
				if err == nil && strings.Contains(next.Location, "result=") {
					t.Fatalf("answered without a word of hers: %s", next.Location)
				}
			case "deny":
				next, err := a.Disown(get("/approve"), handle, decoupled.NotMe)
				over = over || err == nil && strings.HasSuffix(next.Location, "result=not_me")
			case "sign out":
				a.signedIn = !a.signedIn
			case "wait":
				a.now = a.now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "seconds")) * time.Second)
			}
		}
	})
}

// TestTheSameApprovalTwice: whoever answers for another device twice reads twice how it
// ended, for a moment; another person does not.
func TestTheSameApprovalTwice(t *testing.T) {
	for _, row := range []struct {
		name, result string
		answer       func(a *apart, handle grant.Handle, right, wrong string) (response.Next, error)
	}{
		{"approving", "approved", func(a *apart, handle grant.Handle, right, _ string) (response.Next, error) {
			return a.Confirm(get("/approve"), handle, right, unchanged)
		}},
		{"a wrong symbol", "wrong_symbol", func(a *apart, handle grant.Handle, _, wrong string) (response.Next, error) {
			return a.Confirm(get("/approve"), handle, wrong, unchanged)
		}},
		{"it was not she", "not_me", func(a *apart, handle grant.Handle, _, _ string) (response.Next, error) {
			return a.Disown(get("/approve"), handle, decoupled.NotMe)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := newApart(t)
			body := said(a.post(a.Backchannel, url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}))
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
			if staged := len(a.staged); staged > 1 {
				t.Errorf("%d events", staged)
			}
			person := a.person
			a.person = "another"
			if next, err := row.answer(a, handle, right, wrong); !errors.As(err, new(authorize.Finished)) {
				t.Errorf("another person: %v, %v", next, err)
			}
			a.person, a.now = person, a.now.Add(time.Minute)
			if next, err := row.answer(a, handle, right, wrong); !errors.As(err, new(authorize.Finished)) {
				t.Errorf("a minute later: %v, %v", next, err)
			}
		})
	}
}

// TestDecoupledOutage: when the database does not answer, neither does the
// provider say that a code is wrong or expired.
func TestDecoupledOutage(t *testing.T) {
	a := newApart(t)
	a.memory.down = true
	for name, h := range map[string]http.HandlerFunc{"device": a.Device, "backchannel": a.Backchannel} {
		if out := a.post(h, url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}); out.Code != http.StatusServiceUnavailable {
			t.Errorf("%s answers %d: %s", name, out.Code, out.Body)
		}
	}
}

// TestDecoupledCodeIsNoOther: what a device holds is redeemed by its own grant alone,
// where pace, state and channel are asked, also by an app that goes without PKCE.
func TestDecoupledCodeIsNoOther(t *testing.T) {
	a := newApart(t)
	a.app.CodeWithoutPKCE = true
	body := said(a.post(a.Backchannel, url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}))
	code, _ := body["auth_req_id"].(string)
	symbol, _ := body["binding_number"].(string)
	list, err := a.Approvals(t.Context(), "p")
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	if _, err := a.Confirm(get("/approve"), list[0].ID, symbol, unchanged); err != nil {
		t.Fatal(err)
	}
	out := a.post(a.Token, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example/cb"}})
	if got := said(out)["error"]; got != "invalid_grant" {
		t.Errorf("RFC 6749 §4.1.3: as an authorization code it is answered %d %s", out.Code, out.Body)
	}
	if out = a.post(a.Token, url.Values{"grant_type": {authz.GrantCIBA}, "auth_req_id": {code}}); out.Code != http.StatusOK {
		t.Errorf("CIBA Core §10.1: %d %s", out.Code, out.Body)
	}
}
