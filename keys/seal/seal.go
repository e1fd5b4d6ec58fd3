// Package seal makes and checks the texts of ours that prove themselves: refresh tokens,
// handles, nonces, form tokens and others that come back from outside and stand in no
// table. Each use has a key of its own, derived from the keyring and the same on every
// node ([Uses]). The contents of a text are the matter of the room that uses it; here are
// the MAC, compared in constant time, and the encryption.
//
// The formats are promises: the texts of one release are good in the next.
package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
	"sync"

	"hopnhat/keys"
)

// Key is the key of one use. It is safe for concurrent use, and printing it shows a mask.
type Key struct {
	use    Use
	secret []byte
	aead   cipher.AEAD // of a use that encrypts
	macs   *sync.Pool  // states of HMAC under secret, which begin with it hashed already
}

// Deriver is the part of a keyring that keys come from.
type Deriver interface {
	Derive(ctx context.Context, use keys.Use, label string) ([]byte, error)
}

// Derive gets the key of a use from the keyring.
func Derive(ctx context.Context, ring Deriver, use Use) (Key, error) {
	if use.Under != "" {
		return Key{}, fmt.Errorf("the key of %q is derived from that of %q, not from the keyring", use.Label, use.Under)
	}
	secret, err := ring.Derive(ctx, keys.Secrets, use.Label)
	if err != nil {
		return Key{}, fmt.Errorf("deriving the key of %q: %w", use.Label, err)
	}
	return New(use, secret), nil
}

// New makes a key of a secret that was derived for the use, 32 bytes.
func New(use Use, secret []byte) Key {
	k := Key{use: use, secret: secret, macs: &sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}
	if !use.Encrypts {
		return k
	}
	block, err := aes.NewCipher(secret)
	if err == nil {
		k.aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		panic("seal: the key of " + use.Label + ": " + err.Error()) // a derived key has 32 bytes
	}
	return k
}

// Under is the key of another use that is derived from this one.
func (k Key) Under(use Use) Key {
	if use.Under != k.use.Label {
		panic("seal: the key of " + use.Label + " is not derived from that of " + k.use.Label)
	}
	return New(use, k.sum([]byte(use.Label)))
}

// String masks the key.
func (k Key) String() string { return "(key of " + k.use.Label + ")" }

// Format masks the key for every verb of fmt.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// sum is HMAC-SHA-256 over the parts, one after the other.
func (k Key) sum(parts ...[]byte) []byte {
	m := k.macs.Get().(hash.Hash)
	defer k.macs.Put(m)
	m.Reset()
	for _, part := range parts {
		m.Write(part)
	}
	return m.Sum(nil)
}

// MAC is our MAC over the parts, one after the other. A caller whose parts have lengths
// that others choose puts the lengths between them.
func (k Key) MAC(parts ...[]byte) []byte {
	mac := k.sum(parts...)
	if k.use.Size > 0 {
		mac = mac[:k.use.Size]
	}
	return mac
}

// Genuine reports whether a MAC is ours over the parts, the whole of it.
func (k Key) Genuine(mac []byte, parts ...[]byte) bool {
	return hmac.Equal(mac, k.MAC(parts...))
}

// MACText is the MAC of a text, base64url.
func (k Key) MACText(text string) string {
	return base64.RawURLEncoding.EncodeToString(k.MAC([]byte(text)))
}

// GenuineText reports whether a text is the [Key.MACText] of another, letter by letter.
func (k Key) GenuineText(mac, text string) bool {
	return hmac.Equal([]byte(mac), []byte(k.MACText(text)))
}

// Sign puts the MAC of a text behind it, after a dot.
func (k Key) Sign(text string) string { return text + "." + k.MACText(text) }

// Signed is the text that [Key.Sign] signed; ok is false when we did not.
func (k Key) Signed(signed string) (text string, ok bool) {
	i := strings.LastIndexByte(signed, '.')
	if i < 0 || !k.GenuineText(signed[i+1:], signed[:i]) {
		return "", false
	}
	return signed[:i], true
}

// Seal encrypts plain. beside is not in the text, and must be the same to open it.
func (k Key) Seal(plain []byte, beside string) string {
	nonce := make([]byte, k.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(k.aead.Seal(nonce, nonce, plain, []byte(beside)))
}

// Open opens what [Key.Seal] sealed; ok is false for any other text.
func (k Key) Open(sealed, beside string) (plain []byte, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(raw) < k.aead.NonceSize() {
		return nil, false
	}
	plain, err = k.aead.Open(nil, raw[:k.aead.NonceSize()], raw[k.aead.NonceSize():], []byte(beside))
	return plain, err == nil
}

// Once is a key for one text alone, which id names: the same text is sealed into the same
// bytes each time, so no second text may be sealed under the same id.
func (k Key) Once(id []byte) OnceKey {
	return OnceKey{New(Use{Label: k.use.Label + " once", Encrypts: true}, k.sum(id))}
}

// OnceKey encrypts one text, by AES-256-GCM.
type OnceKey struct{ key Key }

// Seal encrypts plain. beside is not in the bytes, and must be the same to open them.
func (k OnceKey) Seal(plain, beside []byte) []byte {
	return k.key.aead.Seal(nil, make([]byte, k.key.aead.NonceSize()), plain, beside)
}

// Open opens what Seal sealed; ok is false for anything else.
func (k OnceKey) Open(sealed, beside []byte) (plain []byte, ok bool) {
	plain, err := k.key.aead.Open(nil, make([]byte, k.key.aead.NonceSize()), sealed, beside)
	return plain, err == nil
}
