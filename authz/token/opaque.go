package token

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"hopnhat/keys/seal"
)

// OpaqueKey makes and reads the access tokens of the front channel: the claims and a MAC
// over them. Only we read one, at UserInfo, introspection and revocation: for everybody
// else it is opaque (RFC 6749 §1.4). It is the key of [seal.FrontChannel].
type OpaqueKey struct{ seal.Key }

func (k OpaqueKey) seal(claims AccessClaims) string {
	raw, err := json.Marshal(claims)
	if err != nil {
		panic("token: claims that are no JSON: " + err.Error()) // texts and numbers of ours
	}
	return k.Sign(seal.FrontChannel.Prefix + base64.RawURLEncoding.EncodeToString(raw))
}

func (k OpaqueKey) open(token string) (claims AccessClaims, ok bool) {
	text, ok := k.Signed(token)
	body, ours := strings.CutPrefix(text, seal.FrontChannel.Prefix)
	if !ok || !ours {
		return AccessClaims{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		return AccessClaims{}, false
	}
	return claims, true
}

// IsOpaque reports whether a token has the form of one of the front channel.
func IsOpaque(token string) bool { return strings.HasPrefix(token, seal.FrontChannel.Prefix) }
