package endsession

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"hopnhat/authz"
	"hopnhat/keys/seal"
)

// logoutRequest is a request whose id_token_hint was verified.
type logoutRequest struct {
	Client  authz.ClientID `json:"c,omitempty"`
	URI     string         `json:"u,omitempty"`
	State   string         `json:"s,omitempty"`
	SID     string         `json:"i,omitempty"`
	Subject string         `json:"p,omitempty"`
	Lang    string         `json:"l,omitempty"`
	Expires int64          `json:"e"`
}

// TicketKey seals logout requests into tickets. A POST of an app brings no cookie of ours
// (SameSite=Lax), so the session is read after one redirect to ourselves. The ID token,
// which may hold data about the person, is not written into that address: only the
// verdict on it is.
//
// It is the key of [seal.LogoutRequests].
type TicketKey struct{ seal.Key }

func (k TicketKey) seal(request logoutRequest, until time.Time) string {
	request.Expires = until.Unix()
	raw, err := json.Marshal(request)
	if err != nil {
		panic("endsession: a logout request that is no JSON: " + err.Error()) // texts and a number
	}
	return k.Sign(base64.RawURLEncoding.EncodeToString(raw))
}

func (k TicketKey) open(ticket string, now time.Time) (request logoutRequest, ok bool) {
	body, ours := k.Signed(ticket)
	if !ours {
		return logoutRequest{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(raw, &request) != nil || now.Unix() >= request.Expires {
		return logoutRequest{}, false
	}
	return request, true
}
