package authorize_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authztest"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/provider"
	"hopnhat/keys/seal"
)

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
	w := authztest.Empty()
	clock := func() time.Time { return w.Now }
	server := slow{make(chan struct{}, 100), make(chan struct{})}
	signs := func(id authz.ClientID) *authz.Client {
		app := *w.App
		app.ID, app.RequestURIs, app.JWKS = id, []string{"https://app.example/request"}, []byte(authztest.PublicJWK(t, authztest.NewKey(t)))
		return &app
	}
	w.Clients = map[authz.ClientID]*authz.Client{"app": signs("app"), "other": signs("other")}
	var err error
	w.Provider, err = provider.New(t.Context(), provider.Options{
		Issuer: "https://id.example", SignInPath: "/signin", Ring: authztest.Ring(), Grants: w.Memory, Sessions: w, Consents: w,
		Pseudonyms: w,
		Resources:  w, Evidence: &audit.Scribe{Rows: w, Leaves: w, Pseudonyms: w},
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
