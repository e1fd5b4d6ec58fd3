package token

import (
	"context"
	"errors"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Signer signs what leaves in the name of the issuer, and encrypts it for an app that
// wants that.
type Signer struct {
	Issuer    string
	Ring      keys.Ring
	Directory *clientauth.Directory
}

// Sign makes a JWT of a type.
func (s *Signer) Sign(ctx context.Context, algorithm keys.Algorithm, typ string, claims any) (string, error) {
	signed, err := s.signAll(ctx, jose.Token{Use: keys.TokenSigning, Algorithm: algorithm, Type: typ, Claims: claims})
	if err != nil {
		return "", err
	}
	return signed[0], nil
}

// signAll makes several JWTs in one signing call.
func (s *Signer) signAll(ctx context.Context, tokens ...jose.Token) ([]string, error) {
	signed, err := jose.Sign(ctx, s.Ring, tokens...)
	if err != nil {
		return nil, KeysError(err)
	}
	return signed, nil
}

// OrES256 is the algorithm an app registered, or the default.
func OrES256(registered string) keys.Algorithm {
	if registered == "" {
		return keys.ES256
	}
	return keys.Algorithm(registered)
}

// EncryptedFor encrypts what was signed where the app wants it.
func (s *Signer) EncryptedFor(ctx context.Context, client *clientauth.Registered, e authz.Encryption, signed string) (string, error) {
	if !e.Wanted() {
		return signed, nil
	}
	to, err := s.Directory.Keys(ctx, client)
	if err != nil {
		return "", authz.AsError(err)
	}
	encrypted, err := jose.Encrypt(signed, to, e.Algorithm, e.Content)
	if err != nil { // the registration was checked: its keys have changed since
		return "", authz.AsError(err)
	}
	return encrypted, nil
}

// KeysError is the error for keys that could not be used: nothing was signed and nothing
// spent, so the client may ask again.
func KeysError(err error) error {
	if errors.Is(err, keys.ErrUnavailable) {
		return (&authz.Error{
			Code: authz.TemporarilyUnavailable, RetryAfter: 2 * time.Second,
			Description: "the signing keys are not available at the moment; nothing was spent, send the same request again",
		}).Because(err)
	}
	return authz.AsError(err)
}
