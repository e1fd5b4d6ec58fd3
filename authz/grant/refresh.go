package grant

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/google/uuid"

	"hopnhat/authz"
	"hopnhat/keys/seal"
)

// RefreshKey makes and checks refresh tokens. It is the key of [seal.RefreshTokens].
//
// A refresh token is the grant's id, a generation, and a MAC over both and the
// grant's salt. So nothing that can be presented is stored; a token of an
// earlier generation is recognised as reused and not only as unknown (RFC 9700
// §4.14.2); and a token whose answer got lost can be made again, the same, for
// the short time in which asking twice is forgiven.
type RefreshKey struct{ seal.Key }

// Token is the refresh token of a generation of a grant.
func (k RefreshKey) Token(id authz.GrantID, generation int, salt []byte) string {
	grant, err := uuid.Parse(string(id))
	if err != nil {
		panic("grant: a grant id is not a UUID: " + err.Error()) // we made it
	}
	body := make([]byte, 0, 16+4+32)
	body = append(body, grant[:]...)
	body = binary.BigEndian.AppendUint32(body, uint32(generation))
	return seal.RefreshTokens.Prefix + base64.RawURLEncoding.EncodeToString(append(body, k.MAC(salt, body)...))
}

// RefreshToken is a refresh token as it came in, not yet checked against its grant.
type RefreshToken struct {
	Grant      authz.GrantID
	Generation int
	body, mac  []byte
}

// ParseRefresh reads the form only; [RefreshKey.Genuine] reports whether it is ours.
func ParseRefresh(token string) (RefreshToken, bool) {
	rest, ok := strings.CutPrefix(token, seal.RefreshTokens.Prefix)
	if !ok || len(rest) != 70 {
		return RefreshToken{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(raw) != 52 {
		return RefreshToken{}, false
	}
	id, err := uuid.FromBytes(raw[:16])
	if err != nil {
		return RefreshToken{}, false
	}
	generation := binary.BigEndian.Uint32(raw[16:20])
	if generation > 1<<30 {
		return RefreshToken{}, false
	}
	return RefreshToken{Grant: authz.GrantID(id.String()), Generation: int(generation), body: raw[:20], mac: raw[20:]}, true
}

// Genuine reports whether we made the token for a grant with this salt.
func (k RefreshKey) Genuine(p RefreshToken, salt []byte) bool {
	return len(salt) > 0 && k.Key.Genuine(p.mac, salt, p.body)
}
