package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/keys/seal"
)

// doubleTap is how long a form that is sent twice gets the same answer twice. When a
// button is pressed again, a browser drops the first answer and shows the second:
// without this, the code in the first answer would reach nobody.
const doubleTap = time.Minute

// CodeKey derives the code of a pending request, by a MAC over the request, the session
// and the person's answer. The same answer sent twice gives the same code; another
// answer gives none. The code has 256 bits that cannot be guessed (RFC 6749 §10.10), is
// issued once and good once. It is the key of [seal.Codes].
type CodeKey struct{ seal.Key }

func (k CodeKey) of(id authz.AuthorizationID, session authz.SessionID, pageAnswer string) string {
	return k.MACText(strings.Join([]string{string(id), string(session), pageAnswer}, "\x00"))
}

// justFinished finds a request that was answered within doubleTap. late is the error of
// the answer that came too late; it is returned unless its cause is [Finished].
func (a *Authorizer) justFinished(ctx context.Context, handle grant.Handle, late error) (grant.Pending, bool, error) {
	if !errors.As(late, new(Finished)) {
		return grant.Pending{}, false, late
	}
	id, _ := a.o.Handles.Open(handle)
	pending, err := a.o.Store.Pending(ctx, id)
	if err != nil {
		return grant.Pending{}, false, authz.AsError(err)
	}
	return pending, !pending.Finished.IsZero() && a.o.Now().Sub(pending.Finished) < doubleTap, nil
}

// sameCode leads an answer that was sent twice to the app once more, with the code
// that the first was given, unless the app has redeemed it: presenting that again
// would end what it got (RFC 6749 §4.1.2). late is the error otherwise.
func (a *Authorizer) sameCode(r *http.Request, handle grant.Handle, pageAnswer string, late error) (response.Next, error) {
	ctx := r.Context()
	pending, ok, err := a.justFinished(ctx, handle, late)
	if err != nil {
		return response.Next{}, err
	}
	// Claims about the person in a front-channel ID token were released for the first
	// answer; they are not released again.
	if !ok || pending.Request.Decoupled || a.o.Minter.Persons.InFrontChannel(pending.Request) {
		return response.Next{}, late
	}
	signedIn, ok, err := a.o.Sessions.Current(r)
	if err != nil {
		return response.Next{}, authz.AsError(err)
	}
	if !ok {
		return response.Next{}, late
	}
	code := a.o.Codes.of(pending.ID, signedIn.ID, pageAnswer)
	grant, err := a.o.Store.GrantByCode(ctx, authz.HashSecret(code))
	if errors.Is(err, authz.ErrNotFound) {
		return response.Next{}, late // it was another answer, or another's
	}
	if err != nil {
		return response.Next{}, authz.AsError(err)
	}
	answer := url.Values{}
	if pending.Request.HasCode() {
		answer.Set("code", code)
	}
	if !grant.Revoked.IsZero() || pending.Request.HasCode() && !grant.CodeSpent.IsZero() {
		return response.Next{}, late
	}
	client, err := a.o.Directory.Client(ctx, pending.Request.ClientID)
	if err != nil {
		return response.Next{}, authz.AsError(err)
	}
	if err := a.o.Minter.FrontChannel(ctx, client, &grant, answer); err != nil {
		return response.Next{}, err
	}
	return a.o.Responder.AnswerInSession(ctx, client, pending.Request, signedIn.ID, answer)
}

// sameRefusal leads a refusal that was asked for twice to the app once more.
func (a *Authorizer) sameRefusal(ctx context.Context, handle grant.Handle, late error) (response.Next, error) {
	pending, ok, err := a.justFinished(ctx, handle, late)
	if err != nil {
		return response.Next{}, err
	}
	if !ok || pending.Request.Decoupled || pending.Refused == "" {
		return response.Next{}, late
	}
	parameters, err := url.ParseQuery(pending.Refused)
	if err != nil {
		return response.Next{}, authz.AsError(err)
	}
	return a.o.Responder.Answer(ctx, pending.Request, parameters)
}

// sameEnd shows how a request of another device ended to the person whose answer came
// twice.
func (a *Authorizer) sameEnd(r *http.Request, handle grant.Handle, late error) (response.Next, error) {
	ctx := r.Context()
	pending, ok, err := a.justFinished(ctx, handle, late)
	if err != nil {
		return response.Next{}, err
	}
	if !ok || !pending.Request.Decoupled {
		return response.Next{}, late
	}
	signedIn, ok, err := a.o.Sessions.Current(r)
	if err != nil {
		return response.Next{}, authz.AsError(err)
	}
	ended, err := a.o.Approvals.Store.Decoupled(ctx, pending.ID)
	switch {
	case err != nil:
		return response.Next{}, authz.AsError(err)
	case !ok || ended.Subject != "" && ended.Subject != signedIn.Actor:
		return response.Next{}, late
	case ended.State == decoupled.Denied:
		return a.done(string(ended.Because)), nil
	case ended.State == decoupled.Approved:
		return a.done("approved"), nil
	default:
		return response.Next{}, late
	}
}
