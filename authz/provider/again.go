package provider

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
)

// doubleTap is how long a form that is sent twice gets the same answer twice. When a
// button is pressed again, a browser drops the first answer and shows the second:
// without this, the code in the first answer would reach nobody.
const doubleTap = time.Minute

// codeOf derives the code of a pending request, by a MAC over the request, the session
// and the person's answer. The same answer sent twice gives the same code; another
// answer gives none. The code has 256 bits that cannot be guessed (RFC 6749 §10.10), is
// issued once and good once.
func (p *Provider) codeOf(id authz.AuthorizationID, session authz.SessionID, said string) string {
	m := hmac.New(sha256.New, p.codes)
	m.Write([]byte(strings.Join([]string{string(id), string(session), said}, "\x00")))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// justFinished finds a request that was answered within doubleTap. late is the error of
// the answer that came too late; it is returned unless its cause is [Finished].
func (p *Provider) justFinished(ctx context.Context, handle grant.Handle, late error) (Pending, bool, error) {
	if !errors.As(late, new(Finished)) {
		return Pending{}, false, late
	}
	id, _ := p.handles.Open(handle)
	pending, err := p.o.Grants.Pending(ctx, id)
	if err != nil {
		return Pending{}, false, authz.AsError(err)
	}
	return pending, !pending.Finished.IsZero() && p.now().Sub(pending.Finished) < doubleTap, nil
}

// sameCode leads an answer that was sent twice to the app once more, with the code
// that the first was given, unless the app has redeemed it: presenting that again
// would end what it got (RFC 6749 §4.1.2). late is the error otherwise.
func (p *Provider) sameCode(r *http.Request, handle grant.Handle, said string, late error) (Next, error) {
	ctx := r.Context()
	pending, ok, err := p.justFinished(ctx, handle, late)
	if err != nil {
		return Next{}, err
	}
	// Claims about the person in a front-channel ID token were released for the first
	// answer; they are not released again.
	if !ok || pending.Request.Decoupled || p.persons.InFrontChannel(pending.Request) {
		return Next{}, late
	}
	signedIn, ok, err := p.o.Sessions.Current(r)
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	if !ok {
		return Next{}, late
	}
	code := p.codeOf(pending.ID, signedIn.ID, said)
	grant, err := p.o.Grants.GrantByCode(ctx, authz.HashSecret(code))
	if errors.Is(err, authz.ErrNotFound) {
		return Next{}, late // it was another answer, or another's
	}
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	answer := url.Values{}
	if pending.Request.HasCode() {
		answer.Set("code", code)
	}
	if !grant.Revoked.IsZero() || pending.Request.HasCode() && !grant.CodeSpent.IsZero() {
		return Next{}, late
	}
	client, err := p.o.Directory.Client(ctx, pending.Request.ClientID)
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	if err := p.minter.FrontChannel(ctx, client, &grant, answer); err != nil {
		return Next{}, err
	}
	return p.answerIn(ctx, client, pending.Request, signedIn, answer)
}

// sameRefusal leads a refusal that was asked for twice to the app once more.
func (p *Provider) sameRefusal(ctx context.Context, handle grant.Handle, late error) (Next, error) {
	pending, ok, err := p.justFinished(ctx, handle, late)
	if err != nil {
		return Next{}, err
	}
	if !ok || pending.Request.Decoupled || pending.Refused == "" {
		return Next{}, late
	}
	parameters, err := url.ParseQuery(pending.Refused)
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	return p.answer(ctx, pending.Request, parameters)
}

// sameEnd shows how a request of another device ended to the person whose answer came
// twice.
func (p *Provider) sameEnd(r *http.Request, handle grant.Handle, late error) (Next, error) {
	ctx := r.Context()
	pending, ok, err := p.justFinished(ctx, handle, late)
	if err != nil {
		return Next{}, err
	}
	if !ok || !pending.Request.Decoupled {
		return Next{}, late
	}
	signedIn, ok, err := p.o.Sessions.Current(r)
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	ended, err := p.o.Approvals.Store.Decoupled(ctx, pending.ID)
	switch {
	case err != nil:
		return Next{}, authz.AsError(err)
	case !ok || ended.Subject != "" && ended.Subject != signedIn.Subject:
		return Next{}, late
	case ended.State == decoupled.Denied:
		return p.done(string(ended.Because)), nil
	case ended.State == decoupled.Approved:
		return p.done("approved"), nil
	default:
		return Next{}, late
	}
}
