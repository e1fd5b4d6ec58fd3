package decoupled

import (
	"crypto/rand"
	"strings"

	"hopnhat/authz"
	"hopnhat/keys/seal"
)

// Keys makes and reads what a client presents (device_code, auth_req_id), the
// digests of user codes, and the choices of a page. Its key is the same on all
// nodes.
type Keys struct{ key seal.Key }

// NewKeys takes the key of [seal.Approvals].
func NewKeys(key seal.Key) Keys { return Keys{key} }

// Code is what the client of a request holds: the request's id and our MAC, 256
// bits. Nothing that can be presented is stored, and a made-up one costs no
// query. It is a device_code (RFC 8628 §3.2) or an auth_req_id (CIBA Core §7.3:
// only characters of A-Z a-z 0-9 . - _).
func (k Keys) Code(id authz.AuthorizationID) string {
	return seal.Approvals.Prefix + string(id) + "." + k.key.MACText("code\x00"+string(id))
}

// Parse finds the request of a code that we made.
func (k Keys) Parse(code string) (authz.AuthorizationID, bool) {
	rest, ok := strings.CutPrefix(code, seal.Approvals.Prefix)
	name, mac, cut := strings.Cut(rest, ".")
	if !ok || !cut || len(name) != 43 {
		return "", false
	}
	return authz.AuthorizationID(name), k.key.GenuineText(mac, "code\x00"+name)
}

// userCodeAlphabet is RFC 8628 §6.1: capital consonants that are not mistaken for
// one another, and make no word. Eight of twenty are 34 bits.
const userCodeAlphabet = "BCDFGHJKLMNPQRSTVWXZ"

const userCodeLength = 8

// NewUserCode draws a user code.
func NewUserCode() string {
	out := make([]byte, 0, userCodeLength)
	for len(out) < userCodeLength {
		var b [16]byte
		if _, err := rand.Read(b[:]); err != nil {
			panic("decoupled: no randomness: " + err.Error())
		}
		for _, c := range b {
			if int(c) < 240 && len(out) < userCodeLength { // 240 = 12 · 20: no letter is likelier
				out = append(out, userCodeAlphabet[int(c)%len(userCodeAlphabet)])
			}
		}
	}
	return string(out)
}

// ParseUserCode reads what a person typed: letters of either case, with whatever
// stands between them (RFC 8628 §6.1).
func ParseUserCode(typed string) (string, bool) {
	if len(typed) > 256 {
		return "", false
	}
	out := make([]byte, 0, userCodeLength)
	for _, c := range []byte(authz.Typed(typed)) {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if strings.IndexByte(userCodeAlphabet, c) < 0 || len(out) == userCodeLength {
			return "", false
		}
		out = append(out, c)
	}
	return string(out), len(out) == userCodeLength
}

// FormatUserCode is a user code as a device shows it: XXXX-XXXX.
func FormatUserCode(code string) string { return code[:4] + "-" + code[4:] }

// UserCodeSymbol is the part of a user code that the person picks: its second
// half.
func UserCodeSymbol(code string) string { return code[4:] }

// Digest is how a user code is stored: a MAC, since 34 bits could be searched
// for.
func (k Keys) Digest(userCode string) []byte { return k.key.MAC([]byte("user code\x00" + userCode)) }
