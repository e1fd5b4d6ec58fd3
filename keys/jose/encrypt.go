package jose

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	gojose "github.com/go-jose/go-jose/v4"

	"hopnhat/keys"
)

// The algorithms of encryption, RFC 7518 §4.1 and §5.1. RSA1_5 is not among them
// (RFC 8725 §3.2), nor anything symmetric or from a password.
var (
	KeyManagement     = []string{"ECDH-ES", "ECDH-ES+A256KW", "RSA-OAEP-256"}
	ContentEncryption = []string{"A256GCM", "A128GCM", "A128CBC-HS256", "A256CBC-HS512"}
)

// CheckEncryption returns an error unless both algorithms are ours and the set has a
// key for them.
func CheckEncryption(to *Set, algorithm, content string) error {
	if !slices.Contains(KeyManagement, algorithm) || !slices.Contains(ContentEncryption, content) {
		return invalid("encryption is offered with one of %v and one of %v", KeyManagement, ContentEncryption)
	}
	if to == nil {
		return invalid("there is no key to encrypt to")
	}
	if _, ok := to.recipient(algorithm); !ok {
		return invalid("the key set has no key to encrypt to with %s", algorithm)
	}
	return nil
}

// recipient is the first key of a set that an algorithm can encrypt to: one that
// says use=enc before one that says nothing.
func (s *Set) recipient(algorithm string) (Key, bool) {
	fits := func(k Key) bool {
		if k.Use == "sig" || k.Algorithm != "" && string(k.Algorithm) != algorithm {
			return false
		}
		switch k.Public.(type) {
		case *ecdsa.PublicKey:
			return strings.HasPrefix(algorithm, "ECDH-ES")
		case *rsa.PublicKey:
			return algorithm == string(keys.RSAOAEP256)
		}
		return false
	}
	for _, use := range []string{"enc", ""} {
		for _, k := range s.keys {
			if k.Use == use && fits(k) {
				return k, true
			}
		}
	}
	return Key{}, false
}

// Encrypt makes a JWE of a signed JWT for a client: signed, then encrypted
// (RFC 7519 §11.2, cty JWT).
func Encrypt(signed string, to *Set, algorithm, content string) (string, error) {
	if err := CheckEncryption(to, algorithm, content); err != nil {
		return "", err
	}
	key, _ := to.recipient(algorithm)
	encrypter, err := gojose.NewEncrypter(gojose.ContentEncryption(content),
		gojose.Recipient{Algorithm: gojose.KeyAlgorithm(algorithm), Key: key.Public, KeyID: string(key.ID)},
		(&gojose.EncrypterOptions{}).WithType("JWT").WithContentType("JWT"))
	if err != nil {
		return "", invalid("encrypting: %v", err)
	}
	object, err := encrypter.Encrypt([]byte(signed))
	if err != nil {
		return "", invalid("encrypting: %v", err)
	}
	return object.CompactSerialize()
}

// Unwrapper is the part of a keyring that decrypts: see keys.Ring.
type Unwrapper interface {
	Decrypting(id keys.KeyID) (keys.Handle, error)
	Unwrap(ctx context.Context, key keys.Handle, encrypted []byte) ([]byte, error)
}

// encryptedHeader has the members of a JWE that we act on.
type encryptedHeader struct {
	Algorithm string          `json:"alg"`
	Content   string          `json:"enc"`
	KeyID     keys.KeyID      `json:"kid"`
	Type      string          `json:"cty"`
	Zip       json.RawMessage `json:"zip"`
	Critical  json.RawMessage `json:"crit"`
	JWK       json.RawMessage `json:"jwk"`
	JKU       json.RawMessage `json:"jku"`
	X5U       json.RawMessage `json:"x5u"`
	X5C       json.RawMessage `json:"x5c"`
}

// IsEncrypted tells a compact JWE from a compact JWS by its five parts.
func IsEncrypted(token string) bool { return strings.Count(token, ".") == 4 }

// Decrypt opens a JWE that was made for one of our published keys and gives the
// signed JWT in it. RSA-OAEP-256 only, named by kid; no compression, which would
// let a short text become a long one. Errors: ErrInvalid, keys.ErrUnavailable.
func Decrypt(ctx context.Context, with Unwrapper, token string, maxBytes int) (string, error) {
	if len(token) > maxBytes {
		return "", invalid("longer than %d bytes", maxBytes)
	}
	head, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(head)
	if err != nil || !IsEncrypted(token) {
		return "", invalid("not a compact JWE")
	}
	if err := CheckJSON(raw); err != nil {
		return "", invalid("the header: %v", err)
	}
	var h encryptedHeader
	if err := json.Unmarshal(raw, &h); err != nil {
		return "", invalid("the header has a member of a wrong type")
	}
	switch {
	case h.Algorithm != string(keys.RSAOAEP256):
		return "", invalid("encrypt with RSA-OAEP-256")
	case !slices.Contains(ContentEncryption, h.Content):
		return "", invalid("its enc is not one of %v", ContentEncryption)
	case h.Zip != nil || h.Critical != nil:
		return "", invalid("zip and crit are not understood")
	case h.JWK != nil || h.JKU != nil || h.X5U != nil || h.X5C != nil:
		return "", invalid("jwk, jku, x5u and x5c have no place here")
	case h.Type != "" && !strings.EqualFold(h.Type, "JWT"):
		return "", invalid("cty must be JWT")
	}
	key, err := with.Decrypting(h.KeyID)
	if errors.Is(err, keys.ErrNotOurs) {
		return "", invalid("kid names no key of ours to encrypt to; fetch the JWK Set anew")
	}
	if err != nil {
		return "", err
	}
	object, err := gojose.ParseEncryptedCompact(token, []gojose.KeyAlgorithm{gojose.RSA_OAEP_256}, contentAlgorithms())
	if err != nil {
		return "", invalid("not a compact JWE")
	}
	content := &contentKey{ctx: ctx, with: with, key: key, size: contentKeySizes[h.Content]}
	plain, err := object.Decrypt(content)
	switch {
	case content.outage != nil:
		return "", content.outage
	case err != nil:
		return "", invalid("it does not decrypt")
	}
	return string(plain), nil
}

func contentAlgorithms() []gojose.ContentEncryption {
	out := make([]gojose.ContentEncryption, len(ContentEncryption))
	for i, enc := range ContentEncryption {
		out[i] = gojose.ContentEncryption(enc)
	}
	return out
}

// contentKeySizes in bytes, RFC 7518 §5.1.
var contentKeySizes = map[string]int{"A128GCM": 16, "A256GCM": 32, "A128CBC-HS256": 32, "A256CBC-HS512": 64}

// contentKey lets go-jose decrypt with a key that stays in the keyring.
type contentKey struct {
	ctx    context.Context
	with   Unwrapper
	key    keys.Handle
	size   int
	outage error
}

// DecryptKey unwraps. Where that fails a random key takes the place, so that the
// content fails instead and nobody learns which of the two it was (RFC 7516
// §11.5).
func (c *contentKey) DecryptKey(encrypted []byte, _ gojose.Header) ([]byte, error) {
	if len(encrypted) > maxRSABits/8 {
		encrypted = nil // fails as any other, and is not sent to a key store
	}
	plain, err := c.with.Unwrap(c.ctx, c.key, encrypted)
	if err == nil && len(plain) == c.size {
		return plain, nil
	}
	if err != nil && !errors.Is(err, keys.ErrNotOurs) {
		c.outage = err
		return nil, err
	}
	random := make([]byte, c.size)
	_, err = rand.Read(random)
	return random, err
}
