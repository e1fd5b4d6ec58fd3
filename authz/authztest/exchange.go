package authztest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hopnhat/authz"
)

const (
	AtUserInfo = "https://id.example/userinfo"
	AtBroker   = "https://id.example/broker/v1"
	AtLand     = "https://land.example/api"
	AtTax      = "https://tax.example/api"
)

// WithBackend adds two agencies' APIs, an app that may have tokens for one of them
// and a back end that may exchange them.
func WithBackend(t *testing.T) *World {
	t.Helper()
	w := New(t)
	w.Resources = map[string]*authz.Resource{
		AtLand: {ID: AtLand, Scopes: []string{"land.read", "land.write"}},
		AtTax:  {ID: AtTax, Scopes: []string{"land.read", "tax.read"}, SigningAlg: "EdDSA"},
	}
	secret := func(id authz.ClientID) *authz.Client {
		return &authz.Client{
			ID: id, Name: authz.LocalizedText{VI: string(id)}, Profile: authz.OIDC,
			Authentication: authz.Authentication{Method: authz.ClientSecretBasic, SecretHash: authz.HashSecret("secret")},
			Tokens:         authz.Tokens{Sector: string(id)}, Requests: authz.Requests{
				RedirectURIs: []string{"https://app.example/cb"},
				Scopes:       []string{"openid", "land.read", "land.write"},
				GrantTypes: []string{
					"authorization_code", "refresh_token", "client_credentials", authz.GrantTokenExchange,
					authz.GrantJWTBearer,
				},
			},
		}
	}
	app, backend, third := secret("app"), secret("backend"), secret("third")
	app.Resources = []string{AtLand, AtTax}
	backend.Resources = []string{AtTax}
	backend.TokenExchange = []authz.ExchangeRule{
		{Clients: []authz.ClientID{"app"}, SubjectAudience: []string{AtLand}, Audience: []string{AtTax}, Scope: []string{"land.read"}},
		{Clients: []authz.ClientID{"app"}, SubjectAudience: []string{AtBroker}, Audience: []string{AtBroker}},
		{Clients: []authz.ClientID{"app"}, SubjectTokenTypes: []string{authz.TokenTypeID}, Audience: []string{AtUserInfo}, Scope: []string{"openid"}},
	}
	third.Resources = []string{AtTax}
	third.TokenExchange = []authz.ExchangeRule{{
		Clients: []authz.ClientID{"backend"}, SubjectAudience: []string{AtTax},
		Audience: []string{AtTax}, Scope: []string{"land.read"},
	}}
	w.Clients = map[authz.ClientID]*authz.Client{"app": app, "backend": backend, "third": third}
	return w
}

// ExchangeForm is a token exchange (RFC 8693 §2.1) with changed parameters; an empty one is
// left out.
func ExchangeForm(token string, change ...string) url.Values {
	f := url.Values{"grant_type": {authz.GrantTokenExchange}, "subject_token": {token}, "subject_token_type": {authz.TokenTypeAccess}}
	for i := 0; i+1 < len(change); i += 2 {
		if f.Set(change[i], change[i+1]); change[i+1] == "" {
			f.Del(change[i])
		}
	}
	return f
}

// Active reports whether introspection calls a token active.
func Active(w *World, token string) bool {
	return strings.Contains(PostAs("app", w.Introspect, url.Values{"token": {token}}).Body.String(), `"active":true`)
}

// PostAs posts a form as a client.
func PostAs(client string, h http.HandlerFunc, f url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, "secret")
	out := httptest.NewRecorder()
	h(out, r)
	return out
}
