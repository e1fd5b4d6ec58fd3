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
func (p *Provider) ConsentNotice(ctx context.Context, w Withdrawn) (string, error) {
	client, err := p.o.Directory.Client(ctx, w.Client)
	if errors.Is(err, clientauth.ErrUnknownClient) {
		return "", authz.ErrNotFound
	}
	if err != nil {
		return "", err
	}
	sub, err := p.o.Pseudonyms.Pairwise(ctx, client.Sector, w.Subject)
	if err != nil {
		return "", keysError(err)
	}
	signed, err := jose.Sign(ctx, p.o.Ring, jose.Token{Use: keys.TokenSigning, Algorithm: orES256(client.SigningAlg), Type: "secevent+jwt", Claims: map[string]any{
		"iss": p.o.Issuer, "aud": client.ID, "iat": p.now().Unix(), "jti": w.ID, "toe": w.At.Unix(), "sub": sub,
		"events": map[string]any{WithdrawnEvent: map[string]any{
			"consent_reference": w.Reference, "purpose": w.Purpose, "registry": w.Registry, "process_by": w.ProcessBy.UTC().Format(time.DateOnly),
		}},
	}})
	if err != nil {
		return "", keysError(err)
	}
	return p.encryptedFor(ctx, client, client.IDTokenEncryption, signed[0])
}
