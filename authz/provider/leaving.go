package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"hopnhat/authz"
)

// leaving is a logout request whose id_token_hint was verified.
type leaving struct {
	Client  authz.ClientID `json:"c,omitempty"`
	URI     string         `json:"u,omitempty"`
	State   string         `json:"s,omitempty"`
	SID     string         `json:"i,omitempty"`
	Subject string         `json:"p,omitempty"`
	Lang    string         `json:"l,omitempty"`
	Expires int64          `json:"e"`
}

// logoutKey seals logout requests. A POST of an app brings no cookie of ours
// (SameSite=Lax), so the session is read after one redirect to ourselves. The ID token,
// which may hold data about the person, is not written into that address: only the
// verdict on it is.
type logoutKey []byte

func (k logoutKey) seal(asked leaving, until time.Time) string {
	asked.Expires = until.Unix()
	raw, err := json.Marshal(asked)
	if err != nil {
		panic("provider: a logout request that is no JSON: " + err.Error()) // texts and a number
	}
	body := base64.RawURLEncoding.EncodeToString(raw)
	return body + "." + k.mac(body)
}

func (k logoutKey) mac(body string) string {
	m := hmac.New(sha256.New, k)
	m.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (k logoutKey) open(ticket string, now time.Time) (asked leaving, ok bool) {
	body, mac, found := strings.Cut(ticket, ".")
	if !found || !hmac.Equal([]byte(mac), []byte(k.mac(body))) {
		return leaving{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(raw, &asked) != nil || now.Unix() >= asked.Expires {
		return leaving{}, false
	}
	return asked, true
}
