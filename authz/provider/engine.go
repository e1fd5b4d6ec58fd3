package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/pkce"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/token"
)

// The engine is fosite with four handlers. Its storage calls do not reach the
// database: a [unit] of work collects the one grant a request reads and what is
// to be written, and the endpoint writes that once after everything was checked
// and signed.

func (p *Provider) newEngine() *fosite.Fosite {
	config := &fosite.Config{
		AccessTokenLifespan:        p.life.Access,
		RefreshTokenLifespan:       p.life.Grant,
		AuthorizeCodeLifespan:      time.Minute,
		RefreshTokenScopes:         []string{},
		ScopeStrategy:              fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:   fosite.ExactAudienceMatchingStrategy,
		RedirectSecureChecker:      func(context.Context, *url.URL) bool { return true }, // registration checked it
		OmitRedirectScopeParam:     true,
		SendDebugMessagesToClients: false,
		ClientAuthenticationStrategy: func(ctx context.Context, _ *http.Request, _ url.Values) (fosite.Client, error) {
			return engineClient{unitOf(ctx).client}, nil // authz/clientauth authenticated it before
		},
	}
	store, strategy := unitStore{p}, unitStrategy{p}
	code := &oauth2.AuthorizeExplicitGrantHandler{
		AccessTokenStrategy: strategy, RefreshTokenStrategy: strategy, AuthorizeCodeStrategy: strategy,
		CoreStorage: store, TokenRevocationStorage: store, Config: config,
	}
	proofKey := &pkce.Handler{AuthorizeCodeStrategy: strategy, Storage: store, Config: engineConfig{config}}
	refresh := &oauth2.RefreshTokenGrantHandler{
		AccessTokenStrategy: strategy, RefreshTokenStrategy: strategy, TokenRevocationStorage: store, Config: config,
	}
	credentials := &oauth2.ClientCredentialsGrantHandler{
		HandleHelper: &oauth2.HandleHelper{AccessTokenStrategy: strategy, AccessTokenStorage: store, Config: config},
		Config:       config,
	}
	config.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{code, proofKey}
	config.TokenEndpointHandlers = fosite.TokenEndpointHandlers{code, proofKey, refresh, credentials}
	return &fosite.Fosite{Store: store, Config: config}
}

// engineConfig lets the engine ask for PKCE client by client.
type engineConfig struct{ *fosite.Config }

// GetEnforcePKCE: of all, save clients that registered that they go without. A
// challenge that was sent binds its code all the same, since the grant is found
// with it and a failed exchange ends the grant.
func (engineConfig) GetEnforcePKCE(ctx context.Context) bool {
	return !withoutPKCE(unitOf(ctx).client)
}

// withoutPKCE reports whether a client may send no code_challenge.
func withoutPKCE(c *clientauth.Registered) bool {
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

// unit is what one request reads and will write.
type unit struct {
	client *clientauth.Registered
	// grant is the grant a code or refresh token led to.
	grant *Grant
	// code is the code to hand out, which is made if there is none, hash its stored
	// form.
	code string
	hash []byte
	// spend is set when the code is to be redeemed, rotate when the refresh
	// generation is to move on.
	spend, rotate bool
	// refresh is the refresh token to hand out.
	refresh string
	// resources are what the token is asked for, RFC 8707 §2.2.
	resources []string
	// reused is set when a spent code or an old refresh token came in.
	reused bool
	now    time.Time
}

func (u *unit) terms(scope []string, bound authz.Confirmation) token.Terms {
	return token.Terms{Client: u.client, Resources: u.resources, Scope: scope, Confirmation: bound, Now: u.now}
}

type unitKey struct{}

func withUnit(ctx context.Context, u *unit) context.Context {
	return context.WithValue(ctx, unitKey{}, u)
}

func unitOf(ctx context.Context) *unit { return ctx.Value(unitKey{}).(*unit) }

// unitStore is fosite's storage over the unit of work.
type unitStore struct{ p *Provider }

var (
	_ fosite.Storage                = unitStore{}
	_ oauth2.CoreStorage            = unitStore{}
	_ oauth2.TokenRevocationStorage = unitStore{}
	_ pkce.PKCERequestStorage       = unitStore{}
)

func (unitStore) GetClient(ctx context.Context, _ string) (fosite.Client, error) {
	return engineClient{unitOf(ctx).client}, nil
}

func (unitStore) ClientAssertionJWTValid(context.Context, string) error { return errNotUsed }
func (unitStore) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return errNotUsed
}

var errNotUsed = errors.New("provider: a part of the engine that is not in use was called")

func (unitStore) CreateAuthorizeCodeSession(context.Context, string, fosite.Requester) error {
	return nil // the endpoint writes the grant
}

// GetAuthorizeCodeSession loads the grant of a code once for all handlers.
func (s unitStore) GetAuthorizeCodeSession(ctx context.Context, _ string, _ fosite.Session) (fosite.Requester, error) {
	u := unitOf(ctx)
	if u.grant == nil {
		g, err := s.p.o.Grants.GrantByCode(ctx, u.hash)
		if errors.Is(err, authz.ErrNotFound) {
			return nil, fosite.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		if g.Request.Decoupled {
			return nil, fosite.ErrNotFound // its code is no authorization code: see polled
		}
		u.grant = &g
	}
	r := u.requester()
	if !u.grant.CodeSpent.IsZero() || !u.grant.Revoked.IsZero() {
		u.reused = true
		return r, fosite.ErrInvalidatedAuthorizeCode
	}
	return r, nil
}

// requester is the grant as fosite wants to see it.
func (u *unit) requester() fosite.Requester {
	g := u.grant
	owner := u.client
	if g.ClientID != u.client.ID {
		// Another client's grant: fosite compares the ids and refuses.
		owner = &clientauth.Registered{Client: &authz.Client{ID: g.ClientID}}
	}
	return &fosite.Request{
		ID: string(g.ID), RequestedAt: g.Created, Client: engineClient{owner},
		RequestedScope: slices.Clone(g.Scope), GrantedScope: slices.Clone(g.Scope),
		Form: url.Values{
			"redirect_uri":          {g.Request.RedirectURI},
			"code_challenge":        {g.Request.CodeChallenge},
			"code_challenge_method": {"S256"},
		},
		Session: &fosite.DefaultSession{Subject: string(g.Subject)},
	}
}

func (unitStore) InvalidateAuthorizeCodeSession(ctx context.Context, _ string) error {
	unitOf(ctx).spend = true
	return nil
}

func (unitStore) CreateAccessTokenSession(context.Context, string, fosite.Requester) error {
	return nil
}

func (unitStore) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, errNotUsed
}
func (unitStore) DeleteAccessTokenSession(context.Context, string) error { return nil }

func (unitStore) CreateRefreshTokenSession(context.Context, string, string, fosite.Requester) error {
	return nil
}

// GetRefreshTokenSession finds the grant of a refresh token. Only a token that
// is genuinely ours can be "reused" (docs/decisions.md F11): a made-up one is
// merely unknown and ends nobody's grant.
func (s unitStore) GetRefreshTokenSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	u := unitOf(ctx)
	token, ok := grant.ParseRefresh(signature)
	if !ok {
		return nil, fosite.ErrNotFound
	}
	if u.grant == nil {
		g, err := s.p.o.Grants.Grant(ctx, token.Grant)
		if errors.Is(err, authz.ErrNotFound) {
			return nil, fosite.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		u.grant = &g
	}
	g := u.grant
	switch {
	case g.ClientID != u.client.ID || !s.p.refresh.Genuine(token, g.RefreshSalt):
		u.grant = nil
		return nil, fosite.ErrNotFound
	case !g.Live(u.now):
		return nil, fosite.ErrNotFound
	case token.Generation == g.RefreshGeneration:
		return u.requester(), nil
	case token.Generation == g.RefreshGeneration-1 && u.now.Sub(g.RefreshRotated) <= s.p.life.Grace:
		// The answer got lost, or two callers raced: the same successor again.
		return u.requester(), nil
	default:
		u.reused = true
		return u.requester(), fosite.ErrInactiveToken
	}
}

func (unitStore) DeleteRefreshTokenSession(context.Context, string) error { return nil }

func (s unitStore) RotateRefreshToken(ctx context.Context, _ string, signature string) error {
	u := unitOf(ctx)
	token, ok := grant.ParseRefresh(signature)
	u.rotate = ok && u.client.Profile.RotateRefresh && token.Generation == u.grant.RefreshGeneration
	return nil
}

// RevokeRefreshToken and RevokeAccessToken are called on reuse; the endpoint
// revokes the grant when it sees unit.reused, and must not answer otherwise.
func (unitStore) RevokeRefreshToken(context.Context, string) error { return nil }
func (unitStore) RevokeAccessToken(context.Context, string) error  { return nil }

func (s unitStore) GetPKCERequestSession(ctx context.Context, signature string, session fosite.Session) (fosite.Requester, error) {
	return s.GetAuthorizeCodeSession(ctx, signature, session)
}

func (unitStore) CreatePKCERequestSession(context.Context, string, fosite.Requester) error {
	return nil
}
func (unitStore) DeletePKCERequestSession(context.Context, string) error { return nil }

// unitStrategy makes codes and refresh tokens. Access tokens are made by the
// endpoint, all in one signing call; the engine gets a placeholder.
type unitStrategy struct{ p *Provider }

const placeholder = "made-by-the-endpoint"

func (unitStrategy) AccessTokenSignature(context.Context, string) string { return placeholder }
func (unitStrategy) GenerateAccessToken(context.Context, fosite.Requester) (string, string, error) {
	return placeholder, placeholder, nil
}

func (unitStrategy) ValidateAccessToken(context.Context, fosite.Requester, string) error {
	return errNotUsed
}

func (unitStrategy) AuthorizeCodeSignature(ctx context.Context, code string) string {
	u := unitOf(ctx)
	if u.hash == nil {
		u.hash = authz.HashSecret(code)
	}
	return placeholder
}

func (unitStrategy) GenerateAuthorizeCode(ctx context.Context, _ fosite.Requester) (string, string, error) {
	u := unitOf(ctx)
	if u.code == "" {
		u.code = authz.NewSecret()
	}
	u.hash = authz.HashSecret(u.code)
	return u.code, placeholder, nil
}

func (unitStrategy) ValidateAuthorizeCode(ctx context.Context, _ fosite.Requester, _ string) error {
	if u := unitOf(ctx); !u.now.Before(u.grant.CodeExpires) {
		return fosite.ErrTokenExpired
	}
	return nil
}

func (unitStrategy) RefreshTokenSignature(_ context.Context, token string) string { return token }

func (s unitStrategy) GenerateRefreshToken(ctx context.Context, _ fosite.Requester) (string, string, error) {
	u := unitOf(ctx)
	g := u.grant
	generation := g.RefreshGeneration
	if !g.CodeSpent.IsZero() && u.client.Profile.RotateRefresh { // not the first one
		if token, ok := grant.ParseRefresh(u.refresh); ok && token.Generation == generation {
			generation++
		}
	}
	u.refresh = s.p.refresh.Token(g.ID, generation, g.RefreshSalt)
	return u.refresh, u.refresh, nil
}

func (unitStrategy) ValidateRefreshToken(ctx context.Context, _ fosite.Requester, token string) error {
	unitOf(ctx).refresh = token
	return nil
}

// engineRequest is a form POST as fosite reads it.
func engineRequest(ctx context.Context, target string, form url.Values) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(""))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Form, r.PostForm = form, form
	return r, nil
}

// engineError turns fosite's refusals into ours: same code, our words.
func engineError(err error) *authz.Error {
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
	refusal := authz.Refuse(authz.Code(rfc.ErrorField), "%s", description)
	if rfc.CodeField >= 500 {
		return authz.AsError(err)
	}
	return refusal.Because(err)
}
