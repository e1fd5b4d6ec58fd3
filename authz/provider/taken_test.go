package provider_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/provider"
	"hopnhat/keys/seal"
)

// TestTakenBack: what an operator takes from an app ends with the registration that
// is in force, and not with the grants that were given before.
func TestTakenBack(t *testing.T) {
	k, theirs := newKey(t), newKey(t)
	later := func(w *world) { w.now = w.now.Add(10 * time.Second) } // beyond the directory's memory
	t.Run("RFC 8707 §2.2: an API, before a refresh and before a code is redeemed", func(t *testing.T) {
		w := withBackend(t)
		given := w.viaCode(t, k, "scope", "openid land.read", "resource", atLand, "resource", atUserInfo)
		code := w.code(t, "scope", "openid land.read", "resource", atLand)
		app := *w.clients["app"]
		app.Resources = []string{atTax}
		w.clients["app"] = &app
		later(w)
		refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {given.Refresh}, "resource": {atLand}}
		if got := errorOf(t, w.ask(t, "app", k, refresh)); got != "invalid_target" {
			t.Errorf("refreshed for the API: %s", got)
		}
		if got := errorOf(t, w.redeem(t, k, code)); got != "invalid_target" {
			t.Errorf("redeemed for the API: %s", got)
		}
		refresh.Del("resource")
		if got := tokensOf(t, w.ask(t, "app", k, refresh)); audienceOf(t, got.Access) != atUserInfo {
			t.Errorf("the rest is lost: aud %s", audienceOf(t, got.Access))
		}
	})
	t.Run("RFC 7662 §4: all, with the app", func(t *testing.T) {
		w := withBackend(t)
		w.clients["backend"].Introspect = []string{atLand, atTax}
		given := w.viaCode(t, k, "scope", "openid land.read", "resource", atLand)
		exchanged := tokensOf(t, w.ask(t, "backend", theirs, exchangeForm(given.Access)))
		own := tokensOf(
			t, w.ask(t, "app", k, url.Values{"grant_type": {"client_credentials"}, "resource": {atLand}, "scope": {"land.read"}}),
		)
		active := func(token string) bool {
			return strings.Contains(as("backend", w.Introspect, url.Values{"token": {token}}).Body.String(), `"active":true`)
		}
		tokens := map[string]string{"a person's": given.Access, "one that was exchanged": exchanged.Access, "its own": own.Access}
		for name, token := range tokens {
			if !active(token) {
				t.Fatalf("%s is not active", name)
			}
		}
		app := *w.clients["app"]
		app.Disabled = true
		w.clients["app"] = &app
		later(w)
		for name, token := range tokens {
			if active(token) {
				t.Errorf("%s is active, and its app is disabled", name)
			}
		}
		if got := errorOf(t, w.ask(t, "backend", theirs, exchangeForm(given.Access))); got != "invalid_request" {
			t.Errorf("its token was exchanged: %s", got)
		}
	})
}

// slow is a server of an app that answers when it likes.
type slow struct {
	asked   chan struct{}
	release chan struct{}
}

func (s slow) Fetch(ctx context.Context, _ string, _ int64) ([]byte, error) {
	s.asked <- struct{}{}
	select {
	case <-s.release:
	case <-ctx.Done():
	}
	return nil, errors.New("nothing there")
}

// TestStrangersMakeUsFetch: whoever opens the authorization endpoint with an app's request_uri
// (OpenID Connect Core §6.2) makes us call that app, so an app that does not answer may take
// only so much of us (RFC 9101 §10.4).
func TestStrangersMakeUsFetch(t *testing.T) {
	const perApp = 4
	w := emptyWorld()
	clock := func() time.Time { return w.now }
	server := slow{make(chan struct{}, 100), make(chan struct{})}
	signs := func(id authz.ClientID) *authz.Client {
		app := *w.app
		app.ID, app.RequestURIs, app.JWKS = id, []string{"https://app.example/request"}, []byte(publicJWK(t, newKey(t)))
		return &app
	}
	w.clients = map[authz.ClientID]*authz.Client{"app": signs("app"), "other": signs("other")}
	var err error
	w.Provider, err = provider.New(t.Context(), provider.Options{
		Issuer: "https://id.example", SignInPath: "/signin", Ring: ring(), Grants: w.memory, Sessions: w, Consents: w, Pseudonyms: w,
		Resources: w, Evidence: &audit.Scribe{Rows: w, Leaves: w, Pseudonyms: w},
		Fetcher: server, Directory: clientauth.NewDirectory(w, 0, clock),
		Proofs: clientauth.NewProofs(seal.New(seal.Nonces, []byte("nonces")), clock), Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	open := func(client string) string {
		f := url.Values{
			"client_id": {client}, "redirect_uri": {"https://app.example/cb"}, "response_type": {"code"}, "scope": {"openid"},
			"request_uri": {"https://app.example/request"},
		}
		next, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+f.Encode(), nil))
		if err != nil {
			return string(authz.AsError(err).Code)
		}
		u, _ := url.Parse(next.Location)
		return u.Query().Get("error")
	}
	var group sync.WaitGroup
	for range perApp {
		group.Go(func() {
			if got := open("app"); got != "invalid_request_uri" {
				t.Errorf("one that waited: %s", got)
			}
		})
	}
	for range perApp {
		<-server.asked
	}
	if got := open("app"); got != "temporarily_unavailable" || len(server.asked) != 0 {
		t.Errorf("one too many: %s, fetched %d", got, len(server.asked))
	}
	group.Go(func() {
		if got := open("other"); got != "invalid_request_uri" {
			t.Errorf("another app: %s", got)
		}
	})
	<-server.asked
	close(server.release)
	group.Wait()
	if got := open("app"); got != "invalid_request_uri" {
		t.Errorf("afterwards: %s", got)
	}
}
