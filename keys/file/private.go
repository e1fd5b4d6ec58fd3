package file

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"hopnhat/keys"
)

// The pseudo-algorithms of secret keys in file names.
const (
	hmacKey = keys.Algorithm("HMAC")
	aeadKey = keys.Algorithm("AES256")
)

// algorithm is how a key's files are named.
func algorithm(spec keys.Spec) keys.Algorithm {
	switch spec.Kind {
	case keys.Deriving:
		return hmacKey
	case keys.Wrapping:
		return aeadKey
	}
	return spec.Algorithm
}

// generate makes a private key: PKCS #8, or 32 bytes of a secret one.
func generate(alg keys.Algorithm) ([]byte, error) {
	var key any
	var err error
	switch alg {
	case keys.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case keys.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case keys.PS256, keys.RS256:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case keys.RSAOAEP256:
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	case hmacKey, aeadKey:
		secret := make([]byte, 32)
		_, err := rand.Read(secret)
		return secret, err
	default:
		return nil, fmt.Errorf("algorithm %q is not supported", alg)
	}
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

func sign(private crypto.PrivateKey, alg keys.Algorithm, input []byte) ([]byte, error) {
	digest := sha256.Sum256(input)
	switch key := private.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			return nil, err
		}
		out := make([]byte, 64) // RFC 7518 §3.4
		r.FillBytes(out[:32])
		s.FillBytes(out[32:])
		return out, nil
	case ed25519.PrivateKey:
		return ed25519.Sign(key, input), nil
	case *rsa.PrivateKey:
		switch alg {
		case keys.PS256:
			return rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		case keys.RS256:
			return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		}
	}
	return nil, errors.New("a key that does not sign")
}
