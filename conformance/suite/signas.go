package suite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// SignAs makes a compact JWS under exactly the header given, whatever it says: it may
// name another algorithm than the one signed with. Members that are nil are left out.
func (k Key) SignAs(header, claims Claims) (string, error) {
	var parts [2]string
	for i, from := range []Claims{header, claims} {
		members := Claims{}
		for name, value := range from {
			if value != nil {
				members[name] = value
			}
		}
		raw, err := json.Marshal(members)
		if err != nil {
			return "", err
		}
		parts[i] = base64.RawURLEncoding.EncodeToString(raw)
	}
	input := parts[0] + "." + parts[1]
	signature, err := k.raw([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

// raw signs with the key's own algorithm (RFC 7518 §3).
func (k Key) raw(input []byte) ([]byte, error) {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[k.Algorithm[max(0, len(k.Algorithm)-3):]]
	if hash == 0 {
		hash = crypto.SHA512
	}
	h := hash.New()
	h.Write(input)
	sum := h.Sum(nil)
	switch key := k.Key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, sum)
		if err != nil {
			return nil, err
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		s.FillBytes(out[size:])
		return out, nil
	case *rsa.PrivateKey:
		if k.Algorithm[:2] == "PS" {
			return rsa.SignPSS(rand.Reader, key, hash, sum, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(rand.Reader, key, hash, sum)
	case ed25519.PrivateKey:
		return ed25519.Sign(key, input), nil
	}
	return nil, fmt.Errorf("no way to sign with algorithm %q", k.Algorithm)
}
