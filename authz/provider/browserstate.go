package provider

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
)

// browserKey makes browser states, the opaque value of Session Management §4.2. A
// script may read one and every site may learn that it changed, so it is a MAC of
// the session's id, which opens nothing and leads back to nothing.
type browserKey []byte

func (k browserKey) of(session authz.SessionID) string {
	m := hmac.New(sha256.New, k)
	m.Write([]byte(session))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:16])
}

// BrowserState is the value of the cookie that the frame of session management
// reads while a session lives.
func (p *Provider) BrowserState(session authz.SessionID) string { return p.browser.of(session) }

// answerIn is answer with the session's state for an app that registered for it
// (Session Management §2): others' answers stay as they are.
func (p *Provider) answerIn(ctx context.Context, client *clientauth.Registered, a request.Authorization, s SignedIn, parameters url.Values) (Next, error) {
	if !client.SessionManagement || !client.Profile.BrowserLogout || !slices.Contains(a.Scope, "openid") {
		return p.answer(ctx, a, parameters)
	}
	state := p.BrowserState(s.ID)
	parameters.Set("session_state", sessionState(client.ID, a.RedirectURI, state, newStateSalt()))
	next, err := p.answer(ctx, a, parameters)
	next.BrowserState = state
	return next, err
}

// sessionState is a salted hash of client, origin and browser state (Session
// Management §3.2), which the frame computes again; it has no space.
func sessionState(client authz.ClientID, redirectURI, state, salt string) string {
	origin := ""
	if u, err := url.Parse(redirectURI); err == nil {
		origin = u.Scheme + "://" + u.Host
	}
	sum := sha256.Sum256([]byte(string(client) + " " + origin + " " + state + " " + salt))
	return base64.RawURLEncoding.EncodeToString(sum[:]) + "." + salt
}

func newStateSalt() string { return authz.NewSecret()[:22] }
