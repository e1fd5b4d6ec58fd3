package redeem_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
)

// TestDecoupledTokens: in whatever order the device polls, the person answers and
// time passes, there are tokens once at most, only for what she approved in time
// with the right symbol, and every other answer is of RFC 8628 §3.5.
func TestDecoupledTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx, a := context.Background(), authztest.NewApart(t)
		var code, symbol, grantType, name string
		var handle grant.Handle
		if rapid.Bool().Draw(t, "device") {
			body := authztest.BodyOf(a.Post(a.Device, url.Values{"scope": {"openid"}}))
			user, _ := body["user_code"].(string)
			code, _ = body["device_code"].(string)
			next, err := a.UserCode(ctx, strings.ToLower(user))
			if err != nil {
				t.Fatal(err)
			}
			u, _ := url.Parse(next.Location)
			handle, symbol, grantType, name = grant.Handle(u.Query().Get("a")), user[5:], authz.GrantDevice, "device_code"
		} else {
			body := authztest.BodyOf(a.Post(a.Backchannel, url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}))
			code, _ = body["auth_req_id"].(string)
			symbol, _ = body["binding_number"].(string)
			list, err := a.Approvals(ctx, "p")
			if err != nil || len(list) != 1 {
				t.Fatalf("%v, %v", list, err)
			}
			handle, grantType, name = list[0].ID, authz.GrantCIBA, "auth_req_id"
		}
		began, approved, over, tokens := a.Now, false, false, 0
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			live := a.Now.Before(began.Add(10 * time.Minute))
			switch rapid.SampledFrom([]string{"poll", "confirm", "wrong", "resume", "deny", "sign out", "wait"}).Draw(t, "step") {
			case "poll":
				out := a.Post(a.Token, url.Values{"grant_type": {grantType}, name: {code}})
				body := authztest.BodyOf(out)
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
				next, err := a.Confirm(authztest.Get("/approve"), handle, symbol, authztest.Unchanged)
				if err == nil && strings.HasSuffix(next.Location, "result=approved") {
					// Who approves twice reads so twice.
					if !a.SignedIn || !approved && (!live || over) {
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
					next, err := a.Confirm(authztest.Get("/approve"), handle, choice, authztest.Unchanged)
					if err == nil && strings.HasSuffix(next.Location, "result=approved") {
						t.Fatal("approved with a wrong symbol")
					}
					over = over || err == nil && strings.HasSuffix(next.Location, "result=wrong_symbol")
					break
				}
			case "resume":
				next, err := a.Resume(authztest.Get("/authorize/resume"), handle)
				if err == nil && strings.Contains(next.Location, "result=") {
					t.Fatalf("answered without a word of hers: %s", next.Location)
				}
			case "deny":
				next, err := a.Disown(authztest.Get("/approve"), handle, decoupled.NotMe)
				over = over || err == nil && strings.HasSuffix(next.Location, "result=not_me")
			case "sign out":
				a.SignedIn = !a.SignedIn
			case "wait":
				a.Now = a.Now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "seconds")) * time.Second)
			}
		}
	})
}

// TestDecoupledCodeIsNoOther: what a device holds is redeemed by its own grant alone,
// where pace, state and channel are asked, also by an app that goes without PKCE.
func TestDecoupledCodeIsNoOther(t *testing.T) {
	a := authztest.NewApart(t)
	a.App.CodeWithoutPKCE = true
	body := authztest.BodyOf(a.Post(a.Backchannel, url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}))
	code, _ := body["auth_req_id"].(string)
	symbol, _ := body["binding_number"].(string)
	list, err := a.Approvals(t.Context(), "p")
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	if _, err := a.Confirm(authztest.Get("/approve"), list[0].ID, symbol, authztest.Unchanged); err != nil {
		t.Fatal(err)
	}
	out := a.Post(a.Token, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example/cb"}})
	if got := authztest.BodyOf(out)["error"]; got != "invalid_grant" {
		t.Errorf("RFC 6749 §4.1.3: as an authorization code it is answered %d %s", out.Code, out.Body)
	}
	if out = a.Post(a.Token, url.Values{"grant_type": {authz.GrantCIBA}, "auth_req_id": {code}}); out.Code != http.StatusOK {
		t.Errorf("CIBA Core §10.1: %d %s", out.Code, out.Body)
	}
}
