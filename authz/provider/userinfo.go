package provider

import (
	"context"
	"mime"
	"net/http"
	"slices"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/claims"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// userInfo is what every answer of OpenID Connect Core §5.3.2 says: the pseudonym and
// the levels. Who the person is in a register leaves only as a recorded release
// (docs/decisions.md D7), see [token.PersonClaims.Of].
type userInfo struct {
	Subject  string   `json:"sub"`
	ACR      string   `json:"acr"`
	AuthTime int64    `json:"auth_time"`
	AMR      []string `json:"amr"`

	ActsFor *token.ActsFor `json:"urn:vn:gov:eid:acts_for,omitempty"`
}

// UserInfo is the UserInfo endpoint, OpenID Connect Core §5.3, by GET or POST.
func (p *Provider) UserInfo(w http.ResponseWriter, r *http.Request) {
	access, g, err := p.userInfoAccess(r)
	if err != nil {
		p.refuseBearer(w, r, err)
		return
	}
	if access.NextNonce != "" {
		w.Header().Set("DPoP-Nonce", access.NextNonce)
	}
	info := userInfo{Subject: string(access.Subject), ACR: g.Level.ACR(), AuthTime: g.AuthTime.Unix(), AMR: g.Methods}
	client, err := p.o.Directory.Client(r.Context(), access.ClientID)
	if err != nil {
		p.refuseBearer(w, r, authz.NewError(authz.InvalidToken, "the app of this token is not registered any more").Because(err))
		return
	}
	if info.ActsFor, err = token.NewActsFor(r.Context(), p.o.Pseudonyms, client.Sector, g.Principal); err != nil {
		p.refuseBearer(w, r, err)
		return
	}
	if g.Level < client.MinimumLevel {
		// RFC 9470 §3: the app asks for more now than when the person signed in.
		p.refuseStepUp(w, r, client.MinimumLevel.ACR())
		return
	}
	wanted := token.Tellable(token.ForUserInfo(g, access.Scope), access.Bound)
	if access.Act != nil {
		// What the person lets one app know is for that app alone: one that acts for it
		// learns who she is to itself, and asks the broker for the rest.
		wanted = claims.Members{}
	}
	// A token of the front channel is good before the code beside it is redeemed.
	facts, err := p.persons.Of(r.Context(), g, wanted, r.Header.Get("X-Request-Id"), g.CodeSpent.IsZero())
	if err != nil {
		p.refuseBearer(w, r, err)
		return
	}
	if client.UserInfoAlg == "" && !client.UserInfoEncryption.Wanted() {
		answer, err := token.WithClaims(info, facts)
		if err != nil {
			p.refuseBearer(w, r, err)
			return
		}
		protocol.WriteJSON(w, http.StatusOK, answer)
		return
	}
	signed, err := p.signedUserInfo(r.Context(), client, info, facts)
	if err != nil {
		p.refuseBearer(w, r, err)
		return
	}
	protocol.WriteJWT(w, "application/jwt", signed)
}

// signedUserInfo is OpenID Connect Core §5.3.2: signed with iss and aud, and if
// the app registered so, encrypted.
func (p *Provider) signedUserInfo(ctx context.Context, client *clientauth.Registered, info userInfo, facts map[string]any) (string, error) {
	all, err := token.WithClaims(struct {
		Issuer   string         `json:"iss"`
		Audience authz.ClientID `json:"aud"`
		userInfo
	}{p.o.Issuer, client.ID, info}, facts)
	if err != nil {
		return "", authz.AsError(err)
	}
	signed, err := jose.Sign(ctx, p.o.Ring, jose.Token{
		Use: keys.TokenSigning, Algorithm: token.OrES256(client.UserInfoAlg), Type: "JWT", Claims: all,
	})
	if err != nil {
		return "", token.KeysError(err)
	}
	return p.signer.EncryptedFor(ctx, client, client.UserInfoEncryption, signed[0])
}

func (p *Provider) userInfoAccess(r *http.Request) (token.Access, *grant.Grant, error) {
	presented, err := userInfoToken(r)
	if err != nil {
		return token.Access{}, nil, err
	}
	access, err := p.guard.Presented(r, presented, p.url.UserInfo, p.url.Here(clientauth.ConnectionOf(r.Context()), protocol.UserInfoPath))
	if err != nil {
		return token.Access{}, nil, err
	}
	if !slices.Contains(access.Scope, "openid") || access.Grant == "" {
		return token.Access{}, nil, authz.NewError(authz.InsufficientScope, "UserInfo needs scope openid")
	}
	g, err := p.verifier.Live(r.Context(), token.AccessClaims{
		Grant: access.Grant, ClientID: access.ClientID, ID: access.ID,
		Act: access.Act,
	})
	return access, g, err
}

// userInfoToken reads the token from the header, or from the body of a POST
// (RFC 6750 §2.2); in the URL it is never accepted (RFC 9700 §4.3.2).
func userInfoToken(r *http.Request) (string, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return "", authz.NewError(authz.InvalidRequest, "UserInfo takes GET and POST")
	}
	if query, err := request.ParseForm(r.URL.RawQuery); err != nil {
		return "", err
	} else if query.Has("access_token") {
		return "", authz.NewError(authz.InvalidRequest, "an access token does not belong in a URL")
	}
	if r.Header.Get("Authorization") != "" || r.Method == http.MethodGet {
		return token.PresentedToken(r)
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); !strings.EqualFold(media, "application/x-www-form-urlencoded") {
		return token.PresentedToken(r)
	}
	form, err := request.ReadForm(r)
	if err != nil {
		return "", err
	}
	presented := form.Get("access_token")
	if presented == "" {
		return "", authz.NewError(authz.InvalidToken, "present one access token").Because(authz.ErrNoToken)
	}
	return presented, nil
}
