package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"slices"

	gojose "github.com/go-jose/go-jose/v4"

	"hopnhat/keys"
)

// Limits of a JWK Set that a client registers.
const (
	maxSet     = 64 << 10
	maxKeys    = 32
	minRSABits = 2048
	maxRSABits = 4096
	// maxExponent is what crypto/rsa verifies with.
	maxExponent = 1<<31 - 1
)

// Key is one public key of a set.
type Key struct {
	ID        keys.KeyID
	Algorithm keys.Algorithm // empty if the key does not say
	Use       string
	Public    crypto.PublicKey
	// Certificate is the first of x5c, DER; nil without (RFC 7517 §4.7).
	Certificate []byte
}

// fits reports whether a key may check an algorithm: RFC 7517 §4.2, §4.4, and the
// key's own type.
func (k Key) fits(alg keys.Algorithm) bool {
	if k.Use == "enc" || (k.Algorithm != "" && k.Algorithm != alg) {
		return false
	}
	switch k.Public.(type) {
	case *ecdsa.PublicKey:
		return alg == keys.ES256
	case ed25519.PublicKey:
		return alg == keys.EdDSA
	case *rsa.PublicKey:
		return alg == keys.PS256 || alg == keys.RS256
	}
	return false
}

// Set is a JWK Set, RFC 7517 §5. It is immutable and safe for concurrent use.
type Set struct{ keys []Key }

// Len is the number of keys we can use.
func (s *Set) Len() int { return len(s.keys) }

// HasCertificate reports whether a certificate is registered: as the first of a
// key's x5c, byte for byte, or by its key where the JWK has no x5c. A key that is
// only for encryption vouches for nobody.
func (s *Set) HasCertificate(c *x509.Certificate) bool {
	return slices.ContainsFunc(s.keys, func(k Key) bool {
		if k.Use == "enc" {
			return false
		}
		if k.Certificate != nil {
			return bytes.Equal(k.Certificate, c.Raw)
		}
		return samePublic(c.PublicKey, k.Public)
	})
}

// ParseSet reads a JWK Set. Private or symmetric keys are refused; keys of a
// type we do not use are passed over (RFC 7517 §5).
func ParseSet(raw []byte) (*Set, error) {
	if len(raw) > maxSet {
		return nil, invalid("the key set is longer than %d bytes", maxSet)
	}
	if err := CheckJSON(raw); err != nil {
		return nil, invalid("the key set: %v", err)
	}
	var in struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, invalid("the key set is not an object with a list of keys")
	}
	if len(in.Keys) > maxKeys {
		return nil, invalid("the key set has more than %d keys", maxKeys)
	}
	set := &Set{}
	for _, one := range in.Keys {
		k, err := parseKey(one)
		if err != nil {
			return nil, err
		}
		if k.Public != nil {
			set.keys = append(set.keys, k)
		}
	}
	return set, nil
}

// parseKey reads one public JWK; Public is nil for a type or curve not used here.
func parseKey(raw json.RawMessage) (Key, error) {
	var probe struct {
		Type  string          `json:"kty"`
		Curve string          `json:"crv"`
		D     json.RawMessage `json:"d"`
		P     json.RawMessage `json:"p"`
		Q     json.RawMessage `json:"q"`
		DP    json.RawMessage `json:"dp"`
		DQ    json.RawMessage `json:"dq"`
		QI    json.RawMessage `json:"qi"`
		Other json.RawMessage `json:"oth"`
		K     json.RawMessage `json:"k"`
	}
	if err := json.Unmarshal(raw, &probe); err != nil {
		return Key{}, invalid("a key is not a JSON object")
	}
	// RFC 7518 §6.2.2, §6.3.2, §6.4: every member that only a private or a
	// symmetric key has.
	secret := slices.ContainsFunc([]json.RawMessage{probe.D, probe.P, probe.Q, probe.DP, probe.DQ, probe.QI, probe.Other, probe.K},
		func(member json.RawMessage) bool { return member != nil })
	if secret || probe.Type == "oct" {
		return Key{}, invalid("a private or symmetric key does not belong here; register public keys only")
	}
	switch probe.Type + " " + probe.Curve {
	case "EC P-256", "OKP Ed25519", "RSA ":
	default:
		return Key{}, nil
	}
	var jwk gojose.JSONWebKey
	if err := jwk.UnmarshalJSON(raw); err != nil || !jwk.IsPublic() {
		return Key{}, invalid("a key is not a valid public JWK")
	}
	k := Key{ID: keys.KeyID(jwk.KeyID), Algorithm: keys.Algorithm(jwk.Algorithm), Use: jwk.Use, Public: jwk.Key}
	if len(jwk.Certificates) > 0 { // go-jose refuses one whose key is not the JWK's
		k.Certificate = jwk.Certificates[0].Raw
	}
	switch key := jwk.Key.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < minRSABits || n > maxRSABits || key.N.Bit(0) == 0 {
			return Key{}, invalid("an RSA key must have %d to %d bits and be odd", minRSABits, maxRSABits)
		}
		if key.E < 3 || key.E > maxExponent || key.E%2 == 0 { // a verification takes as long as the exponent's bits
			return Key{}, invalid("the exponent of an RSA key must be odd, 3 to %d", maxExponent)
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return Key{}, nil
		}
	}
	return k, nil
}

// MarshalSet writes the public halves of our keys as a JWK Set.
func MarshalSet(published []keys.PublicKey) ([]byte, error) {
	set := gojose.JSONWebKeySet{Keys: []gojose.JSONWebKey{}}
	for _, k := range published {
		use := "sig"
		if k.Use == keys.RequestDecryption {
			use = "enc"
		}
		set.Keys = append(set.Keys, gojose.JSONWebKey{Key: k.Key, KeyID: string(k.KeyID), Algorithm: string(k.Algorithm), Use: use})
	}
	return json.Marshal(set)
}

// Marshal writes the keys of the set that we can use as a JWK Set.
func (s *Set) Marshal() ([]byte, error) {
	set := gojose.JSONWebKeySet{Keys: []gojose.JSONWebKey{}}
	for _, k := range s.keys {
		set.Keys = append(set.Keys, gojose.JSONWebKey{Key: k.Public, KeyID: string(k.ID), Algorithm: string(k.Algorithm), Use: k.Use})
	}
	return json.Marshal(set)
}

// ThumbprintOf is RFC 7638 over a public JWK as it is written.
func ThumbprintOf(raw json.RawMessage) (keys.KeyID, error) {
	k, err := parseKey(raw)
	if err != nil {
		return "", err
	}
	if k.Public == nil {
		return "", invalid("the key is of a type that is not used here")
	}
	return Thumbprint(k.Public)
}

// Thumbprint is RFC 7638 over a public key, base64url.
func Thumbprint(public crypto.PublicKey) (keys.KeyID, error) {
	sum, err := (&gojose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", invalid("the key has no thumbprint")
	}
	return keys.KeyID(base64.RawURLEncoding.EncodeToString(sum)), nil
}
