package token

import (
	"context"
	"errors"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
)

// Notices makes the tokens that tell an app of an event: that a session ended, or a
// consent.
type Notices struct {
	Signer     *Signer
	Pseudonyms Pseudonyms
	Now        func() time.Time
}

// logoutEvent is the one event of a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutLife is as short as Back-Channel Logout §2.4 advises.
const logoutLife = 2 * time.Minute

// LogoutToken makes a token of Back-Channel Logout §2.4 for one app: signed as its
// ID tokens are, and encrypted if they are. It has both sub and sid, and no nonce.
// authz.ErrNotFound means that the app is no longer registered.
func (n *Notices) LogoutToken(ctx context.Context, to authz.ClientID, subject authz.Subject, session authz.SessionID) (string, error) {
	client, err := n.Signer.Directory.Client(ctx, to)
	if errors.Is(err, clientauth.ErrUnknownClient) {
		return "", authz.ErrNotFound
	}
	if err != nil {
		return "", err
	}
	sub, err := n.Pseudonyms.Pairwise(ctx, client.Sector, subject)
	if err != nil {
		return "", KeysError(err)
	}
	now := n.Now()
	signed, err := n.Signer.Sign(ctx, OrES256(client.SigningAlg), "logout+jwt", map[string]any{
		"iss": n.Signer.Issuer, "sub": sub, "aud": client.ID, "iat": now.Unix(), "exp": now.Add(logoutLife).Unix(), "jti": authz.NewID(),
		"sid": n.Pseudonyms.SID(session, client.ID), "events": map[string]any{logoutEvent: struct{}{}},
	})
	if err != nil {
		return "", err
	}
	return n.Signer.EncryptedFor(ctx, client, client.IDTokenEncryption, signed)
}

// WithdrawnEvent is the event of the notice that a person withdrew her consent.
const WithdrawnEvent = "urn:vn:gov:eid:event:consent-withdrawn"

// Withdrawn is what an app is told of a consent that was withdrawn.
type Withdrawn struct {
	// ID is that of the notice, the same in each attempt.
	ID      string
	Client  authz.ClientID
	Subject authz.Subject
	// Reference is the consent_reference that the app was granted it by.
	Reference string
	Purpose   authz.PurposeID
	Registry  authz.RegistryID
	At        time.Time
	// ProcessBy is until when the app must have acted on it.
	ProcessBy time.Time
}

// ConsentNotice makes a security event token (RFC 8417 §2) for one app: signed as its
// ID tokens are, and encrypted if they are. It has no exp (§2.2) and a typ of its own,
// so that it is taken for nothing else (§4). authz.ErrNotFound means that the app is
// registered no more.
func (n *Notices) ConsentNotice(ctx context.Context, w Withdrawn) (string, error) {
	client, err := n.Signer.Directory.Client(ctx, w.Client)
	if errors.Is(err, clientauth.ErrUnknownClient) {
		return "", authz.ErrNotFound
	}
	if err != nil {
		return "", err
	}
	sub, err := n.Pseudonyms.Pairwise(ctx, client.Sector, w.Subject)
	if err != nil {
		return "", KeysError(err)
	}
	signed, err := n.Signer.Sign(ctx, OrES256(client.SigningAlg), "secevent+jwt", map[string]any{
		"iss": n.Signer.Issuer, "aud": client.ID, "iat": n.Now().Unix(), "jti": w.ID, "toe": w.At.Unix(), "sub": sub,
		"events": map[string]any{WithdrawnEvent: map[string]any{
			"consent_reference": w.Reference, "purpose": w.Purpose, "registry": w.Registry, "process_by": w.ProcessBy.UTC().Format(time.DateOnly),
		}},
	})
	if err != nil {
		return "", err
	}
	return n.Signer.EncryptedFor(ctx, client, client.IDTokenEncryption, signed)
}
