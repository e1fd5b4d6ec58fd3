package redeem

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/delegation"
	"hopnhat/authz/grant"
	"hopnhat/authz/token"
)

// exchange is token exchange, RFC 8693. The token it gives ends with the grant of the one
// presented, is bound to the key of the app that asks, names every actor, and is
// on record before it leaves: one commit, one signature.
type exchange struct {
	*Options
	asserted jwtBearer
}

func (x exchange) redeem(ctx context.Context, q *Request) (*token.Response, error) {
	issued, err := issuedType(q.Form)
	if err != nil {
		return nil, err
	}
	if !q.Confirmation.Bound() {
		return nil, authz.NewError(authz.InvalidDPoPProof,
			"an exchanged token is bound to its holder; send a DPoP proof (RFC 9449), or call with the client certificate (RFC 8705)")
	}
	actor, err := x.actor(ctx, q)
	if err != nil {
		return nil, err
	}
	wish := delegation.Wish{Targets: slices.Concat(q.Form["audience"], q.Resources)}
	if s := q.Form.Get("scope"); s != "" {
		wish.Scope = strings.Fields(s)
	}
	if from := trusted(q.Client, q.Form.Get("subject_token")); from != nil && q.Form.Get("subject_token_type") == authz.TokenTypeJWT {
		if q.Form.Get("actor_token") != "" {
			return nil, authz.NewError(authz.InvalidRequest, "a service acts for itself; send no actor_token").At("actor_token")
		}
		answer, err := x.asserted.token(ctx, q, q.Form.Get("subject_token"), from, wish.Targets, wish.Scope)
		if refusal := authz.AsError(err); err != nil && refusal.Code == authz.InvalidGrant {
			// RFC 8693 §2.2.2 has its own code for a subject_token that is not good.
			err = authz.NewError(authz.InvalidRequest, "%s", refusal.Description).At("subject_token").Because(err)
		}
		return issuedAs(answer, issued), err
	}
	subject, g, err := x.subjectToken(ctx, q.Form)
	if err != nil {
		return nil, err
	}
	if g.Level < q.Client.MinimumLevel {
		return nil, authz.NewError(authz.InvalidRequest, "the person signed in at a lower level than this app accepts").At("subject_token")
	}
	latest := q.Now.Add(x.Minter.Life)
	if g.Expires.Before(latest) {
		latest = g.Expires
	}
	var lookupErr error
	outcome, refusal := delegation.Exchange(q.Client.TokenExchange, actor, subject, wish, func(id string) (delegation.Target, bool) {
		known, err := x.target(ctx, q.Client, id)
		if id == x.Minter.Targets.URLs.Broker && !slices.Contains(subject.Audience, id) {
			// Registers are not reached by a token that was not for them: an ID token,
			// or one that the app had narrowed.
			err = token.UnknownTarget()
		}
		lookupErr = err
		return known, err == nil
	}, q.Now, latest)
	if lookupErr != nil && authz.AsError(lookupErr).Code != authz.InvalidTarget {
		return nil, lookupErr // could not look: not the same as not there
	}
	if refusal != nil {
		return nil, refusal
	}
	answer, err := x.Minter.Exchanged(ctx, g, outcome, q.terms(nil, false))
	if err != nil {
		return nil, err
	}
	if err := spendInTx(ctx, x.Store, q.Assertion, func(ctx context.Context) error {
		return x.record(ctx, q, g, outcome)
	}); err != nil {
		return nil, authz.AsError(err)
	}
	return issuedAs(answer, issued), nil
}

func issuedAs(answer *token.Response, issued string) *token.Response {
	if answer != nil {
		answer.IssuedType = issued
	}
	return answer
}

// issuedType is what is asked for: an access token, which here is a JWT.
func issuedType(form url.Values) (string, error) {
	switch wanted := form.Get("requested_token_type"); wanted {
	case "", authz.TokenTypeAccess:
		return authz.TokenTypeAccess, nil
	case authz.TokenTypeJWT:
		return wanted, nil
	}
	return "", authz.NewError(authz.InvalidRequest, "requested_token_type must be %s or %s", authz.TokenTypeAccess,
		authz.TokenTypeJWT).At("requested_token_type")
}

// actor is who will act: the app, or the service that its actor_token names. An
// actor token is of the app itself and bound to what the app proves now, so
// nobody acts in a name that was merely overheard.
func (x exchange) actor(ctx context.Context, q *Request) (delegation.Actor, error) {
	self := delegation.Actor{Subject: string(q.Client.ID), Client: q.Client.ID}
	presented, kind := q.Form.Get("actor_token"), q.Form.Get("actor_token_type")
	switch {
	case presented == "" && kind == "":
		return self, nil
	case presented == "" || kind == "":
		return self, authz.NewError(authz.InvalidRequest,
			"actor_token and actor_token_type come together (RFC 8693 §2.1)").At("actor_token_type")
	case kind != authz.TokenTypeAccess && kind != authz.TokenTypeJWT:
		return self, authz.NewError(authz.InvalidRequest, "actor_token_type must be %s", authz.TokenTypeAccess).At("actor_token_type")
	}
	claims, err := x.presentedAccess(ctx, presented, "actor_token")
	switch {
	case err != nil:
		return self, err
	case claims.ClientID != q.Client.ID || claims.Grant != "" || claims.Confirm != q.Confirmation:
		return self, authz.NewError(authz.InvalidRequest,
			"the actor_token must be a token of this app for itself or a service of it, bound as the request is").At("actor_token")
	}
	self.Subject = claims.Subject
	return self, nil
}

// presentedAccess checks an access token that came as a parameter, and that it
// still lives. RFC 8693 §2.2.2: one that is not good is an invalid_request.
func (x exchange) presentedAccess(ctx context.Context, presented, parameter string) (token.AccessClaims, error) {
	claims, err := x.Verifier.Access(presented)
	if err == nil {
		_, err = x.Verifier.Live(ctx, claims)
	}
	return claims, asRequest(err, parameter)
}

func asRequest(err error, parameter string) error {
	if err == nil {
		return nil
	}
	refusal := authz.AsError(err)
	if refusal.Code != authz.InvalidToken {
		return refusal // could not look
	}
	return authz.NewError(authz.InvalidRequest, "the %s is not a token of ours that is still good", parameter).At(parameter).Because(err)
}

// subjectToken checks the token presented and finds its grant. A refresh token is
// for the token endpoint and its own app alone, so it is none. A token without a
// person is none either: a service asks for one of its own.
func (x exchange) subjectToken(ctx context.Context, form url.Values) (delegation.Subject, *grant.Grant, error) {
	presented := form.Get("subject_token")
	switch kind := form.Get("subject_token_type"); kind {
	case authz.TokenTypeAccess, authz.TokenTypeJWT:
		claims, err := x.Verifier.Access(presented)
		if err == nil && token.IsOpaque(presented) {
			// One that came through a browser is good at UserInfo and nowhere else.
			err = authz.NewError(authz.InvalidToken, "an access token of the front channel cannot be exchanged")
		}
		if err != nil {
			return delegation.Subject{}, nil, asRequest(err, "subject_token")
		}
		if claims.Grant == "" {
			return delegation.Subject{}, nil, authz.NewError(authz.InvalidRequest,
				"the subject_token is of no person; a service asks for a token of its own").At("subject_token")
		}
		g, err := x.Verifier.Live(ctx, claims)
		return delegation.Subject{
			Type: authz.TokenTypeAccess, Client: claims.ClientID, Audience: claims.Audience, Scope: strings.Fields(claims.Scope),
			Expires: time.Unix(claims.Expires, 0), Act: claims.Act, MayAct: claims.MayAct,
		}, g, asRequest(err, "subject_token")
	case authz.TokenTypeID:
		return x.subjectIDToken(ctx, presented)
	default:
		return delegation.Subject{}, nil, authz.NewError(authz.InvalidRequest, "subject_token_type must be %s, %s or %s",
			authz.TokenTypeAccess, authz.TokenTypeID, authz.TokenTypeJWT).At("subject_token_type")
	}
}

// subjectIDToken: an ID token says who, and nothing of what may be done. So its
// scope is openid alone, and no release goes out on it.
func (x exchange) subjectIDToken(ctx context.Context, presented string) (delegation.Subject, *grant.Grant, error) {
	claims, err := x.Verifier.IDToken(presented)
	if refusal := authz.AsError(err); err != nil && refusal.Code == authz.InvalidToken {
		err = authz.NewError(authz.InvalidRequest,
			"the subject_token is not an ID token of ours that is still good").At("subject_token").Because(err)
	}
	if err != nil {
		return delegation.Subject{}, nil, err
	}
	g, err := x.Verifier.Live(ctx, token.AccessClaims{Grant: claims.GrantID(), ClientID: authz.ClientID(claims.Audience)})
	return delegation.Subject{
		Type: authz.TokenTypeID, Client: authz.ClientID(claims.Audience), Scope: []string{"openid"}, Expires: time.Unix(claims.Expires, 0),
	}, g, asRequest(err, "subject_token")
}

// target finds a resource that a token can be exchanged for.
func (x exchange) target(ctx context.Context, client *clientauth.Registered, id string) (delegation.Target, error) {
	if id == x.Minter.Targets.URLs.UserInfo || id == x.Minter.Targets.URLs.Broker {
		return delegation.Target{ID: id, Scopes: []string{"openid"}}, nil
	}
	if !slices.Contains(client.Resources, id) {
		return delegation.Target{}, token.UnknownTarget()
	}
	r, err := x.Minter.Targets.Resource(ctx, id)
	if err != nil {
		return delegation.Target{}, err
	}
	return delegation.Target{ID: id, Scopes: r.Scopes}, nil
}

// record records who acts for whom. The person sees it: the app that acts
// is the one that asked, the app she knows is the object.
func (x exchange) record(ctx context.Context, q *Request, g *grant.Grant, o delegation.Outcome) error {
	act := grant.Act(audit.TokenExchange, q.Client, g, q.Now)
	act.Detail = audit.Detail{Object: string(g.ClientID), Text: o.Audience, Count: int64(len(o.Act.Chain()))}
	for _, actor := range o.Act.Chain() {
		act.Decision.Determining = append(act.Decision.Determining, "actor:"+string(actor.Client))
		if actor.Subject != string(actor.Client) { // a service that the app's actor token named
			act.Decision.Determining = append(act.Decision.Determining, "service:"+actor.Subject)
		}
	}
	// A lock, sign-out or revocation that was acknowledged gives no token any more.
	act.Hold = &audit.Hold{Grant: g.ID, Clients: []authz.ClientID{g.ClientID}}
	for _, acting := range o.Act.Clients() {
		if !slices.Contains(act.Hold.Clients, acting) {
			act.Hold.Clients = append(act.Hold.Clients, acting)
		}
	}
	_, err := x.Recorder.Evidence.Write(ctx, act)
	if errors.Is(err, authz.ErrConflict) {
		return asRequest(token.ErrRevoked(), "subject_token")
	}
	return err
}
