package keys

import "strings"

// Kind is what can be done with a key.
type Kind string

// The kinds.
const (
	Signing    Kind = "signing"
	Decryption Kind = "decryption" // RSA-OAEP-256
	Deriving   Kind = "deriving"   // HMAC-SHA-256; its first version is used for ever
	Wrapping   Kind = "wrapping"   // AES-256-GCM over data keys
)

// Spec describes one key that a store holds, in any number of versions.
type Spec struct {
	Use       Use
	Algorithm Algorithm // empty for secret keys
	Kind      Kind
}

// Name is the key's name within a store: token-es256, pairwise.
func (s Spec) Name() string {
	switch {
	case s.Kind == Deriving && s.Use == Secrets:
		return "derive"
	case s.Algorithm == "" || s.Kind == Decryption:
		return string(s.Use)
	}
	return string(s.Use) + "-" + strings.ToLower(string(s.Algorithm))
}

// Public reports whether versions of the key have a public half.
func (s Spec) Public() bool { return s.Kind == Signing || s.Kind == Decryption }

// Specs lists the keys of a store whose tokens are signed with the algorithms
// given; ES256 if none is.
func Specs(tokens []Algorithm) []Spec {
	if len(tokens) == 0 {
		tokens = []Algorithm{ES256}
	}
	var list []Spec
	for _, alg := range tokens {
		list = append(list, Spec{TokenSigning, alg, Signing})
	}
	return append(list,
		Spec{EntityStatement, ES256, Signing},
		Spec{LogCheckpoint, EdDSA, Signing},
		Spec{RequestDecryption, RSAOAEP256, Decryption},
		Spec{PairwiseSubject, "", Deriving},
		Spec{Secrets, "", Deriving},
		Spec{Secrets, "", Wrapping},
	)
}

// Find gives the spec of a use and a kind.
func Find(specs []Spec, use Use, kind Kind) (Spec, bool) {
	for _, s := range specs {
		if s.Use == use && s.Kind == kind {
			return s, true
		}
	}
	return Spec{}, false
}

// FindAsymmetric gives the spec of a use and an algorithm.
func FindAsymmetric(specs []Spec, use Use, alg Algorithm) (Spec, bool) {
	for _, s := range specs {
		if s.Use == use && s.Algorithm == alg && s.Public() {
			return s, true
		}
	}
	return Spec{}, false
}

// Material is a key version in the clear, on its way from one store to another:
// PKCS #8 of an asymmetric key, the bytes of a secret one. Whoever holds it clears
// it.
type Material struct {
	Spec    Spec
	Version int
	KeyID   KeyID // empty for secret keys
	Private []byte
}
