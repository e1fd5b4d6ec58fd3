package token

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Verifier checks tokens of ours. It is safe for concurrent use.
type Verifier struct {
	Issuer    string
	Ring      keys.Ring
	Opaque    OpaqueKey
	Directory *clientauth.Directory
	Grants    interface {
		Grant(ctx context.Context, id authz.GrantID) (grant.Grant, error)
	}
	Revoked interface {
		TokenRevoked(ctx context.Context, digest []byte) (bool, error)
	}
	Now func() time.Time
}

const maxAccessToken = 16 << 10

// Access checks a token alone, without its presenter.
func (v *Verifier) Access(token string) (AccessClaims, error) {
	invalid := authz.NewError(authz.InvalidToken, "the access token is not one of ours, or expired")
	if len(token) > maxAccessToken {
		return AccessClaims{}, invalid
	}
	if IsOpaque(token) {
		claims, ok := v.Opaque.open(token)
		if !ok || claims.Issuer != v.Issuer || !v.Now().Before(time.Unix(claims.Expires, 0)) {
			return AccessClaims{}, invalid
		}
		return claims, nil
	}
	published, err := v.Ring.Published(keys.TokenSigning)
	if err != nil {
		return AccessClaims{}, authz.AsError(err)
	}
	verified, err := jose.VerifyPublished(token, published, jose.Rule{
		Type: typeAccess, Algorithms: keys.FAPI2Signatures, MaxBytes: maxAccessToken,
	})
	if err != nil {
		return AccessClaims{}, invalid.Because(err)
	}
	var claims AccessClaims
	if err := json.Unmarshal(verified.Claims, &claims); err != nil {
		return AccessClaims{}, invalid.Because(err)
	}
	if claims.Issuer != v.Issuer || !v.Now().Before(time.Unix(claims.Expires, 0)) {
		return AccessClaims{}, invalid
	}
	return claims, nil
}

// ErrRevoked is the error for a token whose grant or app has ended.
func ErrRevoked() *authz.Error {
	return authz.NewError(authz.InvalidToken, "the access token was revoked")
}

// Live checks that a token is still good: that its app is enabled and its grant lives,
// and that a token without a grant, or one that was exchanged, was not revoked itself.
func (v *Verifier) Live(ctx context.Context, claims AccessClaims) (*grant.Grant, error) {
	if err := v.enabled(ctx, claims.ClientID); err != nil {
		return nil, err
	}
	if claims.Grant == "" || claims.Act != nil {
		if err := v.NotRevoked(ctx, claims.ID); err != nil || claims.Grant == "" {
			return nil, err
		}
	}
	g, err := v.Grants.Grant(ctx, claims.Grant)
	if err != nil {
		return nil, authz.NotFoundAs(err, ErrRevoked())
	}
	// An exchanged token is another app's; that it is of this grant we signed.
	if !g.Live(v.Now()) || g.ClientID != claims.ClientID && claims.Act == nil {
		return nil, ErrRevoked()
	}
	if claims.Act != nil {
		// Nobody acts for an app that is disabled.
		return &g, v.enabled(ctx, g.ClientID)
	}
	return &g, nil
}

// enabled returns an error unless the app is registered and enabled: once an operator
// has disabled an app, its tokens are refused. The directory answers from memory.
func (v *Verifier) enabled(ctx context.Context, id authz.ClientID) error {
	_, err := v.Directory.Client(ctx, id)
	if errors.Is(err, clientauth.ErrUnknownClient) {
		return ErrRevoked().Because(err)
	}
	if err != nil {
		return authz.AsError(err)
	}
	return nil
}

// NotRevoked returns an error if one token was revoked by itself, without its grant.
func (v *Verifier) NotRevoked(ctx context.Context, jti string) error {
	digest := sha256.Sum256([]byte(jti))
	revoked, err := v.Revoked.TokenRevoked(ctx, digest[:])
	if err != nil {
		return authz.AsError(err)
	}
	if revoked {
		return ErrRevoked()
	}
	return nil
}
