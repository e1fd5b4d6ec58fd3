package token

import (
	"hopnhat/authz"
)

// Response is RFC 6749 §5.1 with OpenID Connect Core §3.1.3.3 and RFC 9396
// §7.
type Response struct {
	AccessToken  string          `json:"access_token"`
	TokenType    string          `json:"token_type"`
	ExpiresIn    int             `json:"expires_in"`
	RefreshToken string          `json:"refresh_token,omitempty"`
	IDToken      string          `json:"id_token,omitempty"`
	Scope        string          `json:"scope,omitempty"`
	Details      []authz.Release `json:"authorization_details,omitempty"`
	GrantID      authz.GrantID   `json:"grant_id,omitempty"`          // Grant Management §5.4
	IssuedType   string          `json:"issued_token_type,omitempty"` // RFC 8693 §2.2.1
}

// Type is DPoP for a token bound to a DPoP key (RFC 9449 §5), and Bearer else:
// a certificate changes how a token is checked, not how it is presented (RFC 8705
// §3).
func Type(bound authz.Confirmation) string {
	if bound.JKT == "" {
		return "Bearer"
	}
	return "DPoP"
}
