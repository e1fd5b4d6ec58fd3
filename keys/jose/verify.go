package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync/atomic"

	"hopnhat/keys"
)

// Rule says what a token must be.
type Rule struct {
	// Type is the `typ` a token must have, compared as RFC 7515 §4.1.9 says;
	// empty lets only JWT or none through.
	Type string
	// Lenient lets JWT or no `typ` pass too, for tokens older than their type.
	Lenient    bool
	Algorithms []keys.Algorithm
	MaxBytes   int // 16 KiB if zero
}

// Verified is a token whose signature is good. Its claims are not judged yet.
type Verified struct {
	Type   string
	KeyID  keys.KeyID
	Claims json.RawMessage
}

// ErrInvalid is what every refusal of this package wraps.
var ErrInvalid = errors.New("invalid JWS")

// ErrNoKey is the refusal of a token that may be good, were the keys others: no
// key of the set made it. It wraps ErrInvalid.
var ErrNoKey = fmt.Errorf("%w: no key of the set with this kid and algorithm made the signature", ErrInvalid)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// parsed is a compact JWS taken apart, not verified.
type parsed struct {
	head      receivedHeader
	input     []byte // what was signed
	claims    json.RawMessage
	signature []byte
}

// receivedHeader has the members we act on. `jku`, `x5u` and `x5c` are refused:
// keys come from the registration and nowhere else (RFC 8725 §3.10).
type receivedHeader struct {
	Algorithm keys.Algorithm  `json:"alg"`
	Type      string          `json:"typ"`
	KeyID     keys.KeyID      `json:"kid"`
	JWK       json.RawMessage `json:"jwk"`
	Critical  json.RawMessage `json:"crit"`
	JKU       json.RawMessage `json:"jku"`
	X5U       json.RawMessage `json:"x5u"`
	X5C       json.RawMessage `json:"x5c"`
	Base64    json.RawMessage `json:"b64"`
	// OpenID Federation 1.0 §4.3, §4.4.
	TrustChain     json.RawMessage `json:"trust_chain"`
	PeerTrustChain json.RawMessage `json:"peer_trust_chain"`
}

// Received is a compact JWS that keeps to a rule, and whose signature is not verified:
// for tokens that name the keys to verify them with, as statements of a federation do.
type Received struct {
	p parsed
	// made is the key that was found to have made the signature: what was verified with it once
	// is not verified with it again.
	made atomic.Pointer[Key]
}

// Receive takes a compact JWS apart.
func Receive(token string, rule Rule) (*Received, error) {
	p, err := parse(token, rule)
	if err != nil {
		return nil, err
	}
	if p.head.JWK != nil {
		return nil, invalid("a key in the header is not accepted here")
	}
	return &Received{p: p}, nil
}

// Claims is the payload, which nothing vouches for yet.
func (r *Received) Claims() json.RawMessage { return r.p.claims }

// Type is the `typ` as it was sent.
func (r *Received) Type() string { return r.p.head.Type }

// KeyID is the `kid`, empty if there is none.
func (r *Received) KeyID() keys.KeyID { return r.p.head.KeyID }

// Algorithm is that of the signature.
func (r *Received) Algorithm() keys.Algorithm { return r.p.head.Algorithm }

// HasTrustChain reports whether one of the headers trust_chain and peer_trust_chain is
// there (OpenID Federation 1.0 §4.3, §4.4).
func (r *Received) HasTrustChain() bool {
	return r.p.head.TrustChain != nil || r.p.head.PeerTrustChain != nil
}

// VerifyNamed checks the signature with the key that the `kid` names, and returns
// [ErrNoKey] if no key or more than one of the set has it, or if it did not sign.
func (r *Received) VerifyNamed(set *Set) error {
	var named []Key
	for _, k := range set.keys {
		if k.ID == r.p.head.KeyID {
			named = append(named, k)
		}
	}
	if r.p.head.KeyID == "" || len(named) != 1 || !named[0].fits(r.p.head.Algorithm) {
		return ErrNoKey
	}
	if made := r.made.Load(); made != nil && samePublic(made.Public, named[0].Public) {
		return nil
	}
	if !check(named[0].Public, r.p) {
		return ErrNoKey
	}
	r.made.Store(&named[0])
	return nil
}

func parse(token string, rule Rule) (parsed, error) {
	limit := rule.MaxBytes
	if limit == 0 {
		limit = 16 << 10
	}
	if len(token) > limit {
		return parsed{}, invalid("longer than %d bytes", limit)
	}
	if strings.Count(token, ".") != 2 {
		return parsed{}, invalid("not a compact JWS of three parts")
	}
	parts := strings.Split(token, ".")
	strict := base64.RawURLEncoding.Strict()
	head, err := strict.DecodeString(parts[0])
	if err != nil {
		return parsed{}, invalid("the header is not base64url")
	}
	claims, err := strict.DecodeString(parts[1])
	if err != nil {
		return parsed{}, invalid("the payload is not base64url")
	}
	p := parsed{input: []byte(token[:len(parts[0])+1+len(parts[1])]), claims: claims}
	if p.signature, err = strict.DecodeString(parts[2]); err != nil {
		return parsed{}, invalid("the signature is not base64url")
	}
	if err := checkJSON(head, headerNames); err != nil {
		return parsed{}, invalid("the header: %v", err)
	}
	if err := json.Unmarshal(head, &p.head); err != nil {
		return parsed{}, invalid("the header has a member of a wrong type")
	}
	if err := checkJSON(claims, claimNames); err != nil {
		return parsed{}, invalid("the payload: %v", err)
	}
	switch {
	case len(claims) == 0 || claims[0] != '{':
		return parsed{}, invalid("the payload is not a JSON object")
	case p.head.Critical != nil || p.head.Base64 != nil:
		return parsed{}, invalid("crit or b64 is not understood")
	case p.head.JKU != nil || p.head.X5U != nil || p.head.X5C != nil:
		return parsed{}, invalid("keys are not taken from jku, x5u or x5c")
	case !slices.Contains(rule.Algorithms, p.head.Algorithm):
		return parsed{}, invalid("its alg is not one of %v", rule.Algorithms)
	case !typeOK(p.head.Type, rule.Type) && !(rule.Lenient && typeOK(p.head.Type, "")):
		return parsed{}, invalid("its typ is not %q", or(rule.Type, "JWT"))
	}
	return p, nil
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// typeOK: RFC 7515 §4.1.9 lets "application/" be left out, and media types
// compare without case.
func typeOK(got, want string) bool {
	got = strings.TrimPrefix(strings.ToLower(got), "application/")
	if want == "" {
		return got == "" || got == "jwt"
	}
	return got == strings.ToLower(want)
}

// Unsigned reads a JWT with alg none (RFC 7519 §6). Nothing vouches for its claims:
// it is for what might as well have come without a JWT, and never a token.
func Unsigned(token string, maxBytes int) (json.RawMessage, error) {
	p, err := parse(token, Rule{Type: "oauth-authz-req+jwt", Lenient: true, Algorithms: []keys.Algorithm{"none"}, MaxBytes: maxBytes})
	switch {
	case err != nil:
		return nil, err
	case len(p.signature) > 0:
		return nil, invalid("alg is none and there is a signature")
	}
	return p.claims, nil
}

// Verify checks a token against a set of keys.
func Verify(token string, set *Set, rule Rule) (Verified, error) {
	p, err := parse(token, rule)
	if err != nil {
		return Verified{}, err
	}
	if p.head.JWK != nil {
		return Verified{}, invalid("a key in the header is not accepted here")
	}
	tried := 0
	for _, k := range set.keys {
		if p.head.KeyID != "" && k.ID != p.head.KeyID || !k.fits(p.head.Algorithm) {
			continue
		}
		if tried++; tried > maxTried {
			break
		}
		if check(k.Public, p) {
			return Verified{p.head.Type, p.head.KeyID, p.claims}, nil
		}
	}
	return Verified{}, ErrNoKey
}

// maxTried bounds how many keys of a set are tried for one token, since whoever
// sends it is not known before: with several keys a kid must be there (OpenID
// Connect Core §10.1), and kids should differ (RFC 7517 §4.5). A few are let pass
// for those who change keys and name none.
const maxTried = 4

// VerifyPublished checks a token of ours against the keys we published.
func VerifyPublished(token string, published []keys.PublicKey, rule Rule) (Verified, error) {
	p, err := parse(token, rule)
	if err != nil {
		return Verified{}, err
	}
	for _, k := range published {
		if k.KeyID == p.head.KeyID && k.Algorithm == p.head.Algorithm && check(k.Key, p) {
			return Verified{p.head.Type, p.head.KeyID, p.claims}, nil
		}
	}
	return Verified{}, invalid("no published key made the signature")
}

// VerifyEmbedded checks a token that carries its own public key in the header
// (RFC 9449 §4.2) and returns the key's RFC 7638 thumbprint.
func VerifyEmbedded(token string, rule Rule) (Verified, string, error) {
	p, err := parse(token, rule)
	if err != nil {
		return Verified{}, "", err
	}
	if p.head.JWK == nil {
		return Verified{}, "", invalid("no jwk in the header")
	}
	k, err := parseKey(p.head.JWK)
	if err != nil {
		return Verified{}, "", err
	}
	if !k.fits(p.head.Algorithm) || !check(k.Public, p) {
		return Verified{}, "", invalid("the jwk did not make the signature")
	}
	thumbprint, err := Thumbprint(k.Public)
	return Verified{p.head.Type, p.head.KeyID, p.claims}, string(thumbprint), err
}

// samePublic reports whether two public keys are one key.
func samePublic(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

// check verifies a signature; the key's type decides, never the header alone.
func check(public crypto.PublicKey, p parsed) bool {
	digest := sha256.Sum256(p.input)
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		if p.head.Algorithm != keys.ES256 || key.Curve != elliptic.P256() || len(p.signature) != 64 {
			return false
		}
		r, s := new(big.Int).SetBytes(p.signature[:32]), new(big.Int).SetBytes(p.signature[32:])
		return ecdsa.Verify(key, digest[:], r, s)
	case ed25519.PublicKey:
		return p.head.Algorithm == keys.EdDSA && ed25519.Verify(key, p.input, p.signature)
	case *rsa.PublicKey:
		switch p.head.Algorithm {
		case keys.PS256:
			return rsa.VerifyPSS(
				key, crypto.SHA256, digest[:], p.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash},
			) == nil
		case keys.RS256:
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], p.signature) == nil
		}
	}
	return false
}

// PeekIssuer reads `iss` of a compact JWS before its signature can be checked:
// only to know whose key to check it with.
func PeekIssuer(token string) (string, error) { return PeekClaim(token, "iss") }

// PeekClaim reads a claim of a compact JWS, a text that is not empty, before its signature
// can be checked: only to know how to check it.
func PeekClaim(token, name string) (string, error) {
	if strings.Count(token, ".") != 2 {
		return "", invalid("not a compact JWS of three parts")
	}
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", invalid("the payload is not base64url")
	}
	var claims map[string]json.RawMessage
	var text string
	if json.Unmarshal(payload, &claims) != nil || json.Unmarshal(claims[name], &text) != nil || text == "" {
		return "", invalid("the payload has no %s", name)
	}
	return text, nil
}

// PeekTrustChains reads the headers trust_chain and peer_trust_chain of a compact JWS
// before its signature can be checked (OpenID Federation 1.0 §4.3, §4.4): only to learn
// whose key to check it with. What has neither header gives nothing and no error, whatever
// else it is.
func PeekTrustChains(token string) (chain, peer []string, err error) {
	if strings.Count(token, ".") != 2 {
		return nil, nil, nil
	}
	head, err := base64.RawURLEncoding.Strict().DecodeString(token[:strings.IndexByte(token, '.')])
	if err != nil || !strings.Contains(string(head), "trust_chain") {
		return nil, nil, nil
	}
	if err := checkJSON(head, headerNames); err != nil {
		return nil, nil, invalid("the header: %v", err)
	}
	var h struct {
		Chain []string `json:"trust_chain"`
		Peer  []string `json:"peer_trust_chain"`
	}
	if err := json.Unmarshal(head, &h); err != nil {
		return nil, nil, invalid("trust_chain and peer_trust_chain are lists of statements")
	}
	if h.Chain == nil && h.Peer != nil {
		return nil, nil, invalid("peer_trust_chain stands without trust_chain")
	}
	return h.Chain, h.Peer, nil
}
