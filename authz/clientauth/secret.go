package clientauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"

	"hopnhat/authz"
)

// methodOf is the method that a secret is presented by.
var methodOf = map[way]authz.AuthMethod{basicHeader: authz.ClientSecretBasic, secretInBody: authz.ClientSecretPost}

// checkSecret is client_secret_basic and client_secret_post (RFC 6749 §2.3.1): one of them
// is registered, and the other is refused.
func (a *Authenticator) checkSecret(c *Registered, secret string, method authz.AuthMethod) error {
	sum := sha256.Sum256([]byte(secret))
	right := subtle.ConstantTimeCompare(sum[:], c.SecretHash) == 1
	expired := !c.SecretExpires.IsZero() && !a.Now().Before(c.SecretExpires)
	switch {
	case c.Method != method || !slices.Contains(c.Profile.AuthMethods, method):
		return errOtherMethod
	case !right:
		return errors.New("wrong secret")
	case expired: // RFC 7591 §3.2.1: client_secret_expires_at
		return errors.New("the secret has expired")
	}
	return nil
}

// errNotPublic means that a client_id alone came of a client that must authenticate.
var errNotPublic = errors.New("the client must authenticate")

// checkPublic lets a public client go by its client_id (RFC 6749 §3.2.1).
func checkPublic(c *Registered) error {
	if c.Method != authz.PublicClient || !slices.Contains(c.Profile.AuthMethods, authz.PublicClient) {
		return errNotPublic
	}
	return nil
}
