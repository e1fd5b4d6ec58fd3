package suite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are the signatures that the suite can check.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.HS256,
}

// Key is a private key of a client.
type Key struct{ jose.JSONWebKey }

// Public is its public half.
func (k Key) Public() jose.JSONWebKey { return k.JSONWebKey.Public() }

// keyPool makes keys once: RSA keys take long.
var keyPool struct {
	sync.Mutex
	keys map[string]Key
}

// NewKey is a key for an algorithm. Keys of the same algorithm and name are the same
// key all through the program.
func NewKey(algorithm, name string) (Key, error) {
	keyPool.Lock()
	defer keyPool.Unlock()
	id := algorithm + "-" + name
	if k, ok := keyPool.keys[id]; ok {
		return k, nil
	}
	var private any
	var err error
	switch jose.SignatureAlgorithm(algorithm) {
	case jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.ES512:
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case jose.EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no key can be made for algorithm %q", algorithm)
	}
	if err != nil {
		return Key{}, err
	}
	k := Key{jose.JSONWebKey{Key: private, KeyID: id, Algorithm: algorithm, Use: "sig"}}
	if keyPool.keys == nil {
		keyPool.keys = map[string]Key{}
	}
	keyPool.keys[id] = k
	return k, nil
}

// Sign makes a compact JWS of claims.
func (k Key) Sign(typ string, claims Claims) (string, error) {
	options := &jose.SignerOptions{}
	if typ != "" {
		options.WithType(jose.ContentType(typ))
	}
	return sign(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: k.JSONWebKey}, options, claims)
}

func sign(key jose.SigningKey, options *jose.SignerOptions, claims Claims) (string, error) {
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	object, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return object.CompactSerialize()
}

// Unsigned makes a JWT of algorithm none (RFC 7519 §6).
func Unsigned(claims Claims) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err) // claims are made of texts and numbers
	}
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
}

// Peek reads a JWT's header and claims, whoever made it.
func Peek(token string) (header, claims Claims, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil, fmt.Errorf("not a compact JWS: %d parts", len(parts))
	}
	for i, into := range []*Claims{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, nil, fmt.Errorf("part %d is not base64url: %w", i+1, err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return nil, nil, fmt.Errorf("part %d is no JSON object: %w", i+1, err)
		}
	}
	return header, claims, nil
}

// KeySet is a provider's JWK Set.
type KeySet struct{ jose.JSONWebKeySet }

// fitting are the keys that a signature with this header may have been made with.
func (s *KeySet) fitting(kid, algorithm string) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for _, k := range s.Keys {
		if (kid == "" || k.KeyID == kid) && (k.Use == "" || k.Use == "sig") && (k.Algorithm == "" || k.Algorithm == algorithm) &&
			keyType(k.Key) == keyTypeOf(algorithm) {
			found = append(found, k)
		}
	}
	return found
}

func keyType(key any) string {
	switch key.(type) {
	case *rsa.PublicKey:
		return "RSA"
	case *ecdsa.PublicKey:
		return "EC"
	case ed25519.PublicKey:
		return "OKP"
	}
	return ""
}

func keyTypeOf(algorithm string) string {
	switch {
	case strings.HasPrefix(algorithm, "RS"), strings.HasPrefix(algorithm, "PS"):
		return "RSA"
	case strings.HasPrefix(algorithm, "ES"):
		return "EC"
	case algorithm == "EdDSA", algorithm == "Ed25519":
		return "OKP"
	}
	return "none"
}

// usual is the algorithm of a key that names none.
func usual(key any) string {
	return map[string]string{"RSA": "PS256", "EC": "ES256", "OKP": "EdDSA"}[keyType(key)]
}

var errNoKey = errors.New("no published key fits its kid and alg")

// verify checks a signature with the set.
func (s *KeySet) verify(token string) error {
	header, _, err := Peek(token)
	if err != nil {
		return err
	}
	if !slices.Contains(algorithms, jose.SignatureAlgorithm(header.Text("alg"))) {
		return fmt.Errorf("algorithm %q", header.Text("alg"))
	}
	object, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return err
	}
	err = errNoKey
	for _, k := range s.fitting(header.Text("kid"), header.Text("alg")) {
		if _, err = object.Verify(k.Key); err == nil {
			return nil
		}
	}
	return err
}

// Half is the left half of a hash, as at_hash and c_hash are made (OpenID Connect
// Core §3.1.3.6, §3.3.2.11).
func Half(algorithm, text string) string {
	var h hash.Hash
	switch {
	case strings.HasSuffix(algorithm, "384"):
		h = sha512.New384()
	case strings.HasSuffix(algorithm, "512"), algorithm == "EdDSA", algorithm == "Ed25519":
		h = sha512.New()
	default:
		h = sha256.New()
	}
	h.Write([]byte(text))
	sum := h.Sum(nil)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// Digest is base64url(SHA-256), as PKCE, ath and thumbprints use it.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Thumbprint is that of RFC 7638.
func (k Key) Thumbprint() string {
	sum, err := k.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err) // keys are of kinds that have one
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// Random is an unguessable text of 43 characters.
func Random() string {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // documented never to happen
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}
