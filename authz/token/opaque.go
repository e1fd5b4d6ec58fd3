package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// An access token of the front channel is the claims and a MAC over them. Only we
// read it, at UserInfo, introspection and revocation: for everybody else it is
// opaque (RFC 6749 §1.4).
const opaquePrefix = "hna."

// OpaqueKey seals and opens them. It is derived from the keyring and the same on
// every node.
type OpaqueKey []byte

func (k OpaqueKey) seal(claims AccessClaims) string {
	raw, err := json.Marshal(claims)
	if err != nil {
		panic("token: claims that are no JSON: " + err.Error()) // texts and numbers of ours
	}
	body := opaquePrefix + base64.RawURLEncoding.EncodeToString(raw)
	return body + "." + k.mac(body)
}

func (k OpaqueKey) mac(body string) string {
	m := hmac.New(sha256.New, k)
	m.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (k OpaqueKey) open(token string) (claims AccessClaims, ok bool) {
	i := strings.LastIndexByte(token, '.')
	if i < len(opaquePrefix) || !hmac.Equal([]byte(token[i+1:]), []byte(k.mac(token[:i]))) {
		return AccessClaims{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(token[len(opaquePrefix):i])
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		return AccessClaims{}, false
	}
	return claims, true
}

// IsOpaque reports whether a token has the form of one of the front channel.
func IsOpaque(token string) bool { return strings.HasPrefix(token, opaquePrefix) }
