package engine

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/pkce"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
)

// state is what one request is about.
type state struct {
	client *clientauth.Registered
	// grant is the grant that a code or refresh token led to.
	grant *grant.Grant
	// code is the code to hand out.
	code string
	now  time.Time
}

type stateKey struct{}

func withState(ctx context.Context, s *state) context.Context {
	return context.WithValue(ctx, stateKey{}, s)
}

func stateOf(ctx context.Context) *state { return ctx.Value(stateKey{}).(*state) }

// storage is fosite's storage over the state of one request.
type storage struct{}

var (
	_ fosite.Storage                = storage{}
	_ oauth2.CoreStorage            = storage{}
	_ oauth2.TokenRevocationStorage = storage{}
	_ pkce.PKCERequestStorage       = storage{}
)

func (storage) GetClient(ctx context.Context, _ string) (fosite.Client, error) {
	return engineClient{stateOf(ctx).client}, nil
}

func (storage) ClientAssertionJWTValid(context.Context, string) error { return errNotUsed }
func (storage) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return errNotUsed
}

var errNotUsed = errors.New("engine: a part of the engine that is not in use was called")

func (storage) CreateAuthorizeCodeSession(context.Context, string, fosite.Requester) error {
	return nil // the endpoint writes the grant
}

// GetAuthorizeCodeSession shows the grant of the code.
func (storage) GetAuthorizeCodeSession(ctx context.Context, _ string, _ fosite.Session) (fosite.Requester, error) {
	s := stateOf(ctx)
	switch g := s.grant; {
	case g == nil:
		return nil, fosite.ErrNotFound
	case !g.CodeSpent.IsZero() || !g.Revoked.IsZero():
		return s.requester(), fosite.ErrInvalidatedAuthorizeCode
	}
	return s.requester(), nil
}

// requester is the grant as fosite wants to see it.
func (s *state) requester() fosite.Requester {
	g := s.grant
	owner := s.client
	if g.ClientID != s.client.ID {
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
		Session: &fosite.DefaultSession{Subject: string(g.Actor)},
	}
}

// InvalidateAuthorizeCodeSession, as all writing methods, leaves the write to the
// endpoint.
func (storage) InvalidateAuthorizeCodeSession(context.Context, string) error { return nil }

func (storage) CreateAccessTokenSession(context.Context, string, fosite.Requester) error {
	return nil
}

func (storage) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, errNotUsed
}
func (storage) DeleteAccessTokenSession(context.Context, string) error { return nil }

func (storage) CreateRefreshTokenSession(context.Context, string, string, fosite.Requester) error {
	return nil
}

// GetRefreshTokenSession shows the grant of the refresh token.
func (storage) GetRefreshTokenSession(ctx context.Context, _ string, _ fosite.Session) (fosite.Requester, error) {
	s := stateOf(ctx)
	if s.grant == nil || !s.grant.Live(s.now) {
		return nil, fosite.ErrNotFound
	}
	return s.requester(), nil
}

func (storage) DeleteRefreshTokenSession(context.Context, string) error { return nil }

func (storage) RotateRefreshToken(context.Context, string, string) error { return nil }
func (storage) RevokeRefreshToken(context.Context, string) error         { return nil }
func (storage) RevokeAccessToken(context.Context, string) error          { return nil }

func (s storage) GetPKCERequestSession(ctx context.Context, signature string, session fosite.Session) (fosite.Requester, error) {
	return s.GetAuthorizeCodeSession(ctx, signature, session)
}

func (storage) CreatePKCERequestSession(context.Context, string, fosite.Requester) error {
	return nil
}
func (storage) DeletePKCERequestSession(context.Context, string) error { return nil }

// strategy shows the engine tokens. They are made by the endpoints, all in one signing
// call; the engine gets placeholders.
type strategy struct{}

const placeholder = "made-by-the-endpoint"

func (strategy) AccessTokenSignature(context.Context, string) string { return placeholder }
func (strategy) GenerateAccessToken(context.Context, fosite.Requester) (string, string, error) {
	return placeholder, placeholder, nil
}

func (strategy) ValidateAccessToken(context.Context, fosite.Requester, string) error {
	return errNotUsed
}

func (strategy) AuthorizeCodeSignature(context.Context, string) string { return placeholder }

func (strategy) GenerateAuthorizeCode(ctx context.Context, _ fosite.Requester) (string, string, error) {
	return stateOf(ctx).code, placeholder, nil
}

func (strategy) ValidateAuthorizeCode(ctx context.Context, _ fosite.Requester, _ string) error {
	if s := stateOf(ctx); !s.now.Before(s.grant.CodeExpires) {
		return fosite.ErrTokenExpired
	}
	return nil
}

func (strategy) RefreshTokenSignature(context.Context, string) string { return placeholder }
func (strategy) GenerateRefreshToken(context.Context, fosite.Requester) (string, string, error) {
	return placeholder, placeholder, nil
}

func (strategy) ValidateRefreshToken(context.Context, fosite.Requester, string) error { return nil }
