package decoupled

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"hopnhat/authz"
)

// Keys makes and reads what a client presents (device_code, auth_req_id), the
// digests of user codes, and the choices of a page. Its key is the same on all
// nodes.
type Keys struct{ key []byte }

// NewKeys takes 32 secret bytes.
func NewKeys(key []byte) Keys { return Keys{key} }

const codePrefix = "hnq."

// Code is what the client of a request holds: the request's id and our MAC, 256
// bits. Nothing that can be presented is stored, and a made-up one costs no
// query. It is a device_code (RFC 8628 §3.2) or an auth_req_id (CIBA Core §7.3:
// only characters of A-Z a-z 0-9 . - _).
func (k Keys) Code(id authz.AuthorizationID) string {
	return codePrefix + string(id) + "." + base64.RawURLEncoding.EncodeToString(k.mac("code", string(id)))
}

// Parse finds the request of a code that we made.
func (k Keys) Parse(code string) (authz.AuthorizationID, bool) {
	rest, ok := strings.CutPrefix(code, codePrefix)
	name, _, cut := strings.Cut(rest, ".")
	if !ok || !cut || len(name) != 43 {
		return "", false
	}
	id := authz.AuthorizationID(name)
	return id, hmac.Equal([]byte(k.Code(id)), []byte(code))
}

func (k Keys) mac(what, text string) []byte {
	m := hmac.New(sha256.New, k.key)
	m.Write([]byte(what + "\x00" + text))
	return m.Sum(nil)
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
func (k Keys) Digest(userCode string) []byte { return k.mac("user code", userCode) }
