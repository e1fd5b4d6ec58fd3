package sampleapp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// leeway is what clocks may differ by, and oldest how long ago a token that is
// handed out now may have been made.
const (
	leeway = 10 * time.Second
	oldest = 10 * time.Minute
)

type tokens struct {
	Access  string    `json:"access_token"`
	Type    string    `json:"token_type"`
	Refresh string    `json:"refresh_token"`
	ID      string    `json:"id_token"`
	Details []granted `json:"authorization_details"`
}

func (c *client) token(ctx context.Context, values url.Values) (*tokens, error) {
	m, _, err := c.discover(ctx, false)
	if err != nil {
		return nil, err
	}
	answer, body, err := c.form(ctx, m.Token, values)
	if err != nil {
		return nil, err
	}
	var t tokens
	if answer.StatusCode != http.StatusOK || json.Unmarshal(body, &t) != nil {
		return nil, protocolError("the token endpoint", answer, body)
	}
	if !strings.EqualFold(t.Type, "DPoP") { // RFC 9449 §5; RFC 6749 §5.1: without regard to case
		return nil, errors.New("the access token is not bound to our key")
	}
	return &t, nil
}

// idToken is what an ID token says.
type idToken struct {
	jwt.Claims
	Nonce  string `json:"nonce"`
	ACR    string `json:"acr"`
	SID    string `json:"sid"`
	AtHash string `json:"at_hash"`
}

// idToken checks an ID token, OpenID Connect Core §3.1.3.7 and §3.1.3.8.
func (c *client) idToken(ctx context.Context, token, access string) (*idToken, error) {
	var id idToken
	typ, err := c.verify(ctx, token, &id)
	if err != nil {
		return nil, err
	}
	if typ != "" && !strings.EqualFold(typ, "JWT") { // RFC 8725 §3.11: no token of another kind
		return nil, fmt.Errorf("typ is %q", typ)
	}
	if err := c.current(id.Claims); err != nil {
		return nil, err
	}
	if id.Subject == "" {
		return nil, errors.New("it does not say whose it is (sub)")
	}
	if sum := sha256.Sum256([]byte(access)); id.AtHash != "" && id.AtHash != base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]) {
		return nil, errors.New("it belongs to another access token (at_hash)")
	}
	return &id, nil
}

// current checks that a token of the provider is for us alone, and was made just now.
// What a check needs has to be there.
func (c *client) current(claims jwt.Claims) error {
	if claims.Expiry == nil || claims.IssuedAt == nil {
		return errors.New("exp or iat is missing")
	}
	if len(claims.Audience) != 1 { // nobody else is trusted with it
		return fmt.Errorf("it is for %d parties (aud)", len(claims.Audience))
	}
	if claims.IssuedAt.Time().Before(time.Now().Add(-oldest)) {
		return errors.New("it was made long ago (iat)")
	}
	return c.meant(claims)
}

// meant checks issuer, audience and times.
func (c *client) meant(claims jwt.Claims) error {
	return claims.ValidateWithLeeway(jwt.Expected{Issuer: c.c.Issuer, AnyAudience: jwt.Audience{c.c.ClientID}, Time: time.Now()}, leeway)
}

// redeem turns a code into a visitor.
func (c *client) redeem(ctx context.Context, code string, flow *login) (*visitor, error) {
	t, err := c.token(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.c.Home + "/callback"}, "code_verifier": {flow.verifier},
	})
	if err != nil {
		return nil, err
	}
	id, err := c.idToken(ctx, t.ID, t.Access)
	if err != nil {
		return nil, fmt.Errorf("the ID token: %w", err)
	}
	if id.Nonce != flow.nonce {
		return nil, errors.New("the ID token is for another sign-in (nonce)")
	}
	who := &visitor{
		subject: id.Subject, sid: id.SID, acr: id.ACR, access: t.Access, id: t.ID, refresh: t.Refresh, granted: t.Details,
		since: time.Now(),
	}
	if c.c.Profile {
		if err := c.userInfo(ctx, who); err != nil {
			return nil, fmt.Errorf("UserInfo: %w", err)
		}
	}
	return who, nil
}

// fresh gets a new access token; the old ones are good for minutes only. A new ID
// token, if there is one, is of the same person (OpenID Connect Core §12.2).
func (c *client) fresh(ctx context.Context, who *visitor) error {
	if who.refresh == "" {
		return errors.New("no refresh token")
	}
	t, err := c.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {who.refresh}})
	if err != nil {
		return err
	}
	if t.ID != "" {
		id, err := c.idToken(ctx, t.ID, t.Access)
		if err != nil {
			return fmt.Errorf("the refreshed ID token: %w", err)
		}
		if id.Subject != who.subject {
			return errors.New("the refreshed ID token is of another person")
		}
	}
	who.access = t.Access
	if t.Refresh != "" {
		who.refresh = t.Refresh
	}
	return nil
}

// userInfo reads who she is; it must be the person of the ID token (OpenID Connect
// Core §5.3.2).
func (c *client) userInfo(ctx context.Context, who *visitor) error {
	m, _, err := c.discover(ctx, false)
	if err != nil {
		return err
	}
	answer, raw, err := c.send(ctx, m.UserInfo, "application/x-www-form-urlencoded", who.access, func() (string, error) { return "", nil })
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return protocolError("UserInfo", answer, raw)
	}
	var info struct {
		jwt.Claims
		Name string `json:"name"`
	}
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case c.c.Signed && media != "application/jwt":
		return errors.New("it is not signed, as we registered")
	case c.c.Signed:
		if _, err := c.verify(ctx, string(raw), &info); err != nil {
			return err
		}
		if err := c.meant(info.Claims); err != nil {
			return err
		}
	default:
		if err := json.Unmarshal(raw, &info); err != nil {
			return err
		}
	}
	if info.Subject != who.subject {
		return errors.New("it is of another person")
	}
	who.name = info.Name
	return nil
}

// verify checks the signature of a token against the provider's published keys, and
// gives its typ.
func (c *client) verify(ctx context.Context, token string, into any) (typ string, err error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", err
	}
	header := parsed.Headers[0]
	typ, _ = header.ExtraHeaders[jose.HeaderType].(string)
	for _, again := range []bool{false, true} {
		_, keys, err := c.discover(ctx, again)
		if err != nil {
			return "", err
		}
		for _, key := range keys.Key(header.KeyID) {
			return typ, parsed.Claims(key.Key, into)
		}
	}
	return "", errors.New("signed by a key that the provider does not publish")
}

// logoutToken is what a logout token says.
type logoutToken struct {
	jwt.Claims
	SID    string                     `json:"sid"`
	Nonce  *string                    `json:"nonce"`
	Events map[string]json.RawMessage `json:"events"`
}

// logoutToken checks a logout token, Back-Channel Logout §2.6.
func (c *client) logoutToken(ctx context.Context, token string) (*logoutToken, error) {
	var t logoutToken
	typ, err := c.verify(ctx, token, &t)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(typ, "logout+jwt") {
		return nil, fmt.Errorf("typ is %q", typ)
	}
	if err := c.current(t.Claims); err != nil {
		return nil, err
	}
	if _, ok := t.Events["http://schemas.openid.net/event/backchannel-logout"]; !ok || t.Nonce != nil || t.Subject == "" && t.SID == "" || t.ID == "" {
		return nil, errors.New("not a logout token")
	}
	return &t, nil
}

// consentNotice is a security event token (RFC 8417 §2) that says that a consent was
// withdrawn.
type consentNotice struct {
	jwt.Claims
	Events map[string]withdrawnConsent `json:"events"`
}

type withdrawnConsent struct {
	Reference string `json:"consent_reference"`
	ProcessBy string `json:"process_by"`
}

const withdrawnEvent = "urn:vn:gov:eid:event:consent-withdrawn"

func (n *consentNotice) event() withdrawnConsent { return n.Events[withdrawnEvent] }

// consentNotice checks a notice: it is the provider's, for this app, and a security
// event and nothing else (RFC 8417 §4). It has no exp.
func (c *client) consentNotice(ctx context.Context, token string) (*consentNotice, error) {
	var n consentNotice
	typ, err := c.verify(ctx, token, &n)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(typ, "secevent+jwt") {
		return nil, fmt.Errorf("typ is %q", typ)
	}
	if err := c.meant(n.Claims); err != nil {
		return nil, err
	}
	if _, ok := n.Events[withdrawnEvent]; !ok || n.Subject == "" || n.ID == "" {
		return nil, errors.New("not the notice of a withdrawal")
	}
	return &n, nil
}
