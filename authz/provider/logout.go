package provider

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Logout is a checked request of an app to sign the person out, OpenID Connect
// RP-Initiated Logout §2.
type Logout struct {
	// Client is the app that asks, nil when it did not say.
	Client *authz.Client
	// Return is where the browser goes afterwards, with state; empty for our
	// own page.
	Return string
	// Confirmed means that id_token_hint is for this very session, so that the
	// person need not be asked (§2).
	Confirmed bool
}

type audience []string

// UnmarshalJSON takes one string or several, RFC 7519 §4.1.3.
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

type hintClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	SID      string   `json:"sid"`
	Expires  int64    `json:"exp"`
}

// idTokenHint checks that a hint is an ID token of ours; an expired one will do
// (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §4).
func (p *Provider) idTokenHint(hint string) (hintClaims, error) {
	published, err := p.o.Ring.Published(keys.TokenSigning)
	if err != nil {
		return hintClaims{}, authz.AsError(err)
	}
	verified, err := jose.VerifyPublished(hint, published, jose.Rule{
		Type: typeIDToken, Algorithms: []keys.Algorithm{keys.ES256, keys.EdDSA, keys.PS256, keys.RS256}, MaxBytes: 8 << 10,
	})
	if err != nil {
		return hintClaims{}, authz.Refuse(authz.InvalidRequest, "id_token_hint is not an ID token of this provider").At("id_token_hint").Because(err)
	}
	var claims hintClaims
	if err := json.Unmarshal(verified.Claims, &claims); err != nil || claims.Issuer != p.o.Issuer || len(claims.Audience) == 0 || claims.Subject == "" || claims.Expires == 0 {
		// Without exp it is another JWT of ours: signed UserInfo, or a response.
		return hintClaims{}, authz.Refuse(authz.InvalidRequest, "id_token_hint is not an ID token of this provider").At("id_token_hint")
	}
	return claims, nil
}

// EndSession checks a logout request by GET or POST. signedIn may be nil. It
// ends nothing: the page asks the person first, unless Confirmed.
func (p *Provider) EndSession(r *http.Request, signedIn *SignedIn) (Logout, error) {
	raw := r.URL.RawQuery
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(io.LimitReader(r.Body, request.MaxForm+1))
		if err != nil {
			return Logout{}, authz.Refuse(authz.InvalidRequest, "the body could not be read").Because(err)
		}
		raw = string(body)
	}
	form, err := request.ParseForm(raw)
	if err != nil {
		return Logout{}, err
	}
	var out Logout
	clientID := authz.ClientID(form.Get("client_id"))
	var hint hintClaims
	if token := form.Get("id_token_hint"); token != "" {
		if hint, err = p.idTokenHint(token); err != nil {
			return Logout{}, err
		}
		if clientID == "" && len(hint.Audience) == 1 {
			clientID = authz.ClientID(hint.Audience[0])
		}
		if !slices.Contains(hint.Audience, string(clientID)) {
			return Logout{}, authz.Refuse(authz.InvalidRequest, "client_id is not the app id_token_hint was issued to").At("client_id")
		}
	}
	if clientID != "" {
		client, err := p.o.Directory.Client(r.Context(), clientID)
		if errors.Is(err, clientauth.ErrUnknownClient) {
			return Logout{}, authz.Refuse(authz.InvalidRequest, "no app is registered with this client_id").At("client_id")
		}
		if err != nil {
			return Logout{}, authz.AsError(err)
		}
		out.Client = client.Client
	}
	if uri := form.Get("post_logout_redirect_uri"); uri != "" {
		if out.Client == nil {
			return Logout{}, authz.Refuse(authz.InvalidRequest, "post_logout_redirect_uri needs id_token_hint or client_id beside it").At("post_logout_redirect_uri")
		}
		if !slices.Contains(out.Client.PostLogoutRedirectURIs, uri) {
			return Logout{}, authz.Refuse(authz.InvalidRequest, "post_logout_redirect_uri is not registered for this app").At("post_logout_redirect_uri")
		}
		out.Return = withState(uri, form.Get("state"))
	}
	if signedIn != nil && out.Client != nil && hint.SID != "" {
		out.Confirmed = hint.SID == p.o.Pseudonyms.SID(signedIn.ID, out.Client.ID)
	}
	return out, nil
}

func withState(uri, state string) string {
	if state == "" {
		return uri
	}
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + url.Values{"state": {state}}.Encode()
}
