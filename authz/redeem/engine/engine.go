package engine

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/pkce"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/request"
)

// Options is what an Engine is made of.
type Options struct {
	// Authorize and Token are the URLs of the two endpoints.
	Authorize, Token string
	// Access and Grant are the lifetimes of access and refresh tokens.
	Access, Grant time.Duration
}

// Engine is fosite with four handlers. It is safe for concurrent use.
type Engine struct {
	o      Options
	fosite *fosite.Fosite
}

// New makes an Engine.
func New(o Options) *Engine {
	config := &fosite.Config{
		AccessTokenLifespan:        o.Access,
		RefreshTokenLifespan:       o.Grant,
		AuthorizeCodeLifespan:      time.Minute,
		RefreshTokenScopes:         []string{},
		ScopeStrategy:              fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:   fosite.ExactAudienceMatchingStrategy,
		RedirectSecureChecker:      func(context.Context, *url.URL) bool { return true }, // registration checked it
		OmitRedirectScopeParam:     true,
		SendDebugMessagesToClients: false,
		ClientAuthenticationStrategy: func(ctx context.Context, _ *http.Request, _ url.Values) (fosite.Client, error) {
			return engineClient{stateOf(ctx).client}, nil // authz/clientauth authenticated it before
		},
	}
	store, tokens := storage{}, strategy{}
	code := &oauth2.AuthorizeExplicitGrantHandler{
		AccessTokenStrategy: tokens, RefreshTokenStrategy: tokens, AuthorizeCodeStrategy: tokens,
		CoreStorage: store, TokenRevocationStorage: store, Config: config,
	}
	proofKey := &pkce.Handler{AuthorizeCodeStrategy: tokens, Storage: store, Config: engineConfig{config}}
	refresh := &oauth2.RefreshTokenGrantHandler{
		AccessTokenStrategy: tokens, RefreshTokenStrategy: tokens, TokenRevocationStorage: store, Config: config,
	}
	credentials := &oauth2.ClientCredentialsGrantHandler{
		HandleHelper: &oauth2.HandleHelper{AccessTokenStrategy: tokens, AccessTokenStorage: store, Config: config},
		Config:       config,
	}
	// docs/decisions.md F10: of two handlers of one Go type the second is dropped.
	config.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{code, proofKey}
	config.TokenEndpointHandlers = fosite.TokenEndpointHandlers{code, proofKey, refresh, credentials}
	return &Engine{o, &fosite.Fosite{Store: store, Config: config}}
}

// engineConfig lets the engine ask for PKCE client by client.
type engineConfig struct{ *fosite.Config }

// GetEnforcePKCE: of all, save clients that registered that they go without. A
// challenge that was sent binds its code all the same, since the grant is found
// with it and a failed exchange ends the grant.
func (engineConfig) GetEnforcePKCE(ctx context.Context) bool {
	return !WithoutPKCE(stateOf(ctx).client)
}

// WithoutPKCE reports whether a client may send no code_challenge.
func WithoutPKCE(c *clientauth.Registered) bool {
	return c.CodeWithoutPKCE && c.Profile.AllowWithoutPKCE
}

// engineClient shows a registered client to fosite.
type engineClient struct{ *clientauth.Registered }

func (c engineClient) GetID() string                      { return string(c.ID) }
func (c engineClient) GetHashedSecret() []byte            { return nil }
func (c engineClient) GetRedirectURIs() []string          { return c.RedirectURIs }
func (c engineClient) GetGrantTypes() fosite.Arguments    { return c.GrantTypes }
func (c engineClient) GetResponseTypes() fosite.Arguments { return fosite.Arguments{"code"} }
func (c engineClient) GetScopes() fosite.Arguments        { return c.Scopes }
func (c engineClient) IsPublic() bool                     { return c.Method == authz.PublicClient }
func (c engineClient) GetAudience() fosite.Arguments      { return nil }
func (c engineClient) GetResponseModes() []fosite.ResponseModeType {
	modes := []fosite.ResponseModeType{fosite.ResponseModeDefault}
	for _, m := range c.Profile.ResponseModes {
		modes = append(modes, fosite.ResponseModeType(m))
	}
	return modes
}

// Authorization runs the handlers of the authorization endpoint over a checked request,
// whose answer is to carry a code, and nothing else: what the browser added to the URL
// never reaches them.
func (e *Engine) Authorization(ctx context.Context, client *clientauth.Registered, a request.Authorization, subject authz.Subject,
	code string,
) *authz.Error {
	ctx = withState(ctx, &state{client: client, code: code})
	form := url.Values{
		"client_id": {string(a.ClientID)}, "redirect_uri": {a.RedirectURI}, "response_type": {"code"},
		"scope": {strings.Join(a.Scope, " ")},
		// The engine refuses a short or missing state, which is the app's choice
		// (FAPI 2.0 SP: optional); the answer's state is ours to set.
		"state": {placeholder},
	}
	if a.CodeChallenge != "" {
		form.Set("code_challenge", a.CodeChallenge)
		form.Set("code_challenge_method", "S256")
	}
	r, err := post(ctx, e.o.Authorize, form)
	if err != nil {
		return authz.AsError(err)
	}
	requester, err := e.fosite.NewAuthorizeRequest(ctx, r)
	if err != nil {
		return refusalOf(err)
	}
	for _, scope := range a.Scope {
		requester.GrantScope(scope)
	}
	_, err = e.fosite.NewAuthorizeResponse(ctx, requester, &fosite.DefaultSession{Subject: string(subject)})
	return refusalOf(err)
}

// Code agrees to the redemption of a code, whose grant was found and checked, and says
// whether a refresh token goes with it.
func (e *Engine) Code(ctx context.Context, client *clientauth.Registered, g *grant.Grant, form url.Values,
	now time.Time,
) (refreshes bool, refusal *authz.Error) {
	s := &state{client: client, grant: g, now: now}
	_, response, refusal := e.token(ctx, s, form, "code", "redirect_uri", "code_verifier")
	if refusal != nil {
		return false, refusal
	}
	_, refreshes = response.GetExtra("refresh_token").(string)
	return refreshes, nil
}

// Refresh agrees to the use of a refresh token, whose grant was found and checked. The
// scope that is asked for is narrowed by the caller: the engine ignores it.
func (e *Engine) Refresh(ctx context.Context, client *clientauth.Registered, g *grant.Grant, form url.Values, now time.Time) *authz.Error {
	_, _, refusal := e.token(ctx, &state{client: client, grant: g, now: now}, form, "refresh_token")
	return refusal
}

// ClientCredentials agrees to a token for the app itself, and gives its scope.
func (e *Engine) ClientCredentials(ctx context.Context, client *clientauth.Registered, form url.Values) ([]string, *authz.Error) {
	requester, _, refusal := e.token(ctx, &state{client: client}, form, "scope")
	if refusal != nil {
		return nil, refusal
	}
	return requester.GetGrantedScopes(), nil
}

// token runs the handlers of the token endpoint over a form that has grant_type and the
// named parameters.
func (e *Engine) token(ctx context.Context, s *state, form url.Values,
	names ...string,
) (fosite.AccessRequester, fosite.AccessResponder, *authz.Error) {
	ctx = withState(ctx, s)
	seen := url.Values{}
	for _, name := range append(names, "grant_type") {
		if v := form.Get(name); v != "" {
			seen.Set(name, v)
		}
	}
	r, err := post(ctx, e.o.Token, seen)
	if err != nil {
		return nil, nil, authz.AsError(err)
	}
	requester, err := e.fosite.NewAccessRequest(ctx, r, &fosite.DefaultSession{})
	if err != nil {
		return nil, nil, refusalOf(err)
	}
	if s.grant == nil {
		for _, scope := range requester.GetRequestedScopes() {
			requester.GrantScope(scope)
		}
	}
	response, err := e.fosite.NewAccessResponse(ctx, requester)
	return requester, response, refusalOf(err)
}

// post is a form POST as fosite reads it.
func post(ctx context.Context, target string, form url.Values) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(""))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Form, r.PostForm = form, form
	return r, nil
}

// refusalOf turns fosite's refusals into ours: same code, our words.
func refusalOf(err error) *authz.Error {
	if err == nil {
		return nil
	}
	var rfc *fosite.RFC6749Error
	if !errors.As(err, &rfc) {
		return authz.AsError(err)
	}
	if errors.Is(err, authz.ErrUnavailable) {
		return authz.AsError(authz.ErrUnavailable).Because(err)
	}
	description := rfc.HintField
	if description == "" {
		description = rfc.DescriptionField
	}
	refusal := authz.NewError(authz.Code(rfc.ErrorField), "%s", description)
	if rfc.CodeField >= 500 {
		return authz.AsError(err)
	}
	return refusal.Because(err)
}
