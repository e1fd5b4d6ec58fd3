package authorize_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
)

const (
	member    = "https://app.tinh.example.vn"
	ourselves = "https://id.example"
)

// federated is a world with an app of a federation, of the profile that asks least, and the
// key it signs with.
func federated(t *testing.T, in clientauth.Introducer) (*authztest.World, *ecdsa.PrivateKey) {
	t.Helper()
	w := authztest.Empty()
	w.Introducer = in
	w.Provider = w.Node(t)
	key := authztest.NewKey(t)
	c := *w.App
	c.ID, c.Profile, c.CodeWithoutPKCE = member, authz.OIDC, true
	c.Method, c.JWKS = authz.PrivateKeyJWT, []byte(`{"keys":[`+authztest.PublicJWK(t, key)+`]}`)
	c.Membership = authz.Membership{Anchor: "https://neo.example.vn", Superior: "https://tinh.example.vn", Expires: w.Now.Add(time.Hour)}
	w.Clients = map[authz.ClientID]*authz.Client{member: &c}
	return w, key
}

// signed is a request object of the app.
func signed(t *testing.T, w *authztest.World, key *ecdsa.PrivateKey, jti string, header string) string {
	t.Helper()
	claims := map[string]any{
		"iss": member, "client_id": member, "aud": ourselves, "jti": jti, "exp": w.Now.Add(time.Minute).Unix(), "nbf": w.Now.Unix(),
	}
	for name, values := range authztest.Authorization() {
		if _, there := claims[name]; !there {
			claims[name] = values[0]
		}
	}
	return authztest.Handmade(t, key, header, claims)
}

// TestRequestsOfAFederation: what an app of a federation asks at the authorization endpoint
// (OpenID Federation 1.0 §12.1.1).
func TestRequestsOfAFederation(t *testing.T) {
	const head = `{"alg":"ES256","typ":"` + request.ObjectType + `"}`
	w, key := federated(t, nil)
	open := func(form url.Values) error { _, _, err := w.Open(t, form); return err }
	with := func(object string) url.Values { return url.Values{"client_id": {member}, "request": {object}} }
	if err := open(with(signed(t, w, key, "one", head))); err != nil {
		t.Fatalf("§12.1.1: %v", err)
	}
	for _, row := range []struct {
		name string
		form url.Values
		code authz.Code
	}{
		{"the same request object again", with(signed(t, w, key, "one", head)), authz.InvalidRequestObject},
		{"signed by another", with(signed(t, w, authztest.NewKey(t), "two", head)), authz.InvalidRequestObject},
		{"not signed", with(strings.Join([]string{
			authztest.Base64URL([]byte(`{"alg":"none"}`)), strings.Split(signed(t, w, key, "three", head), ".")[1], "",
		}, ".")), authz.InvalidRequestObject},
		{"no request object", authztest.Authorization("client_id", member), authz.InvalidRequest},
	} {
		t.Run(row.name, func(t *testing.T) {
			q, _, err := w.Open(t, row.form)
			if err == nil || authz.AsError(err).Code != row.code {
				t.Errorf("got %v, %v, want %s", q, err, row.code)
			}
		})
	}
	t.Run("after the end of its chain", func(t *testing.T) {
		w.Now = w.Now.Add(time.Hour)
		if err := open(with(signed(t, w, key, "four", head))); err == nil || authz.AsError(err).Redirectable {
			t.Errorf("got %v", err)
		}
	})
}

// introducer notes what it is shown.
type introducer struct {
	shown [][]string
	err   error
}

func (i *introducer) Introduce(_ context.Context, id authz.ClientID, chain, peer []string) error {
	i.shown = append(i.shown, append([]string{string(id)}, append(chain, peer...)...))
	return i.err
}

// TestIntroductions: a trust chain in the header of what an app signs is looked at before the
// app is looked for, and a refusal is told, by no redirect (OpenID Federation 1.0 §12.1.3,
// §12.1.1.1, §8.9).
func TestIntroductions(t *testing.T) {
	const head = `{"alg":"ES256","typ":"` + request.ObjectType + `","trust_chain":["a","b"],"peer_trust_chain":["c"]}`
	refusal := authz.NewError(authz.InvalidTrustChain, "the chain ends").Because(clientauth.ErrUnknownClient)
	t.Run("at the authorization endpoint", func(t *testing.T) {
		in := &introducer{err: refusal}
		w, key := federated(t, in)
		form := url.Values{
			"client_id": {member}, "request": {signed(t, w, key, "one", head)},
			"redirect_uri": {authztest.Authorization().Get("redirect_uri")},
		}
		_, where, err := w.Open(t, form)
		if err == nil || authz.AsError(err).Code != authz.InvalidTrustChain || authz.AsError(err).Redirectable || where != "" {
			t.Errorf("got %v at %q", err, where)
		}
		if len(in.shown) != 1 || strings.Join(in.shown[0], " ") != member+" a b c" {
			t.Errorf("shown %v", in.shown)
		}
		in.err = nil
		if _, _, err := w.Open(t, form); err != nil {
			t.Errorf("once it is taken up: %v", err)
		}
	})
	t.Run("at the endpoint of pushed requests", func(t *testing.T) {
		in := &introducer{err: refusal}
		w, key := federated(t, in)
		assertion := authztest.Handmade(t, key, `{"alg":"ES256","trust_chain":["a"]}`, map[string]any{
			"iss": member, "sub": member, "aud": ourselves, "jti": "j", "exp": w.Now.Add(time.Minute).Unix(),
		})
		form := authztest.Authorization(
			"client_id", member, "client_assertion", assertion,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
		)
		push := func() *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodPost, "/par", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			answer := httptest.NewRecorder()
			w.PAR(answer, r)
			return answer
		}
		answer := push()
		var body struct{ Error string }
		if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || answer.Code != 400 || body.Error != "invalid_trust_chain" {
			t.Errorf("got %d %s", answer.Code, answer.Body)
		}
		in.err = nil
		if answer := push(); answer.Code != 201 {
			t.Errorf("once it is taken up: %d %s", answer.Code, answer.Body)
		}
	})
}
