package provider

import (
	"context"
	"errors"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// logoutEvent is the one event of a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutLife is as short as Back-Channel Logout §2.4 advises.
const logoutLife = 2 * time.Minute

// LogoutToken makes a token of Back-Channel Logout §2.4 for one app: signed as its
// ID tokens are, and encrypted if they are. It has both sub and sid, and no nonce.
// authz.ErrNotFound means that the app is no longer registered.
func (p *Provider) LogoutToken(ctx context.Context, to authz.ClientID, subject authz.Subject, session authz.SessionID) (string, error) {
	client, err := p.o.Directory.Client(ctx, to)
	if errors.Is(err, clientauth.ErrUnknownClient) {
		return "", authz.ErrNotFound
	}
	if err != nil {
		return "", err
	}
	sub, err := p.o.Pseudonyms.Pairwise(ctx, client.Sector, subject)
	if err != nil {
		return "", keysError(err)
	}
	now := p.now()
	signed, err := jose.Sign(ctx, p.o.Ring, jose.Token{Use: keys.TokenSigning, Algorithm: orES256(client.SigningAlg), Type: "logout+jwt", Claims: map[string]any{
		"iss": p.o.Issuer, "sub": sub, "aud": client.ID, "iat": now.Unix(), "exp": now.Add(logoutLife).Unix(), "jti": authz.NewID(),
		"sid": p.o.Pseudonyms.SID(session, client.ID), "events": map[string]any{logoutEvent: struct{}{}},
	}})
	if err != nil {
		return "", keysError(err)
	}
	return p.encryptedFor(ctx, client, client.IDTokenEncryption, signed[0])
}
