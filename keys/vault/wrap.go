package vault

import (
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// wrapKey is AES Key Wrap with Padding, RFC 5649 §4.1.
func wrapKey(kek, plain []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	const half = 8
	n := (len(plain) + half - 1) / half
	out := make([]byte, half+n*half)
	copy(out, []byte{0xA6, 0x59, 0x59, 0xA6}) // the alternative initial value, §3
	binary.BigEndian.PutUint32(out[4:], uint32(len(plain)))
	copy(out[half:], plain)
	if n == 1 {
		block.Encrypt(out, out)
		return out, nil
	}
	// RFC 3394 §2.2.1, with the register A in front of the halves R.
	var b [2 * half]byte
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(b[:half], out[:half])
			copy(b[half:], out[i*half:])
			block.Encrypt(b[:], b[:])
			copy(out[:half], b[:half])
			binary.BigEndian.PutUint64(out, binary.BigEndian.Uint64(out)^uint64(n*j+i))
			copy(out[i*half:], b[half:])
		}
	}
	return out, nil
}

// wrapForImport packs a key as Transit's import wants it: an ephemeral AES key
// under the mount's RSA key, and the key under that.
func wrapForImport(to *rsa.PublicKey, private []byte) ([]byte, error) {
	ephemeral := make([]byte, 32)
	defer clear(ephemeral)
	if _, err := rand.Read(ephemeral); err != nil {
		return nil, err
	}
	first, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, to, ephemeral, nil)
	if err != nil {
		return nil, fmt.Errorf("wrapping a key for Vault: %w", err)
	}
	second, err := wrapKey(ephemeral, private)
	return append(first, second...), err
}
