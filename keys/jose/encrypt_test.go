package jose_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"

	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// holder has one decryption key.
type holder struct {
	key  *rsa.PrivateKey
	down bool
}

func (h *holder) Decrypting(id keys.KeyID) (keys.Handle, error) {
	if id != "ours" {
		return keys.Handle{}, keys.ErrNotOurs
	}
	return keys.Handle{KeyID: id, Use: keys.RequestDecryption, Algorithm: keys.RSAOAEP256}, nil
}

func (h *holder) Unwrap(_ context.Context, _ keys.Handle, encrypted []byte) ([]byte, error) {
	if h.down {
		return nil, &keys.Outage{Cause: keys.Sealed, Doing: "decrypting"}
	}
	plain, err := rsa.DecryptOAEP(sha256.New(), nil, h.key, encrypted, nil)
	if err != nil {
		return nil, keys.ErrNotOurs
	}
	return plain, nil
}

func newHolder(t testing.TB) *holder {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &holder{key: key}
}

// seal makes a JWE for the holder with go-jose as a client does.
func seal(
	t testing.TB, h *holder, alg gojose.KeyAlgorithm, enc gojose.ContentEncryption, options *gojose.EncrypterOptions, kid, text string,
) string {
	t.Helper()
	e, err := gojose.NewEncrypter(enc, gojose.Recipient{Algorithm: alg, Key: h.key.Public(), KeyID: kid}, options)
	if err != nil {
		t.Fatal(err)
	}
	object, err := e.Encrypt([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestDecrypt: what is encrypted to our key by RSA-OAEP-256 (RFC 7518 §4.3, RFC 9101 §6.1) is
// opened, and nothing else.
func TestDecrypt(t *testing.T) {
	h := newHolder(t)
	plain := (&gojose.EncrypterOptions{}).WithContentType("JWT")
	for _, enc := range jose.ContentEncryption {
		got, err := jose.Decrypt(
			t.Context(), h, seal(t, h, gojose.RSA_OAEP_256, gojose.ContentEncryption(enc), plain, "ours", "a.b.c"), 8<<10,
		)
		if err != nil || got != "a.b.c" {
			t.Errorf("%s: got %q, %v", enc, got, err)
		}
	}
	good := seal(t, h, gojose.RSA_OAEP_256, gojose.A256GCM, plain, "ours", "a.b.c")
	parts := strings.Split(good, ".")
	with := func(change map[string]any) string {
		raw, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err != nil {
			t.Fatal(err)
		}
		var head map[string]any
		if err := json.Unmarshal(raw, &head); err != nil {
			t.Fatal(err)
		}
		for k, v := range change {
			head[k] = v
		}
		raw, err = json.Marshal(head)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(append([]string{base64.RawURLEncoding.EncodeToString(raw)}, parts[1:]...), ".")
	}
	for name, token := range map[string]string{
		"RFC 8725 §3.2: RSA-OAEP with SHA-1":    seal(t, h, gojose.RSA_OAEP, gojose.A256GCM, plain, "ours", "x"),
		"RFC 8725 §3.2: RSA1_5":                 seal(t, h, gojose.RSA1_5, gojose.A256GCM, plain, "ours", "x"),
		"dir":                                   with(map[string]any{"alg": "dir"}),
		"PBES2 with a huge p2c":                 with(map[string]any{"alg": "PBES2-HS256+A128KW", "p2c": 1 << 30, "p2s": "AAAA"}),
		"a content encryption that is not ours": with(map[string]any{"enc": "A192GCM"}),
		"RFC 8725 §3.6: compression":            seal(t, h, gojose.RSA_OAEP_256, gojose.A256GCM, &gojose.EncrypterOptions{Compression: gojose.DEFLATE}, "ours", strings.Repeat("a", 4000)),
		"crit":                                  with(map[string]any{"crit": []string{"x"}}),
		"a key in the header":                   with(map[string]any{"jwk": map[string]string{"kty": "RSA"}}),
		"jku":                                   with(map[string]any{"jku": "https://evil.example"}),
		"cty of something else":                 with(map[string]any{"cty": "text/plain"}),
		"no kid":                                seal(t, h, gojose.RSA_OAEP_256, gojose.A256GCM, plain, "", "x"),
		"another kid":                           seal(t, h, gojose.RSA_OAEP_256, gojose.A256GCM, plain, "theirs", "x"),
		"encrypted to another key":              seal(t, newHolder(t), gojose.RSA_OAEP_256, gojose.A256GCM, plain, "ours", "x"),
		"RFC 7516 §11.5: an altered key":        strings.Join([]string{parts[0], strings.Repeat("A", len(parts[1])), parts[2], parts[3], parts[4]}, "."),
		"an altered content":                    strings.Join([]string{parts[0], parts[1], parts[2], "AAAA", parts[4]}, "."),
		"an altered tag":                        strings.Join([]string{parts[0], parts[1], parts[2], parts[3], strings.Repeat("A", len(parts[4]))}, "."),
		"a header that was not authenticated":   with(map[string]any{"more": "1"}),
		"four parts":                            strings.Join(parts[:4], "."),
		"nothing":                               "....",
		"longer than allowed":                   seal(t, h, gojose.RSA_OAEP_256, gojose.A256GCM, plain, "ours", strings.Repeat("a", 9000)),
	} {
		got, err := jose.Decrypt(t.Context(), h, token, 8<<10)
		if !errors.Is(err, jose.ErrInvalid) {
			t.Errorf("%s: got %q, %v; want ErrInvalid", name, got, err)
		}
	}
	var told []string
	for _, i := range []int{1, 3, 4} {
		altered := slices.Clone(parts)
		altered[i] = strings.Repeat("A", len(parts[i]))
		_, err := jose.Decrypt(t.Context(), h, strings.Join(altered, "."), 8<<10)
		told = append(told, err.Error())
	}
	if told = slices.Compact(told); len(told) != 1 {
		t.Errorf("RFC 7516 §11.5: the error tells key, content and tag from each other: %q", told)
	}
	h.down = true
	if _, err := jose.Decrypt(t.Context(), h, good, 8<<10); !errors.Is(err, keys.ErrUnavailable) || errors.Is(err, jose.ErrInvalid) {
		t.Errorf("an outage: got %v", err)
	}
}

// TestEncrypt: every algorithm of RFC 7518 §4.1 with every encryption of RFC 7518 §5.1 that we
// offer is opened by another library; a JWT inside is said to be one (RFC 7519 §11.2).
func TestEncrypt(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs := newHolder(t).key
	set := func(list ...gojose.JSONWebKey) *jose.Set {
		raw, err := json.Marshal(gojose.JSONWebKeySet{Keys: list})
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := jose.ParseSet(raw)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	both := set(
		gojose.JSONWebKey{Key: ec.Public(), KeyID: "sig", Use: "sig", Algorithm: "ES256"},
		gojose.JSONWebKey{Key: ec.Public(), KeyID: "ec", Use: "enc"}, gojose.JSONWebKey{Key: rs.Public(), KeyID: "rsa", Use: "enc"},
	)
	for _, alg := range jose.KeyManagement {
		for _, enc := range jose.ContentEncryption {
			token, err := jose.Encrypt("a.b.c", both, alg, enc)
			if err != nil {
				t.Fatalf("%s %s: %v", alg, enc, err)
			}
			object, err := gojose.ParseEncryptedCompact(token, []gojose.KeyAlgorithm{gojose.KeyAlgorithm(alg)}, []gojose.ContentEncryption{gojose.ContentEncryption(enc)})
			if err != nil {
				t.Fatal(err)
			}
			var key any = ec
			if alg == "RSA-OAEP-256" {
				key = rs
			}
			plain, err := object.Decrypt(key)
			if err != nil || string(plain) != "a.b.c" || object.Header.ExtraHeaders["cty"] != "JWT" {
				t.Fatalf("%s %s: got %q, %v, %v", alg, enc, plain, err, object.Header.ExtraHeaders)
			}
		}
	}
	for name, row := range map[string]struct {
		to       *jose.Set
		alg, enc string
	}{
		"RSA1_5":                              {both, "RSA1_5", "A256GCM"},
		"an unknown content encryption":       {both, "ECDH-ES", "none"},
		"no keys":                             {nil, "ECDH-ES", "A256GCM"},
		"RFC 7517 §4.2: no key to encrypt to": {set(gojose.JSONWebKey{Key: ec.Public(), KeyID: "sig", Use: "sig"}), "ECDH-ES", "A256GCM"},
		"a key of another type":               {set(gojose.JSONWebKey{Key: ec.Public(), KeyID: "ec", Use: "enc"}), "RSA-OAEP-256", "A256GCM"},
		"RFC 7517 §4.4: a key that names another purpose": {set(gojose.JSONWebKey{Key: ec.Public(), KeyID: "ec", Algorithm: "ES256"}), "ECDH-ES", "A256GCM"},
	} {
		if _, err := jose.Encrypt("a.b.c", row.to, row.alg, row.enc); !errors.Is(err, jose.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	h := newHolder(f)
	f.Add(seal(f, h, gojose.RSA_OAEP_256, gojose.A256GCM, (&gojose.EncrypterOptions{}).WithContentType("JWT"), "ours", "a.b.c"))
	f.Add("e30....")
	f.Fuzz(func(t *testing.T, token string) {
		if got, err := jose.Decrypt(t.Context(), h, token, 8<<10); err == nil && got != "a.b.c" {
			t.Fatalf("opened %q", got)
		}
	})
}
