package provider

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/delegation"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Access is a checked access token: its signature, its time, its audience, and
// that the caller holds the key it is bound to. It is not yet asked whether its
// grant still lives.
type Access struct {
	ID       string
	Grant    authz.GrantID
	ClientID authz.ClientID
	Subject  authz.Pairwise
	Scope    []string
	Audience []string
	ACR      string
	AuthTime time.Time
	Bound    authz.Confirmation
	// Act is who acts, where the token was exchanged (RFC 8693 §4.1).
	Act      *delegation.Actor
	IssuedAt time.Time
	Expires  time.Time
	// NextNonce is a fresh DPoP nonce for the answer, or empty.
	NextNonce string
}

const maxAccessToken = 16 << 10

// verifyAccess checks a token alone, without its presenter.
func (p *Provider) verifyAccess(token string) (accessClaims, error) {
	invalid := authz.Refuse(authz.InvalidToken, "the access token is not one of ours, or expired")
	if len(token) > maxAccessToken {
		return accessClaims{}, invalid
	}
	if strings.HasPrefix(token, opaquePrefix) {
		claims, ok := p.opaque.open(token)
		if !ok || claims.Issuer != p.o.Issuer || !p.now().Before(time.Unix(claims.Expires, 0)) {
			return accessClaims{}, invalid
		}
		return claims, nil
	}
	published, err := p.o.Ring.Published(keys.TokenSigning)
	if err != nil {
		return accessClaims{}, authz.AsError(err)
	}
	verified, err := jose.VerifyPublished(token, published, jose.Rule{
		Type: typeAccessToken, Algorithms: []keys.Algorithm{keys.ES256, keys.EdDSA, keys.PS256}, MaxBytes: maxAccessToken,
	})
	if err != nil {
		return accessClaims{}, invalid.Because(err)
	}
	var claims accessClaims
	if err := json.Unmarshal(verified.Claims, &claims); err != nil {
		return accessClaims{}, invalid.Because(err)
	}
	if claims.Issuer != p.o.Issuer || !p.now().Before(time.Unix(claims.Expires, 0)) {
		return accessClaims{}, invalid
	}
	return claims, nil
}

// Access checks the token a request presents at one of our resources: scheme
// and token (RFC 6750 §2.1, RFC 9449 §7.1), audience (RFC 9068 §4) and proof.
// target is the URL of the resource without query. Errors are *authz.Error.
func (p *Provider) Access(r *http.Request, token, audience, target string) (Access, error) {
	claims, err := p.verifyAccess(token)
	if err != nil {
		return Access{}, err
	}
	if !slices.Contains(claims.Audience, audience) {
		return Access{}, authz.Refuse(authz.InvalidToken, "the access token is for another audience")
	}
	a := Access{
		ID: claims.ID, Grant: claims.Grant, ClientID: claims.ClientID, Subject: authz.Pairwise(claims.Subject),
		Scope: strings.Fields(claims.Scope), Audience: claims.Audience, ACR: claims.ACR,
		Bound: claims.Confirm, Act: claims.Act, AuthTime: time.Unix(claims.AuthTime, 0).UTC(), IssuedAt: time.Unix(claims.IssuedAt, 0).UTC(), Expires: time.Unix(claims.Expires, 0).UTC(),
	}
	a.NextNonce, err = p.held(r, a.ClientID, a.Bound, token, target)
	return a, err
}

// PresentedToken reads the one access token of a request's Authorization header.
func PresentedToken(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	present := authz.Refuse(authz.InvalidToken, "present one access token in the Authorization header, with scheme DPoP or Bearer")
	switch len(headers) {
	case 0:
		return "", present.Because(authz.ErrNoToken)
	case 1:
	default:
		return "", present
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "DPoP") && !strings.EqualFold(scheme, "Bearer") {
		return "", present.Because(authz.ErrNoToken)
	}
	if token = strings.TrimSpace(token); token == "" {
		return "", present
	}
	return token, nil
}

// ended is the error for a token whose grant or app has ended.
func ended() *authz.Error { return authz.Refuse(authz.InvalidToken, "the access token was revoked") }

// live checks that a token is still good: that its app is enabled and its grant lives,
// and that a token without a grant, or one that was exchanged, was not revoked itself.
func (p *Provider) live(ctx context.Context, claims accessClaims) (*Grant, error) {
	if err := p.enabled(ctx, claims.ClientID); err != nil {
		return nil, err
	}
	if claims.Grant == "" || claims.Act != nil {
		if err := p.notRevoked(ctx, claims.ID); err != nil || claims.Grant == "" {
			return nil, err
		}
	}
	g, err := p.o.Grants.Grant(ctx, claims.Grant)
	if err != nil {
		return nil, authz.NotFoundAs(err, ended())
	}
	// An exchanged token is another app's; that it is of this grant we signed.
	if !g.Live(p.now()) || g.ClientID != claims.ClientID && claims.Act == nil {
		return nil, ended()
	}
	if claims.Act != nil {
		// Nobody acts for an app that is disabled.
		return &g, p.enabled(ctx, g.ClientID)
	}
	return &g, nil
}

// enabled returns an error unless the app is registered and enabled: once an operator
// has disabled an app, its tokens are refused. The directory answers from memory.
func (p *Provider) enabled(ctx context.Context, id authz.ClientID) error {
	_, err := p.o.Directory.Client(ctx, id)
	if errors.Is(err, clientauth.ErrUnknownClient) {
		return ended().Because(err)
	}
	if err != nil {
		return authz.AsError(err)
	}
	return nil
}

// notRevoked returns an error if one token was revoked by itself, without its grant.
func (p *Provider) notRevoked(ctx context.Context, jti string) error {
	digest := sha256.Sum256([]byte(jti))
	revoked, err := p.o.Grants.TokenRevoked(ctx, digest[:])
	if err != nil {
		return authz.AsError(err)
	}
	if revoked {
		return ended()
	}
	return nil
}

// BrokerAccess checks the token of a request at the broker.
func (p *Provider) BrokerAccess(r *http.Request) (Access, error) {
	token, err := PresentedToken(r)
	if err != nil {
		return Access{}, err
	}
	a, err := p.Access(r, token, p.url.Broker, p.url.Here(r, r.URL.Path))
	if err != nil {
		return Access{}, err
	}
	switch {
	case a.Grant == "":
		return Access{}, authz.Refuse(authz.InvalidToken, "the broker takes tokens of a person's grant")
	case !a.Bound.Bound():
		return Access{}, authz.Refuse(authz.InvalidToken, "the broker takes no bearer tokens: ask for one that is bound to a DPoP key (RFC 9449) or a client certificate (RFC 8705)")
	}
	if a.Act != nil {
		// The grant is read with the release; that this one token was revoked by
		// the app that acts is asked here.
		return a, p.notRevoked(r.Context(), a.ID)
	}
	return a, nil
}

// Nonce is a fresh DPoP nonce, for answers of the broker.
func (p *Provider) Nonce() string { return p.o.Proofs.Nonce() }
