package jose_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"

	"hopnhat/keys"
	"hopnhat/keys/jose"
)

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// forge makes a compact JWS with any header, signed with ES256 by key; nil leaves
// the signature empty.
func forge(t testing.TB, header, claims string, key *ecdsa.PrivateKey) string {
	t.Helper()
	input := b64([]byte(header)) + "." + b64([]byte(claims))
	if key == nil {
		return input + "."
	}
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + b64(signature[:])
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func jwk(t testing.TB, key any) string {
	t.Helper()
	raw, err := json.Marshal(gojose.JSONWebKey{Key: key, KeyID: "k1"})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func setOf(t testing.TB, public ...any) *jose.Set {
	t.Helper()
	var all []string
	for _, k := range public {
		all = append(all, jwk(t, k))
	}
	set, err := jose.ParseSet([]byte(`{"keys":[` + strings.Join(all, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

var rule = jose.Rule{Type: "at+jwt", Algorithms: []keys.Algorithm{keys.ES256}}

const (
	goodHeader = `{"alg":"ES256","typ":"at+jwt","kid":"k1"}`
	goodClaims = `{"sub":"x"}`
)

func TestVerifyRefuses(t *testing.T) {
	key, other := ecKey(t), ecKey(t)
	set := setOf(t, key.Public())
	if _, err := jose.Verify(forge(t, goodHeader, goodClaims, key), set, rule); err != nil {
		t.Fatalf("a right token: %v", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	confused := func(secret []byte) string {
		input := b64([]byte(`{"alg":"HS256","typ":"at+jwt","kid":"k1"}`)) + "." + b64([]byte(goodClaims))
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(input))
		return input + "." + b64(m.Sum(nil))
	}
	good := forge(t, goodHeader, goodClaims, key)
	for _, row := range []struct{ name, token string }{
		{"RFC 8725 §2.1: alg none", forge(t, `{"alg":"none","typ":"at+jwt"}`, goodClaims, nil)},
		{"RFC 8725 §2.1: alg None", forge(t, `{"alg":"None","typ":"at+jwt"}`, goodClaims, key)},
		{"RFC 8725 §2.1: HS256 with the public key as secret", confused(public)},
		{"RFC 8725 §3.1: an algorithm that is not in the rule", forge(t, `{"alg":"PS256","typ":"at+jwt","kid":"k1"}`, goodClaims, key)},
		{"another key", forge(t, goodHeader, goodClaims, other)},
		{"a kid that is not in the set", forge(t, `{"alg":"ES256","typ":"at+jwt","kid":"k2"}`, goodClaims, key)},
		{"RFC 8725 §3.11: another typ", forge(t, `{"alg":"ES256","typ":"JWT","kid":"k1"}`, goodClaims, key)},
		{"RFC 8725 §3.11: no typ", forge(t, `{"alg":"ES256","kid":"k1"}`, goodClaims, key)},
		{"RFC 7515 §4.1.11: crit", forge(t, `{"alg":"ES256","typ":"at+jwt","kid":"k1","crit":["x"],"x":1}`, goodClaims, key)},
		{"RFC 7797: b64", forge(t, `{"alg":"ES256","typ":"at+jwt","kid":"k1","b64":false}`, goodClaims, key)},
		{"RFC 8725 §3.10: jku", forge(t, `{"alg":"ES256","typ":"at+jwt","kid":"k1","jku":"https://evil.example"}`, goodClaims, key)},
		{"RFC 8725 §3.10: x5u", forge(t, `{"alg":"ES256","typ":"at+jwt","kid":"k1","x5u":"https://evil.example"}`, goodClaims, key)},
		{"RFC 8725 §3.10: x5c", forge(t, `{"alg":"ES256","typ":"at+jwt","kid":"k1","x5c":["AA"]}`, goodClaims, key)},
		{"an attacker's key in the header", forge(t, `{"alg":"ES256","typ":"at+jwt","jwk":`+jwk(t, other.Public())+`}`, goodClaims, other)},
		{"RFC 7515 §4: a header member twice", forge(t, `{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"k1"}`, goodClaims, key)},
		{"a claim twice", forge(t, goodHeader, `{"sub":"x","sub":"y"}`, key)},
		{"a claim twice in other letters", forge(t, goodHeader, `{"sub":"x","Sub":"y"}`, key)},
		{"a claim twice, one with the long s that folds to s", forge(t, goodHeader, `{"sub":"x","\u017fub":"y"}`, key)},
		{"a number that no parser of doubles can hold", forge(t, goodHeader, `{"exp":1e1000}`, key)},
		{"RFC 7515 §4: a header name in capitals", forge(t, `{"ALG":"ES256","typ":"at+jwt","kid":"k1"}`, goodClaims, key)},
		{"RFC 7515 §4: kid in capitals", forge(t, `{"alg":"ES256","typ":"at+jwt","KID":"k1"}`, goodClaims, key)},
		{"RFC 7519 §4: a claim name in capitals", forge(t, goodHeader, `{"Sub":"x"}`, key)},
		{"claims that are not UTF-8", forge(t, goodHeader, "{\"sub\":\"\xff\"}", key)},
		{"half a surrogate pair in a claim", forge(t, goodHeader, `{"sub":"\ud800"}`, key)},
		{"claims nested too deep", forge(t, goodHeader, `{"a":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}`, key)},
		{"claims that are no object", forge(t, goodHeader, `["x"]`, key)},
		{"data after the claims", forge(t, goodHeader, goodClaims+`{}`, key)},
		{"padding", good + "="},
		{"bits after the signature", good[:len(good)-1] + "B"},
		{"four parts", good + ".x"},
		{"two parts", good[:strings.LastIndex(good, ".")]},
		{"no signature", good[:strings.LastIndex(good, ".")+1]},
		{"empty", ""},
		{"too long", forge(t, goodHeader, `{"sub":"`+strings.Repeat("x", 20<<10)+`"}`, key)},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := jose.Verify(row.token, set, rule); !errors.Is(err, jose.ErrInvalid) {
				t.Fatalf("got %v, want ErrInvalid", err)
			}
		})
	}
	t.Run("a key that says it is for encryption", func(t *testing.T) {
		raw, err := json.Marshal(gojose.JSONWebKey{Key: key.Public(), KeyID: "k1", Use: "enc"})
		if err != nil {
			t.Fatal(err)
		}
		set, err := jose.ParseSet([]byte(`{"keys":[` + string(raw) + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jose.Verify(good, set, rule); err == nil {
			t.Fatal("verified")
		}
	})
}

// TestUnsigned: RFC 7519 §6; what is signed, or is a token of another kind, is not
// read as if it were not.
func TestUnsigned(t *testing.T) {
	key := ecKey(t)
	for _, row := range []struct {
		name, token string
		good        bool
	}{
		{"alg none", forge(t, `{"alg":"none"}`, goodClaims, nil), true},
		{"alg none and typ", forge(t, `{"alg":"none","typ":"oauth-authz-req+jwt"}`, goodClaims, nil), true},
		{"alg none and a signature", forge(t, `{"alg":"none"}`, goodClaims, key), false},
		{"signed", forge(t, `{"alg":"ES256"}`, goodClaims, key), false},
		{"RFC 8725 §3.11: an access token", forge(t, `{"alg":"none","typ":"at+jwt"}`, goodClaims, nil), false},
		{"a member twice", forge(t, `{"alg":"none"}`, `{"a":1,"a":2}`, nil), false},
		{"two parts", "e30.e30", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if claims, err := jose.Unsigned(row.token, 1<<10); (err == nil) != row.good || row.good && string(claims) != goodClaims {
				t.Fatalf("got %s, %v", claims, err)
			}
		})
	}
	if _, err := jose.Unsigned(forge(t, `{"alg":"none"}`, goodClaims, nil), 8); err == nil {
		t.Fatal("longer than its limit")
	}
}

func TestVerifyEmbeddedRefuses(t *testing.T) {
	key, other := ecKey(t), ecKey(t)
	proof := jose.Rule{Type: "dpop+jwt", Algorithms: []keys.Algorithm{keys.ES256, keys.EdDSA}}
	head := func(jwk string) string { return `{"alg":"ES256","typ":"dpop+jwt","jwk":` + jwk + `}` }
	if _, _, err := jose.VerifyEmbedded(forge(t, head(jwk(t, key.Public())), goodClaims, key), proof); err != nil {
		t.Fatalf("a right proof: %v", err)
	}
	for _, row := range []struct{ name, token string }{
		{"RFC 9449 §4.3 (7): a private key", forge(t, head(jwk(t, key)), goodClaims, key)},
		{"RFC 9449 §4.3 (6): another key's signature", forge(t, head(jwk(t, other.Public())), goodClaims, key)},
		{"no key", forge(t, `{"alg":"ES256","typ":"dpop+jwt"}`, goodClaims, key)},
		{"RFC 7518 §6.4: a symmetric key", forge(t, head(`{"kty":"oct","k":"AAAA"}`), goodClaims, key)},
		{"a point that is not on the curve", forge(t, head(`{"kty":"EC","crv":"P-256","x":"`+b64(make([]byte, 32))+`","y":"`+b64(make([]byte, 32))+`"}`), goodClaims, key)},
		{"a curve that is not used", forge(t, head(`{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}`), goodClaims, key)},
		{"a key of another type than alg", forge(t, head(`{"kty":"OKP","crv":"Ed25519","x":"`+b64(make([]byte, 32))+`"}`), goodClaims, key)},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, _, err := jose.VerifyEmbedded(row.token, proof); err == nil {
				t.Fatal("verified")
			}
		})
	}
}

// modulus is of 2,048 bits and of no use.
var modulus = base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 256))

func rsaSet(exponent int64) string {
	return `{"keys":[{"kty":"RSA","n":"` + modulus + `","e":"` + base64.RawURLEncoding.EncodeToString(big.NewInt(exponent).Bytes()) + `"}]}`
}

func TestParseSetRefuses(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	one := jwk(t, ecKey(t).Public())
	for _, row := range []struct{ name, set string }{
		{"RFC 7518 §6.2.2: a private key", `{"keys":[` + jwk(t, ecKey(t)) + `]}`},
		{"a symmetric key", `{"keys":[{"kty":"oct","k":"AAAA"}]}`},
		{"RFC 7518 §6.3.2: a private member without d", `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","q":"AQAB"}]}`},
		{"a short RSA key", `{"keys":[` + jwk(t, small.Public()) + `]}`},
		{"an even RSA modulus", `{"keys":[{"kty":"RSA","n":"` + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xfe}, 256)) + `","e":"AQAB"}]}`},
		{"an even exponent", rsaSet(4)},
		{"exponent 1, with which everything is a signature", rsaSet(1)},
		{"an exponent over 31 bits", rsaSet(1<<31 + 1)},
		{"an exponent as long as the modulus", `{"keys":[{"kty":"RSA","n":"` + modulus + `","e":"` + modulus + `"}]}`},
		{"a modulus of 16,384 bits", `{"keys":[{"kty":"RSA","n":"` + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 2048)) + `","e":"AQAB"}]}`},
		{"too many keys", `{"keys":[` + strings.TrimSuffix(strings.Repeat(one+",", 33), ",") + `]}`},
		{"not a set", `[]`},
		{"keys twice", `{"keys":[],"keys":[]}`},
		{"too long", `{"keys":[],"x":"` + strings.Repeat("x", 70<<10) + `"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := jose.ParseSet([]byte(row.set)); !errors.Is(err, jose.ErrInvalid) {
				t.Fatalf("got %v, want ErrInvalid", err)
			}
		})
	}
	if set, err := jose.ParseSet([]byte(`{"keys":[{"kty":"EC","crv":"P-521","x":"AA","y":"AA"},` + one + `]}`)); err != nil || set.Len() != 1 {
		t.Fatalf("RFC 7517 §5: a key of a type we do not use is passed over: %v", err)
	}
}

// TestThumbprint is the example of RFC 8037 §A.3.
func TestThumbprint(t *testing.T) {
	x, err := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := jose.Thumbprint(ed25519.PublicKey(x)); err != nil || got != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Fatalf("got %q, %v", got, err)
	}
}

// FuzzVerify: whatever is accepted has exactly the algorithm, type and key of the
// rule, and another parser sees the same claims.
func FuzzVerify(f *testing.F) {
	key := ecKey(f)
	set := setOf(f, key.Public())
	f.Add(forge(f, goodHeader, goodClaims, key))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		v, err := jose.Verify(token, set, rule)
		if err != nil {
			return
		}
		signed, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.ES256})
		if err != nil {
			t.Fatalf("accepted what another parser does not: %v", err)
		}
		payload, err := signed.Verify(key.Public())
		if err != nil || !bytes.Equal(payload, v.Claims) {
			t.Fatalf("another parser sees %q, we %q: %v", payload, v.Claims, err)
		}
	})
}

func FuzzParseSet(f *testing.F) {
	f.Add([]byte(`{"keys":[` + jwk(f, ecKey(f).Public()) + `]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if set, err := jose.ParseSet(raw); err == nil && set.Len() > 32 {
			t.Fatal("more keys than the limit")
		}
	})
}

// header is a compact JWS with a header and nothing that counts beside it.
func header(text string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(text)) + ".e30.AA"
}

// TestPeekTrustChains: OpenID Federation 1.0 §4.3, §4.4.
func TestPeekTrustChains(t *testing.T) {
	for _, row := range []struct {
		name, token string
		chain, peer []string
		refused     bool
	}{
		{"neither", header(`{"alg":"ES256"}`), nil, nil, false},
		{"no JWS", "x", nil, nil, false},
		{"encrypted", "a.b.c.d.e", nil, nil, false},
		{"a header that is no base64url", "?.e30.AA", nil, nil, false},
		{"a chain", header(`{"alg":"ES256","trust_chain":["a","b"]}`), []string{"a", "b"}, nil, false},
		{"both", header(`{"alg":"ES256","trust_chain":["a"],"peer_trust_chain":["b"]}`), []string{"a"}, []string{"b"}, false},
		{"§4.4: a peer chain alone", header(`{"peer_trust_chain":["b"]}`), nil, nil, true},
		{"§4.3: a text", header(`{"trust_chain":"a"}`), nil, nil, true},
		{"§4.3: a number in it", header(`{"trust_chain":[1]}`), nil, nil, true},
		{"twice", header(`{"trust_chain":["a"],"trust_chain":["b"]}`), nil, nil, true},
		{"once more in another case", header(`{"trust_chain":["a"],"Trust_Chain":["b"]}`), nil, nil, true},
	} {
		chain, peer, err := jose.PeekTrustChains(row.token)
		if !slices.Equal(chain, row.chain) || !slices.Equal(peer, row.peer) || (err != nil) != row.refused ||
			err != nil && !errors.Is(err, jose.ErrInvalid) {
			t.Errorf("%s: got %q, %q, %v", row.name, chain, peer, err)
		}
	}
}

// FuzzPeekTrustChains: what is found is what the reader of the whole token sees.
func FuzzPeekTrustChains(f *testing.F) {
	f.Add(`{"alg":"ES256","trust_chain":["a"],"peer_trust_chain":["b"]}`)
	f.Add(`{"alg":"ES256","trust_chain":null}`)
	f.Fuzz(func(t *testing.T, head string) {
		chain, peer, err := jose.PeekTrustChains(header(head))
		received, parsed := jose.Receive(header(head), jose.Rule{Algorithms: []keys.Algorithm{keys.ES256}})
		if err == nil && parsed == nil && (chain != nil || peer != nil) != received.HasTrustChain() && !strings.Contains(head, "null") {
			t.Errorf("%s: %q and %q, and the other reader says %v", head, chain, peer, received.HasTrustChain())
		}
	})
}
