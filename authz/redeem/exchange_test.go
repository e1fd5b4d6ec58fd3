package redeem_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
)

func TestTokenExchange(t *testing.T) {
	w := authztest.WithBackend(t)
	mine, theirs, foreign := authztest.NewKey(t), authztest.NewKey(t), authztest.NewKey(t)
	given := w.ViaCode(t, mine, "resource", authztest.AtLand, "scope", "openid land.read land.write")
	w.Now = w.Now.Add(time.Minute)
	before := len(w.Memory.Grants)
	got := authztest.TokensOf(t, w.AskToken(t, "backend", theirs, authztest.ExchangeForm(given.Access)))
	claims := authztest.ClaimsOf(t, got.Access)
	was := authztest.ClaimsOf(t, given.Access)

	t.Run("RFC 8693 §2.2.1: the answer", func(t *testing.T) {
		if got.Issued != authz.TokenTypeAccess || got.Type != "DPoP" || got.Scope != "land.read" || got.Refresh != "" || got.ID != "" {
			t.Errorf("got %+v", got)
		}
		if head := headOf(t, got.Access); head["typ"] != "at+jwt" || head["alg"] != "EdDSA" {
			t.Errorf("header %v", head)
		}
	})
	t.Run("RFC 8693 §4.1: who acts for whom", func(t *testing.T) {
		act, _ := claims["act"].(map[string]any)
		if act["sub"] != "backend" || act["client_id"] != "backend" || claims["client_id"] != "backend" || claims["sub"] != "backend/p" {
			t.Errorf("claims %v", claims)
		}
		if claims["gid"] != was["gid"] || claims["auth_time"] != was["auth_time"] || claims["acr"] != was["acr"] {
			t.Errorf("claims %v, subject token %v", claims, was)
		}
		if aud, _ := json.Marshal(claims["aud"]); string(aud) != `["`+authztest.AtTax+`"]` {
			t.Errorf("aud %s", aud)
		}
	})
	t.Run("it lives no longer than the subject token", func(t *testing.T) {
		if claims["exp"] != was["exp"] || got.Expires != 240 {
			t.Errorf("exp %v, subject token %v, expires_in %d", claims["exp"], was["exp"], got.Expires)
		}
	})
	t.Run("it is on record, and the person sees it", func(t *testing.T) {
		e := w.Staged[len(w.Staged)-1]
		if len(w.Staged) != 1 || len(w.Logged) != 1 || e.Type != "grant.exchanged" || e.Asked.Client != "backend" ||
			e.Detail.Object != "app" ||
			e.Person.Pseudonym != "pseudonym-in-evidence-of-p" || e.Visibility.Sight != "immediate" || len(w.Memory.Grants) != before {
			t.Errorf("%d events, %+v", len(w.Staged), e.Detail)
		}
		if _, err := e.Canonical(); err != nil {
			t.Error(err)
		}
	})
	t.Run("again exchanged, the chain grows", func(t *testing.T) {
		again := authztest.TokensOf(t, w.AskToken(t, "third", foreign, authztest.ExchangeForm(got.Access)))
		raw, _ := json.Marshal(authztest.ClaimsOf(t, again.Access)["act"])
		if string(raw) != `{"act":{"client_id":"backend","sub":"backend"},"client_id":"third","sub":"third"}` {
			t.Errorf("act %s", raw)
		}
	})
	t.Run("an actor token names the service that acts", func(t *testing.T) {
		own := authztest.TokensOf(t, w.AskToken(t, "backend", theirs, url.Values{"grant_type": {"client_credentials"}}))
		f := authztest.ExchangeForm(given.Access, "actor_token", own.Access, "actor_token_type", authz.TokenTypeAccess)
		if act := authztest.ClaimsOf(t, authztest.TokensOf(t, w.AskToken(t, "backend", theirs,
			f)).Access)["act"].(map[string]any); act["sub"] != "backend" {
			t.Errorf("act %v", act)
		}
		if got := authztest.ErrorOf(t, w.AskToken(t, "backend", foreign, f)); got != "invalid_request" {
			t.Errorf("an actor token bound to another key: %s", got)
		}
		other := authztest.TokensOf(t, w.AskToken(t, "third", foreign, url.Values{"grant_type": {"client_credentials"}}))
		f.Set("actor_token", other.Access)
		if got := authztest.ErrorOf(t, w.AskToken(t, "backend", theirs, f)); got != "invalid_request" {
			t.Errorf("another app's token as actor: %s", got)
		}
		f.Set("actor_token", given.Access)
		if got := authztest.ErrorOf(t, w.AskToken(t, "backend", theirs, f)); got != "invalid_request" {
			t.Errorf("a person's token as actor: %s", got)
		}
	})
	t.Run("an ID token", func(t *testing.T) {
		got := authztest.TokensOf(t, w.AskToken(t, "backend", theirs, authztest.ExchangeForm(given.ID, "subject_token_type",
			authz.TokenTypeID)))
		answer := w.AtResource(t, w.UserInfo, theirs, http.MethodGet, "/userinfo", got.Access)
		if got.Scope != "openid" || answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), `"sub":"backend/p"`) {
			t.Errorf("%+v: %d %s", got, answer.Code, answer.Body)
		}
	})
	t.Run("refusals", func(t *testing.T) {
		opaque := authztest.TokensOf(t, w.AskToken(t, "backend", theirs, url.Values{"grant_type": {"client_credentials"}}))
		for _, row := range []struct {
			name   string
			change []string
			code   string
		}{
			{"RFC 8693 §2.1: no subject_token", []string{"subject_token", ""}, "invalid_request"},
			{"RFC 8693 §2.1: no subject_token_type", []string{"subject_token_type", ""}, "invalid_request"},
			{"RFC 8693 §3: SAML", []string{"subject_token_type", "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"},
			{"RFC 8693 §3: a refresh token is none", []string{"subject_token", given.Refresh, "subject_token_type", authz.TokenTypeRefresh}, "invalid_request"},
			{"RFC 8693 §3: an ID token called access token", []string{"subject_token", given.ID}, "invalid_request"},
			{"RFC 8693 §3: an access token called ID token", []string{"subject_token_type", authz.TokenTypeID}, "invalid_request"},
			{"RFC 8693 §2.2.2: not a token", []string{"subject_token", "x.y.z"}, "invalid_request"},
			{"a token of no person", []string{"subject_token", opaque.Access}, "invalid_request"},
			{"RFC 8693 §2.1: requested_token_type of another kind", []string{"requested_token_type", authz.TokenTypeRefresh}, "invalid_request"},
			{"RFC 8693 §2.1: actor_token without its type", []string{"actor_token", opaque.Access}, "invalid_request"},
			{"RFC 8693 §2.1: actor_token_type without a token", []string{"actor_token_type", authz.TokenTypeAccess}, "invalid_request"},
			{"RFC 8693 §2.1: actor_token of another type", []string{"actor_token", opaque.Access, "actor_token_type", authz.TokenTypeID}, "invalid_request"},
			{"RFC 8693 §2.2.2: a target that no rule names", []string{"audience", authztest.AtLand}, "invalid_target"},
			{"RFC 8693 §2.2.2: a target that nobody knows", []string{"resource", "https://nowhere.example"}, "invalid_target"},
			{"RFC 6749 §5.2: a scope beyond", []string{"scope", "land.write"}, "invalid_scope"},
		} {
			t.Run(row.name, func(t *testing.T) {
				a := w.AskToken(t, "backend", theirs, authztest.ExchangeForm(given.Access, row.change...))
				if got := authztest.ErrorOf(t, a); got != row.code || a.Code != http.StatusBadRequest {
					t.Errorf("got %d %s, want %s: %s", a.Code, got, row.code, a.Body)
				}
			})
		}
		if got := authztest.ErrorOf(t, w.AskToken(t, "backend", nil, authztest.ExchangeForm(given.Access))); got != "invalid_dpop_proof" {
			t.Errorf("not bound to a holder: %s", got)
		}
		if got := authztest.ErrorOf(t, w.AskToken(t, "third", theirs, authztest.ExchangeForm(given.Access))); got != "invalid_request" {
			t.Errorf("an app without a rule for it: %s", got)
		}
		w.Clients["backend"].TokenExchange = append(w.Clients["backend"].TokenExchange,
			authz.ExchangeRule{
				Clients: []authz.ClientID{"app"}, SubjectAudience: []string{authztest.AtUserInfo},
				Audience: []string{authztest.AtBroker, authztest.AtUserInfo}, Scope: []string{"openid"},
			},
			authz.ExchangeRule{
				Clients: []authz.ClientID{"app"}, SubjectTokenTypes: []string{authz.TokenTypeID},
				Audience: []string{authztest.AtBroker},
			})
		w.Now = w.Now.Add(6 * time.Second) // the directory looks anew
		narrow := w.ViaCode(t, mine, "resource", authztest.AtUserInfo)
		if got := authztest.ErrorOf(t, w.AskToken(t, "backend", theirs, authztest.ExchangeForm(narrow.Access, "audience",
			authztest.AtBroker))); got != "invalid_target" {
			t.Errorf("registers by a token that was not for the broker: %s", got)
		}
		if got := authztest.ErrorOf(
			t, w.AskToken(t, "backend", theirs, authztest.ExchangeForm(narrow.ID, "subject_token_type", authz.TokenTypeID,
				"audience", authztest.AtBroker)),
		); got != "invalid_target" {
			t.Errorf("registers by an ID token: %s", got)
		}
		front := *w.Clients["app"]
		front.ResponseTypes, front.GrantTypes = []string{"code", "code token"}, append(slices.Clone(front.GrantTypes), "implicit")
		w.Clients["app"] = &front
		w.Now = w.Now.Add(6 * time.Second)
		next, err := w.Authorize(
			httptest.NewRequest(http.MethodGet, "/authorize?"+authztest.Authorization("response_type", "code token", "nonce",
				"n1").Encode(), nil),
		)
		if err != nil {
			t.Fatal(err)
		}
		_, fragment, _ := strings.Cut(next.Location, "#")
		q, err := url.ParseQuery(fragment)
		if err != nil || q.Get("access_token") == "" {
			t.Fatalf("no token in %s", next.Location)
		}
		if got := authztest.ErrorOf(
			t, w.AskToken(t, "backend", theirs, authztest.ExchangeForm(q.Get("access_token"), "audience", authztest.AtUserInfo)),
		); got != "invalid_request" {
			t.Errorf("a token of the front channel: %s", got)
		}
		w.Clients["app"].MayAct = "third"
		w.Now = w.Now.Add(6 * time.Second) // the directory looks anew
		named := w.ViaCode(t, mine, "resource", authztest.AtLand, "scope", "openid land.read")
		if got := authztest.ErrorOf(t, w.AskToken(t, "backend", theirs, authztest.ExchangeForm(named.Access))); got != "invalid_request" {
			t.Errorf("RFC 8693 §4.4: may_act names another: %s", got)
		}
	})
}

func headOf(t *testing.T, token string) map[string]any {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	return authztest.ClaimsOf(t, "."+head+".")
}

// TestExchangedTokensEnd: an exchanged token ends with the grant; revoked by the
// app that acts, it ends alone.
func TestExchangedTokensEnd(t *testing.T) {
	w := authztest.WithBackend(t)
	w.Granted = []authz.Release{{Type: authz.ReleaseType, Registry: "civil", Purpose: "land.mortgage"}}
	mine, theirs := authztest.NewKey(t), authztest.NewKey(t)
	given := w.ViaCode(t, mine)
	exchange := func() authztest.Tokens {
		return authztest.TokensOf(t, w.AskToken(t, "backend", theirs, authztest.ExchangeForm(given.Access)))
	}
	active := func(token string) bool {
		t.Helper()
		var body struct{ Active bool }
		r := authztest.PostAs("backend", w.Introspect, url.Values{"token": {token}})
		if err := json.Unmarshal(r.Body.Bytes(), &body); err != nil {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		return body.Active
	}
	atTheBroker := func(token string) error {
		r := httptest.NewRequest(http.MethodPost, "/broker/v1/releases", nil)
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", w.DPoP(t, theirs, http.MethodPost, "/broker/v1/releases", token))
		a, err := w.BrokerAccess(r)
		if err == nil && !slices.Equal(a.Act.Clients(), []authz.ClientID{"backend"}) {
			t.Errorf("the actors are %v", a.Act.Clients())
		}
		return err
	}
	one, two := exchange(), exchange()
	if !active(one.Access) || !active(two.Access) || atTheBroker(one.Access) != nil {
		t.Fatal("fresh tokens are not good")
	}
	if r := authztest.PostAs("backend", w.Revoke, url.Values{"token": {one.Access}}); r.Code != http.StatusOK {
		t.Fatal(r.Body)
	}
	if active(one.Access) || atTheBroker(one.Access) == nil {
		t.Error("RFC 7009 §2.1: the revoked token is still good")
	}
	if !active(two.Access) || !authztest.Active(w, given.Access) {
		t.Error("the app that acts ended what is not its own")
	}
	if r := authztest.PostAs("app", w.Revoke, url.Values{"token": {given.Refresh}}); r.Code != http.StatusOK {
		t.Fatal(r.Body)
	}
	if active(two.Access) {
		t.Error("the grant ended, the exchanged token did not")
	}
	if got := authztest.ErrorOf(t, w.AskToken(t, "backend", theirs, authztest.ExchangeForm(given.Access))); got != "invalid_request" {
		t.Errorf("a token of an ended grant was exchanged: %s", got)
	}
}

// TestExchangeInDoubt: what is not on record does not leave, and what could not be
// looked for is not told as not there.
func TestExchangeInDoubt(t *testing.T) {
	w := authztest.WithBackend(t)
	mine, theirs := authztest.NewKey(t), authztest.NewKey(t)
	given := w.ViaCode(t, mine, "resource", authztest.AtLand, "scope", "openid land.read")
	w.LogDown = true
	if a := w.AskToken(t, "backend", theirs, authztest.ExchangeForm(given.Access)); a.Code != http.StatusServiceUnavailable ||
		strings.Contains(a.Body.String(), "access_token") {
		t.Errorf("the log is down: %d %s", a.Code, a.Body)
	}
	w.LogDown, w.Memory.Down = false, true
	if a := w.AskToken(t, "backend", theirs, authztest.ExchangeForm(given.Access)); a.Code != http.StatusServiceUnavailable {
		t.Errorf("the database is down: %d %s", a.Code, a.Body)
	}
	w.Memory.Down = false
	if a := w.AskToken(t, "backend", theirs, authztest.ExchangeForm(given.Access)); a.Code != http.StatusOK {
		t.Errorf("all is up again: %d %s", a.Code, a.Body)
	}
}

// A lock, sign-out or revocation that was acknowledged while an exchange was on its way:
// no event of it is written, and no token leaves.
func TestWhatEndsAGrantOnTheWayStopsTheExchange(t *testing.T) {
	w := authztest.WithBackend(t)
	mine, theirs := authztest.NewKey(t), authztest.NewKey(t)
	given := w.ViaCode(t, mine, "resource", authztest.AtLand, "scope", "openid land.read")
	w.BeforeHold = func() {
		for id, g := range w.Memory.Grants {
			g.Revoked = w.Now
			w.Memory.Grants[id] = g
		}
	}
	refused := w.AskToken(t, "backend", theirs, authztest.ExchangeForm(given.Access))
	if refused.Code != http.StatusBadRequest || authztest.ErrorOf(t, refused) != "invalid_request" ||
		strings.Contains(refused.Body.String(), "access_token") || len(w.Staged) != 0 {
		t.Fatalf("%d %s with %d events", refused.Code, refused.Body, len(w.Staged))
	}
}
