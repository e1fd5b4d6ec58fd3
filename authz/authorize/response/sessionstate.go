package response

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
)

// AnswerInSession is Answer with the session's state for an app that registered for it
// (Session Management §2): others' answers stay as they are.
func (r *Responder) AnswerInSession(ctx context.Context, client *clientauth.Registered, a request.Authorization, session authz.SessionID,
	parameters url.Values,
) (Next, error) {
	if !client.SessionManagement || !client.Profile.BrowserLogout || !slices.Contains(a.Scope, "openid") {
		return r.Answer(ctx, a, parameters)
	}
	state := r.BrowserState(session)
	parameters.Set("session_state", sessionState(client.ID, a.RedirectURI, state, newStateSalt()))
	next, err := r.Answer(ctx, a, parameters)
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
