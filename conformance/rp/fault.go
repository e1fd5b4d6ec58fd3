package rp

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

// Fault is what the provider does wrong in one sign-in. The zero fault is none.
type Fault struct {
	// Metadata changes the discovery document, Discovery answers instead of it.
	Metadata  func(*SignIn, suite.Claims)
	Discovery func(*SignIn, http.ResponseWriter, *http.Request)
	// Keys are published besides the usual ones; Only are published instead of them.
	Keys, Only []suite.Key
	// Key is what everything is signed with that has no signature of its own here.
	Key *suite.Key
	// Silent answers a request for the keys with 503, this many times.
	Silent int

	// Response changes the authorization response, JARM its claims where it is
	// signed, SignJARM how.
	Response func(*SignIn, map[string]string)
	// Plain leaves out the signature that the app asked for.
	Plain    bool
	JARM     func(*SignIn, suite.Claims)
	SignJARM signature

	// ID changes the ID token, SignID how it is signed; Token the rest of the token
	// response; Hold never gives it.
	ID     func(*SignIn, suite.Claims)
	SignID signature
	Token  func(*SignIn, suite.Claims)
	Hold   bool

	// Info changes UserInfo, SignInfo how it is signed; PlainInfo leaves out the
	// signature that was registered.
	Info      func(*SignIn, suite.Claims)
	SignInfo  signature
	PlainInfo bool

	// Refresh changes the ID token of a refresh; with NoRefreshID there is none.
	Refresh     func(*SignIn, suite.Claims)
	NoRefreshID bool

	// Nonce demands DPoP nonces: at "par", "token", "resource". Endless takes none
	// that it gave.
	Nonce   []string
	Endless bool
	// Scheme is how a challenge names DPoP.
	Scheme string
}

// signature makes a JWT of claims.
type signature func(s *SignIn, typ string, claims suite.Claims) (string, error)

func (f signature) or(g signature) signature {
	if f != nil {
		return f
	}
	return g
}

// usual signs with the provider's key.
func usual(s *SignIn, typ string, claims suite.Claims) (string, error) {
	if s.fault.Key != nil {
		return s.fault.Key.Sign(typ, claims)
	}
	return s.trial.provider.keys.usual.Sign(typ, claims)
}

// by signs with another key.
func by(key suite.Key) signature {
	return func(_ *SignIn, typ string, claims suite.Claims) (string, error) { return key.Sign(typ, claims) }
}

// damaged has a signature that was changed on the way.
func damaged(s *SignIn, typ string, claims suite.Claims) (string, error) {
	token, err := usual(s, typ, claims)
	if err != nil {
		return "", err
	}
	at := strings.LastIndexByte(token, '.') + 1
	raw, err := base64.RawURLEncoding.DecodeString(token[at:])
	if err != nil {
		return "", err
	}
	raw[len(raw)/2] ^= 1
	return token[:at] + base64.RawURLEncoding.EncodeToString(raw), nil
}

// unsigned is a JWT of algorithm none.
func unsigned(_ *SignIn, _ string, claims suite.Claims) (string, error) {
	return suite.Unsigned(claims), nil
}

// symmetric signs with HS256 and what everybody can read: the public key's own text.
func symmetric(s *SignIn, typ string, claims suite.Claims) (string, error) {
	public, err := s.trial.provider.keys.usual.Public().MarshalJSON()
	if err != nil {
		return "", err
	}
	return suite.Key{JSONWebKey: jose.JSONWebKey{
		Key: public, KeyID: s.trial.provider.keys.usual.KeyID, Algorithm: string(jose.HS256),
	}}.Sign(typ, claims)
}

// named is a key under another name.
func named(key suite.Key, kid string) suite.Key {
	key.KeyID = kid
	return key
}

// set and without are the smallest changes of claims.
func set(name string, value any) func(*SignIn, suite.Claims) {
	return func(_ *SignIn, c suite.Claims) { c[name] = value }
}

func without(name string) func(*SignIn, suite.Claims) {
	return func(_ *SignIn, c suite.Claims) { delete(c, name) }
}

// shifted moves a time.
func shifted(name string, by time.Duration) func(*SignIn, suite.Claims) {
	return func(_ *SignIn, c suite.Claims) { c[name] = time.Now().Add(by).Unix() }
}

func both(f, g func(*SignIn, suite.Claims)) func(*SignIn, suite.Claims) {
	return func(s *SignIn, c suite.Claims) {
		f(s, c)
		g(s, c)
	}
}

// respond sets a parameter of the authorization response, or takes it out.
func respond(name, value string) func(*SignIn, map[string]string) {
	return func(_ *SignIn, v map[string]string) {
		if value == "" {
			delete(v, name)
			return
		}
		v[name] = value
	}
}

// The issuer and the client of somebody else.
const (
	otherIssuer = "https://attacker.example"
	otherClient = "another-app"
)

// embedded signs with a key that the header brings along.
func embedded(key suite.Key) signature {
	return func(_ *SignIn, typ string, claims suite.Claims) (string, error) {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key.Key},
			(&jose.SignerOptions{EmbedJWK: true}).WithType(jose.ContentType(typ)))
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
}
