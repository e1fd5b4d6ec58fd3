package clients

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	zitadel "github.com/zitadel/oidc/v3/pkg/client/rp"
	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	zitadeloidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
)

// Welcome is what an app of zitadel/oidc says to who signed in, as JSON.
type Welcome struct {
	Claims   map[string]any `json:"claims"` // of the verified ID token
	UserInfo map[string]any `json:"userinfo"`
	IDToken  string         `json:"id_token"`
}

// ZitadelHandler is an app as the users of zitadel/oidc write it: /login begins a
// sign-in with PKCE, and the path of the redirect URI ends it with a [Welcome].
// State and code verifier are kept in the library's cookies.
func (app LegacyApp) ZitadelHandler(ctx context.Context) (http.Handler, error) {
	redirect, err := url.Parse(app.RedirectURI)
	if err != nil {
		return nil, fmt.Errorf("reading the redirect URI: %w", err)
	}
	party, err := app.zitadel(ctx)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /login", zitadel.AuthURLHandler(random, party))
	mux.Handle("GET "+redirect.Path, zitadel.CodeExchangeHandler(zitadel.UserinfoCallback(
		func(
			w http.ResponseWriter, _ *http.Request, tokens *zitadeloidc.Tokens[*zitadeloidc.IDTokenClaims],
			_ string, _ zitadel.RelyingParty, info *zitadeloidc.UserInfo,
		) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"claims": tokens.IDTokenClaims, "userinfo": info, "id_token": tokens.IDToken})
		}), party))
	return mux, nil
}

// ZitadelDevice runs the device grant (RFC 8628): show is given what the device
// shows, and returns when the person has answered elsewhere.
func (app LegacyApp) ZitadelDevice(
	ctx context.Context, show func(userCode, uri string) error,
) (idToken *zitadeloidc.IDTokenClaims, err error) {
	party, err := app.zitadel(ctx)
	if err != nil {
		return nil, err
	}
	begun, err := zitadel.DeviceAuthorization(ctx, party.OAuthConfig().Scopes, party, nil)
	if err != nil {
		return nil, fmt.Errorf("beginning at the device: %w", err)
	}
	if err := show(begun.UserCode, begun.VerificationURI); err != nil {
		return nil, err
	}
	// She has answered, so the first poll is the last and need not wait as long as
	// the provider said. The library takes its interval for a time-out too.
	tokens, err := zitadel.DeviceAccessToken(ctx, begun.DeviceCode, time.Second, party)
	if err != nil {
		return nil, fmt.Errorf("polling: %w", err)
	}
	return zitadel.VerifyTokens[*zitadeloidc.IDTokenClaims](ctx, tokens.AccessToken, tokens.IDToken, party.IDTokenVerifier())
}

func (app LegacyApp) zitadel(ctx context.Context) (zitadel.RelyingParty, error) {
	var seal [32]byte
	if _, err := rand.Read(seal[:]); err != nil {
		panic(err) // documented never to happen
	}
	cookies := httphelper.NewCookieHandler(seal[:], seal[:], httphelper.WithUnsecure()) // the app is plain HTTP on loopback
	style := oauth2.AuthStyleInHeader
	if app.SecretInBody {
		style = oauth2.AuthStyleInParams
	}
	party, err := zitadel.NewRelyingPartyOIDC(ctx, app.Issuer, app.ClientID, app.ClientSecret, app.RedirectURI,
		append([]string{zitadeloidc.ScopeOpenID}, app.Scopes...),
		zitadel.WithPKCEFromDiscovery(cookies), zitadel.WithSigningAlgsFromDiscovery(), zitadel.WithAuthStyle(style))
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	return party, nil
}
