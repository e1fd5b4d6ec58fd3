package provider_test

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
)

const (
	atUserInfo = "https://id.example/userinfo"
	atBroker   = "https://id.example/broker/v1"
	atLand     = "https://land.example/api"
	atTax      = "https://tax.example/api"
)

// withBackend adds two agencies' APIs, an app that may have tokens for one of them
// and a back end that may exchange them.
func withBackend(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.resources = map[string]*authz.Resource{
		atLand: {ID: atLand, Scopes: []string{"land.read", "land.write"}},
		atTax:  {ID: atTax, Scopes: []string{"land.read", "tax.read"}, SigningAlg: "EdDSA"},
	}
	secret := func(id authz.ClientID) *authz.Client {
		return &authz.Client{
			ID: id, Name: authz.LocalizedText{VI: string(id)}, Profile: authz.OIDC,
			Authentication: authz.Authentication{Method: authz.ClientSecretBasic, SecretHash: authz.HashSecret("secret")},
			Tokens:         authz.Tokens{Sector: string(id)}, Requests: authz.Requests{
				RedirectURIs: []string{"https://app.example/cb"},
				Scopes:       []string{"openid", "land.read", "land.write"},
				GrantTypes:   []string{"authorization_code", "refresh_token", "client_credentials", authz.GrantTokenExchange, authz.GrantJWTBearer},
			},
		}
	}
	app, backend, third := secret("app"), secret("backend"), secret("third")
	app.Resources = []string{atLand, atTax}
	backend.Resources = []string{atTax}
	backend.TokenExchange = []authz.ExchangeRule{
		{Clients: []authz.ClientID{"app"}, SubjectAudience: []string{atLand}, Audience: []string{atTax}, Scope: []string{"land.read"}},
		{Clients: []authz.ClientID{"app"}, SubjectAudience: []string{atBroker}, Audience: []string{atBroker}},
		{Clients: []authz.ClientID{"app"}, SubjectTokenTypes: []string{authz.TokenTypeID}, Audience: []string{atUserInfo}, Scope: []string{"openid"}},
	}
	third.Resources = []string{atTax}
	third.TokenExchange = []authz.ExchangeRule{{Clients: []authz.ClientID{"backend"}, SubjectAudience: []string{atTax}, Audience: []string{atTax}, Scope: []string{"land.read"}}}
	w.clients = map[authz.ClientID]*authz.Client{"app": app, "backend": backend, "third": third}
	return w
}

func exchangeForm(token string, change ...string) url.Values {
	f := url.Values{"grant_type": {authz.GrantTokenExchange}, "subject_token": {token}, "subject_token_type": {authz.TokenTypeAccess}}
	for i := 0; i+1 < len(change); i += 2 {
		if f.Set(change[i], change[i+1]); change[i+1] == "" {
			f.Del(change[i])
		}
	}
	return f
}

func TestTokenExchange(t *testing.T) {
	w := withBackend(t)
	mine, theirs, foreign := newKey(t), newKey(t), newKey(t)
	given := w.viaCode(t, mine, "resource", atLand, "scope", "openid land.read land.write")
	w.now = w.now.Add(time.Minute)
	before := len(w.memory.grants)
	got := tokensOf(t, w.ask(t, "backend", theirs, exchangeForm(given.Access)))
	claims := claimsOf(t, got.Access)
	was := claimsOf(t, given.Access)

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
		if aud, _ := json.Marshal(claims["aud"]); string(aud) != `["`+atTax+`"]` {
			t.Errorf("aud %s", aud)
		}
	})
	t.Run("it lives no longer than the subject token", func(t *testing.T) {
		if claims["exp"] != was["exp"] || got.Expires != 240 {
			t.Errorf("exp %v, subject token %v, expires_in %d", claims["exp"], was["exp"], got.Expires)
		}
	})
	t.Run("it is on record, and the person sees it", func(t *testing.T) {
		e := w.staged[len(w.staged)-1]
		if len(w.staged) != 1 || len(w.logged) != 1 || e.Type != "grant.exchanged" || e.Asked.Client != "backend" ||
			e.Detail.Object != "app" ||
			e.Person.Pseudonym != "pseudonym-in-evidence-of-p" || e.Visibility.Sight != "immediate" || len(w.memory.grants) != before {
			t.Errorf("%d events, %+v", len(w.staged), e.Detail)
		}
		if _, err := e.Canonical(); err != nil {
			t.Error(err)
		}
	})
	t.Run("again exchanged, the chain grows", func(t *testing.T) {
		again := tokensOf(t, w.ask(t, "third", foreign, exchangeForm(got.Access)))
		raw, _ := json.Marshal(claimsOf(t, again.Access)["act"])
		if string(raw) != `{"act":{"client_id":"backend","sub":"backend"},"client_id":"third","sub":"third"}` {
			t.Errorf("act %s", raw)
		}
	})
	t.Run("an actor token names the service that acts", func(t *testing.T) {
		own := tokensOf(t, w.ask(t, "backend", theirs, url.Values{"grant_type": {"client_credentials"}}))
		f := exchangeForm(given.Access, "actor_token", own.Access, "actor_token_type", authz.TokenTypeAccess)
		if act := claimsOf(t, tokensOf(t, w.ask(t, "backend", theirs, f)).Access)["act"].(map[string]any); act["sub"] != "backend" {
			t.Errorf("act %v", act)
		}
		if got := errorOf(t, w.ask(t, "backend", foreign, f)); got != "invalid_request" {
			t.Errorf("an actor token bound to another key: %s", got)
		}
		other := tokensOf(t, w.ask(t, "third", foreign, url.Values{"grant_type": {"client_credentials"}}))
		f.Set("actor_token", other.Access)
		if got := errorOf(t, w.ask(t, "backend", theirs, f)); got != "invalid_request" {
			t.Errorf("another app's token as actor: %s", got)
		}
		f.Set("actor_token", given.Access)
		if got := errorOf(t, w.ask(t, "backend", theirs, f)); got != "invalid_request" {
			t.Errorf("a person's token as actor: %s", got)
		}
	})
	t.Run("an ID token", func(t *testing.T) {
		got := tokensOf(t, w.ask(t, "backend", theirs, exchangeForm(given.ID, "subject_token_type", authz.TokenTypeID)))
		answer := w.resource(t, w.UserInfo, theirs, http.MethodGet, "/userinfo", got.Access)
		if got.Scope != "openid" || answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), `"sub":"backend/p"`) {
			t.Errorf("%+v: %d %s", got, answer.Code, answer.Body)
		}
	})
	t.Run("refusals", func(t *testing.T) {
		opaque := tokensOf(t, w.ask(t, "backend", theirs, url.Values{"grant_type": {"client_credentials"}}))
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
			{"RFC 8693 §2.2.2: a target that no rule names", []string{"audience", atLand}, "invalid_target"},
			{"RFC 8693 §2.2.2: a target that nobody knows", []string{"resource", "https://nowhere.example"}, "invalid_target"},
			{"RFC 6749 §5.2: a scope beyond", []string{"scope", "land.write"}, "invalid_scope"},
		} {
			t.Run(row.name, func(t *testing.T) {
				a := w.ask(t, "backend", theirs, exchangeForm(given.Access, row.change...))
				if got := errorOf(t, a); got != row.code || a.Code != http.StatusBadRequest {
					t.Errorf("got %d %s, want %s: %s", a.Code, got, row.code, a.Body)
				}
			})
		}
		if got := errorOf(t, w.ask(t, "backend", nil, exchangeForm(given.Access))); got != "invalid_dpop_proof" {
			t.Errorf("not bound to a holder: %s", got)
		}
		if got := errorOf(t, w.ask(t, "third", theirs, exchangeForm(given.Access))); got != "invalid_request" {
			t.Errorf("an app without a rule for it: %s", got)
		}
		w.clients["backend"].TokenExchange = append(w.clients["backend"].TokenExchange,
			authz.ExchangeRule{Clients: []authz.ClientID{"app"}, SubjectAudience: []string{atUserInfo}, Audience: []string{atBroker, atUserInfo}, Scope: []string{"openid"}},
			authz.ExchangeRule{Clients: []authz.ClientID{"app"}, SubjectTokenTypes: []string{authz.TokenTypeID}, Audience: []string{atBroker}})
		w.now = w.now.Add(6 * time.Second) // the directory looks anew
		narrow := w.viaCode(t, mine, "resource", atUserInfo)
		if got := errorOf(t, w.ask(t, "backend", theirs, exchangeForm(narrow.Access, "audience", atBroker))); got != "invalid_target" {
			t.Errorf("registers by a token that was not for the broker: %s", got)
		}
		if got := errorOf(
			t, w.ask(t, "backend", theirs, exchangeForm(narrow.ID, "subject_token_type", authz.TokenTypeID, "audience", atBroker)),
		); got != "invalid_target" {
			t.Errorf("registers by an ID token: %s", got)
		}
		front := *w.clients["app"]
		front.ResponseTypes, front.GrantTypes = []string{"code", "code token"}, append(slices.Clone(front.GrantTypes), "implicit")
		w.clients["app"] = &front
		w.now = w.now.Add(6 * time.Second)
		next, err := w.Authorize(
			httptest.NewRequest(http.MethodGet, "/authorize?"+authorization("response_type", "code token", "nonce", "n1").Encode(), nil),
		)
		if err != nil {
			t.Fatal(err)
		}
		_, fragment, _ := strings.Cut(next.Location, "#")
		q, err := url.ParseQuery(fragment)
		if err != nil || q.Get("access_token") == "" {
			t.Fatalf("no token in %s", next.Location)
		}
		if got := errorOf(
			t, w.ask(t, "backend", theirs, exchangeForm(q.Get("access_token"), "audience", atUserInfo)),
		); got != "invalid_request" {
			t.Errorf("a token of the front channel: %s", got)
		}
		w.clients["app"].MayAct = "third"
		w.now = w.now.Add(6 * time.Second) // the directory looks anew
		named := w.viaCode(t, mine, "resource", atLand, "scope", "openid land.read")
		if got := errorOf(t, w.ask(t, "backend", theirs, exchangeForm(named.Access))); got != "invalid_request" {
			t.Errorf("RFC 8693 §4.4: may_act names another: %s", got)
		}
	})
}

func headOf(t *testing.T, token string) map[string]any {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	return claimsOf(t, "."+head+".")
}

// TestExchangedTokensEnd: an exchanged token ends with the grant; revoked by the
// app that acts, it ends alone.
func TestExchangedTokensEnd(t *testing.T) {
	w := withBackend(t)
	w.granted = []authz.Release{{Type: authz.ReleaseType, Registry: "civil", Purpose: "land.mortgage"}}
	mine, theirs := newKey(t), newKey(t)
	given := w.viaCode(t, mine)
	exchange := func() tokens { return tokensOf(t, w.ask(t, "backend", theirs, exchangeForm(given.Access))) }
	active := func(token string) bool {
		t.Helper()
		var body struct{ Active bool }
		r := as("backend", w.Introspect, url.Values{"token": {token}})
		if err := json.Unmarshal(r.Body.Bytes(), &body); err != nil {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		return body.Active
	}
	atTheBroker := func(token string) error {
		r := httptest.NewRequest(http.MethodPost, "/broker/v1/releases", nil)
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", w.dpop(t, theirs, http.MethodPost, "/broker/v1/releases", token))
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
	if r := as("backend", w.Revoke, url.Values{"token": {one.Access}}); r.Code != http.StatusOK {
		t.Fatal(r.Body)
	}
	if active(one.Access) || atTheBroker(one.Access) == nil {
		t.Error("RFC 7009 §2.1: the revoked token is still good")
	}
	if !active(two.Access) || !active3(w, given.Access) {
		t.Error("the app that acts ended what is not its own")
	}
	if r := as("app", w.Revoke, url.Values{"token": {given.Refresh}}); r.Code != http.StatusOK {
		t.Fatal(r.Body)
	}
	if active(two.Access) {
		t.Error("the grant ended, the exchanged token did not")
	}
	if got := errorOf(t, w.ask(t, "backend", theirs, exchangeForm(given.Access))); got != "invalid_request" {
		t.Errorf("a token of an ended grant was exchanged: %s", got)
	}
}

func active3(w *world, token string) bool {
	return strings.Contains(as("app", w.Introspect, url.Values{"token": {token}}).Body.String(), `"active":true`)
}

// as posts a form as a client.
func as(client string, h http.HandlerFunc, f url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, "secret")
	out := httptest.NewRecorder()
	h(out, r)
	return out
}

// TestExchangeInDoubt: what is not on record does not leave, and what could not be
// looked for is not told as not there.
func TestExchangeInDoubt(t *testing.T) {
	w := withBackend(t)
	mine, theirs := newKey(t), newKey(t)
	given := w.viaCode(t, mine, "resource", atLand, "scope", "openid land.read")
	w.logDown = true
	if a := w.ask(t, "backend", theirs, exchangeForm(given.Access)); a.Code != http.StatusServiceUnavailable ||
		strings.Contains(a.Body.String(), "access_token") {
		t.Errorf("the log is down: %d %s", a.Code, a.Body)
	}
	w.logDown, w.memory.down = false, true
	if a := w.ask(t, "backend", theirs, exchangeForm(given.Access)); a.Code != http.StatusServiceUnavailable {
		t.Errorf("the database is down: %d %s", a.Code, a.Body)
	}
	w.memory.down = false
	if a := w.ask(t, "backend", theirs, exchangeForm(given.Access)); a.Code != http.StatusOK {
		t.Errorf("all is up again: %d %s", a.Code, a.Body)
	}
}

// A lock, sign-out or revocation that was acknowledged while an exchange was on its way:
// no event of it is written, and no token leaves.
func TestWhatEndsAGrantOnTheWayStopsTheExchange(t *testing.T) {
	w := withBackend(t)
	mine, theirs := newKey(t), newKey(t)
	given := w.viaCode(t, mine, "resource", atLand, "scope", "openid land.read")
	w.beforeHold = func() {
		for id, g := range w.memory.grants {
			g.Revoked = w.now
			w.memory.grants[id] = g
		}
	}
	refused := w.ask(t, "backend", theirs, exchangeForm(given.Access))
	if refused.Code != http.StatusBadRequest || errorOf(t, refused) != "invalid_request" ||
		strings.Contains(refused.Body.String(), "access_token") || len(w.staged) != 0 {
		t.Fatalf("%d %s with %d events", refused.Code, refused.Body, len(w.staged))
	}
}
