package clients

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// LegacyApp is a relying party of profile oidc, registered at the server.
type LegacyApp struct {
	Issuer       string
	ClientID     string
	ClientSecret string // empty for a public client
	RedirectURI  string
	Scopes       []string // openid is added
	// SecretInBody is client_secret_post instead of client_secret_basic.
	SecretInBody bool
}

// Login is what a login gave the app.
type Login struct {
	IDToken  *oidc.IDToken
	Claims   map[string]any // of the ID token
	UserInfo map[string]any
	Tokens   *oauth2.Token
}

// Login runs the authorization code flow with PKCE as go-oidc's users do:
// discovery, authorization request, callback, exchange, verified ID token,
// UserInfo. The person signs in with the browser given.
func (app LegacyApp) Login(ctx context.Context, browser *http.Client, person Person) (*Login, error) {
	provider, err := oidc.NewProvider(ctx, app.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	config := oauth2.Config{
		ClientID: app.ClientID, ClientSecret: app.ClientSecret, RedirectURL: app.RedirectURI,
		Endpoint: provider.Endpoint(), Scopes: append([]string{oidc.ScopeOpenID}, app.Scopes...),
	}
	// As registered. Left to itself the library tries another way to authenticate
	// after any refusal, one to ask again later included.
	config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if app.SecretInBody {
		config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	state, nonce, verifier := random(), random(), oauth2.GenerateVerifier()
	start := config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	callback, err := SignIn(ctx, browser, start, app.RedirectURI, person)
	if err != nil {
		return nil, fmt.Errorf("signing in: %w", err)
	}
	answer := callback.Query()
	if code := answer.Get("error"); code != "" {
		return nil, fmt.Errorf("the authorization was refused: %s: %s", code, answer.Get("error_description"))
	}
	if answer.Get("state") != state {
		return nil, errors.New("state was not returned as sent")
	}
	// RFC 9207 §2.4: a client that knows the issuer compares.
	if got := answer.Get("iss"); got != app.Issuer {
		return nil, fmt.Errorf("iss of the response is %q, want %q", got, app.Issuer)
	}
	tokens, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, fmt.Errorf("exchanging the code: %w", err)
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return nil, errors.New("no ID token came with the access token")
	}
	var metadata struct {
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := provider.Claims(&metadata); err != nil {
		return nil, fmt.Errorf("reading the metadata: %w", err)
	}
	idToken, err := provider.Verifier(&oidc.Config{ClientID: app.ClientID, SupportedSigningAlgs: metadata.Algorithms}).Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("verifying the ID token: %w", err)
	}
	if idToken.Nonce != nonce {
		return nil, errors.New("the ID token carries another nonce")
	}
	if idToken.AccessTokenHash != "" {
		if err := idToken.VerifyAccessToken(tokens.AccessToken); err != nil {
			return nil, fmt.Errorf("at_hash: %w", err)
		}
	}
	login := &Login{IDToken: idToken, Tokens: tokens}
	if err := idToken.Claims(&login.Claims); err != nil {
		return nil, fmt.Errorf("reading the ID token's claims: %w", err)
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return nil, fmt.Errorf("UserInfo: %w", err)
	}
	// OpenID Connect Core §5.3.2: the sub must be the ID token's, or the answer is not used.
	if info.Subject != idToken.Subject {
		return nil, fmt.Errorf("UserInfo is about %q, the ID token about %q", info.Subject, idToken.Subject)
	}
	return login, info.Claims(&login.UserInfo)
}

func random() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // documented never to happen
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}
