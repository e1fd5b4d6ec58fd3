package provider

import (
	"context"
	"errors"
	"log/slog"
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

// Evidence stages an event in the transaction of the context; what it returns
// puts the event into the log once that transaction has committed.
type Evidence interface {
	Stage(ctx context.Context, e audit.Event) (logIt func(context.Context) error, err error)
	// StageHolding is Stage for an event that is true only while something holds;
	// authz.ErrConflict if it does not any more.
	StageHolding(ctx context.Context, e audit.Event, h audit.Hold) (logIt func(context.Context) error, err error)
}

// tokenExchange is RFC 8693. The token it gives ends with the grant of the one
// presented, is bound to the key of the app that asks, names every actor, and is
// on record before it leaves: one commit, one signature.
func (p *Provider) tokenExchange(ctx context.Context, u *unit, form url.Values, bound authz.Confirmation, assertion clientauth.Assertion) (*token.Response, error) {
	issued, err := issuedType(form)
	if err != nil {
		return nil, err
	}
	if !bound.Bound() {
		return nil, authz.Refuse(authz.InvalidDPoPProof, "an exchanged token is bound to its holder; send a DPoP proof (RFC 9449), or call with the client certificate (RFC 8705)")
	}
	actor, err := p.actor(ctx, u, form, bound)
	if err != nil {
		return nil, err
	}
	wish := delegation.Wish{Targets: slices.Concat(form["audience"], form["resource"])}
	if s := form.Get("scope"); s != "" {
		wish.Scope = strings.Fields(s)
	}
	if from := trusted(u.client, form.Get("subject_token")); from != nil && form.Get("subject_token_type") == authz.TokenTypeJWT {
		if form.Get("actor_token") != "" {
			return nil, authz.Refuse(authz.InvalidRequest, "a service acts for itself; send no actor_token").At("actor_token")
		}
		answer, err := p.assertedToken(ctx, u, form.Get("subject_token"), from, wish.Targets, wish.Scope, bound, assertion)
		if refusal := authz.AsError(err); err != nil && refusal.Code == authz.InvalidGrant {
			// RFC 8693 §2.2.2 has its own code for a subject_token that is not good.
			err = authz.Refuse(authz.InvalidRequest, "%s", refusal.Description).At("subject_token").Because(err)
		}
		return issuedAs(answer, issued), err
	}
	subject, g, err := p.subjectToken(ctx, form)
	if err != nil {
		return nil, err
	}
	if g.Level < u.client.MinimumLevel {
		return nil, authz.Refuse(authz.InvalidRequest, "the person signed in at a lower level than this app accepts").At("subject_token")
	}
	latest := u.now.Add(p.life.Access)
	if g.Expires.Before(latest) {
		latest = g.Expires
	}
	var looked error
	outcome, refusal := delegation.Exchange(u.client.TokenExchange, actor, subject, wish, func(id string) (delegation.Target, bool) {
		known, err := p.exchangeTarget(ctx, u.client, id)
		if id == p.url.Broker && !slices.Contains(subject.Audience, id) {
			// Registers are not reached by a token that was not for them: an ID token,
			// or one that the app had narrowed.
			err = token.UnknownTarget()
		}
		looked = err
		return known, err == nil
	}, u.now, latest)
	if looked != nil && authz.AsError(looked).Code != authz.InvalidTarget {
		return nil, looked // could not look: not the same as not there
	}
	if refusal != nil {
		return nil, refusal
	}
	answer, err := p.minter.Exchanged(ctx, g, outcome, u.terms(nil, bound))
	if err != nil {
		return nil, err
	}
	var logIt func(context.Context) error
	if err := p.recording(ctx, assertion, func(ctx context.Context) error {
		logIt, err = p.stageExchange(ctx, u, g, subject, outcome)
		return err
	}); err != nil {
		return nil, authz.AsError(err)
	}
	if err := p.logged(ctx, logIt); err != nil {
		return nil, err
	}
	return issuedAs(answer, issued), nil
}

// recording is spending, always in a transaction: an event is staged in it.
func (p *Provider) recording(ctx context.Context, assertion clientauth.Assertion, write func(context.Context) error) error {
	return p.o.Grants.Tx(ctx, func(ctx context.Context) error { return grant.SpendWith(ctx, p.o.Grants, assertion, write) })
}

// logged puts a recorded event into the log. When the log does not take it, what
// rests on it is not given out; the recorder brings the row there later.
func (p *Provider) logged(ctx context.Context, logIt func(context.Context) error) error {
	if err := logIt(context.WithoutCancel(ctx)); err != nil {
		slog.ErrorContext(ctx, "an event is recorded but not logged yet", "error", err)
		return authz.AsError(authz.ErrUnavailable).Because(err)
	}
	return nil
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
	return "", authz.Refuse(authz.InvalidRequest, "requested_token_type must be %s or %s", authz.TokenTypeAccess, authz.TokenTypeJWT).At("requested_token_type")
}

// actor is who will act: the app, or the service that its actor_token names. An
// actor token is of the app itself and bound to what the app proves now, so
// nobody acts in a name that was merely overheard.
func (p *Provider) actor(ctx context.Context, u *unit, form url.Values, bound authz.Confirmation) (delegation.Actor, error) {
	self := delegation.Actor{Subject: string(u.client.ID), Client: u.client.ID}
	presented, kind := form.Get("actor_token"), form.Get("actor_token_type")
	switch {
	case presented == "" && kind == "":
		return self, nil
	case presented == "" || kind == "":
		return self, authz.Refuse(authz.InvalidRequest, "actor_token and actor_token_type come together (RFC 8693 §2.1)").At("actor_token_type")
	case kind != authz.TokenTypeAccess && kind != authz.TokenTypeJWT:
		return self, authz.Refuse(authz.InvalidRequest, "actor_token_type must be %s", authz.TokenTypeAccess).At("actor_token_type")
	}
	claims, err := p.presentedAccess(ctx, presented, "actor_token")
	switch {
	case err != nil:
		return self, err
	case claims.ClientID != u.client.ID || claims.Grant != "" || claims.Confirm != bound:
		return self, authz.Refuse(authz.InvalidRequest, "the actor_token must be a token of this app for itself or a service of it, bound as the request is").At("actor_token")
	}
	self.Subject = claims.Subject
	return self, nil
}

// presentedAccess checks an access token that came as a parameter, and that it
// still lives. RFC 8693 §2.2.2: one that is not good is an invalid_request.
func (p *Provider) presentedAccess(ctx context.Context, presented, parameter string) (token.AccessClaims, error) {
	claims, err := p.verifier.Access(presented)
	if err == nil {
		_, err = p.verifier.Live(ctx, claims)
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
	return authz.Refuse(authz.InvalidRequest, "the %s is not a token of ours that is still good", parameter).At(parameter).Because(err)
}

// subjectToken checks the token presented and finds its grant. A refresh token is
// for the token endpoint and its own app alone, so it is none. A token without a
// person is none either: a service asks for one of its own.
func (p *Provider) subjectToken(ctx context.Context, form url.Values) (delegation.Subject, *Grant, error) {
	presented := form.Get("subject_token")
	switch kind := form.Get("subject_token_type"); kind {
	case authz.TokenTypeAccess, authz.TokenTypeJWT:
		claims, err := p.verifier.Access(presented)
		if err == nil && isOpaque(presented) {
			// One that came through a browser is good at UserInfo and nowhere else.
			err = authz.Refuse(authz.InvalidToken, "an access token of the front channel cannot be exchanged")
		}
		if err != nil {
			return delegation.Subject{}, nil, asRequest(err, "subject_token")
		}
		if claims.Grant == "" {
			return delegation.Subject{}, nil, authz.Refuse(authz.InvalidRequest, "the subject_token is of no person; a service asks for a token of its own").At("subject_token")
		}
		g, err := p.verifier.Live(ctx, claims)
		return delegation.Subject{
			Type: authz.TokenTypeAccess, Client: claims.ClientID, Audience: claims.Audience, Scope: strings.Fields(claims.Scope),
			Expires: time.Unix(claims.Expires, 0), Act: claims.Act, MayAct: claims.MayAct,
		}, g, asRequest(err, "subject_token")
	case authz.TokenTypeID:
		return p.subjectIDToken(ctx, presented)
	default:
		return delegation.Subject{}, nil, authz.Refuse(authz.InvalidRequest, "subject_token_type must be %s, %s or %s", authz.TokenTypeAccess, authz.TokenTypeID, authz.TokenTypeJWT).At("subject_token_type")
	}
}

// subjectIDToken: an ID token says who, and nothing of what may be done. So its
// scope is openid alone, and no release goes out on it.
func (p *Provider) subjectIDToken(ctx context.Context, presented string) (delegation.Subject, *Grant, error) {
	claims, err := p.verifier.IDToken(presented)
	if refusal := authz.AsError(err); err != nil && refusal.Code == authz.InvalidToken {
		err = authz.Refuse(authz.InvalidRequest, "the subject_token is not an ID token of ours that is still good").At("subject_token").Because(err)
	}
	if err != nil {
		return delegation.Subject{}, nil, err
	}
	g, err := p.verifier.Live(ctx, token.AccessClaims{Grant: claims.GrantID(), ClientID: authz.ClientID(claims.Audience)})
	return delegation.Subject{
		Type: authz.TokenTypeID, Client: authz.ClientID(claims.Audience), Scope: []string{"openid"}, Expires: time.Unix(claims.Expires, 0),
	}, g, asRequest(err, "subject_token")
}

// exchangeTarget finds a resource that a token can be exchanged for.
func (p *Provider) exchangeTarget(ctx context.Context, client *clientauth.Registered, id string) (delegation.Target, error) {
	if id == p.url.UserInfo || id == p.url.Broker {
		return delegation.Target{ID: id, Scopes: []string{"openid"}}, nil
	}
	if !slices.Contains(client.Resources, id) {
		return delegation.Target{}, token.UnknownTarget()
	}
	r, err := p.targets.Resource(ctx, id)
	if err != nil {
		return delegation.Target{}, err
	}
	return delegation.Target{ID: id, Scopes: r.Scopes}, nil
}

// stageExchange records who acts for whom. The person sees it: the app that acts
// is the one that asked, the app she knows is the object.
func (p *Provider) stageExchange(ctx context.Context, u *unit, g *Grant, s delegation.Subject, o delegation.Outcome) (func(context.Context) error, error) {
	e, err := p.grantEvent(ctx, audit.TokenExchanged, u.client, g, u.now)
	if err != nil {
		return nil, err
	}
	e.Detail = audit.Detail{Action: "token-exchange", Object: string(g.ClientID), Text: o.Audience, Count: int64(len(o.Act.Chain()))}
	for _, actor := range o.Act.Chain() {
		e.Decision.Determining = append(e.Decision.Determining, "actor:"+string(actor.Client))
		if actor.Subject != string(actor.Client) { // a service that the app's actor token named
			e.Decision.Determining = append(e.Decision.Determining, "service:"+actor.Subject)
		}
	}
	// A lock, sign-out or revocation that was acknowledged gives no token any more.
	hold := audit.Hold{Grant: g.ID, Clients: []authz.ClientID{g.ClientID}}
	for _, acting := range o.Act.Clients() {
		if !slices.Contains(hold.Clients, acting) {
			hold.Clients = append(hold.Clients, acting)
		}
	}
	logIt, err := p.o.Evidence.StageHolding(ctx, e, hold)
	if errors.Is(err, authz.ErrConflict) {
		return nil, asRequest(token.ErrRevoked(), "subject_token")
	}
	return logIt, err
}

// grantEvent is the common part of events about a grant.
func (p *Provider) grantEvent(ctx context.Context, kind audit.Type, by *clientauth.Registered, g *Grant, at time.Time) (audit.Event, error) {
	pseudonym, err := p.o.Pseudonyms.Audit(ctx, g.Subject)
	if err != nil {
		return audit.Event{}, token.KeysError(err)
	}
	return audit.Event{
		ID: authz.NewID(), Type: kind,
		Asked:      audit.Asked{Client: by.ID, Name: by.Name.VI, Owner: by.Owner.VI},
		Trace:      audit.Trace{Grant: g.ID},
		Person:     audit.Person{Pseudonym: pseudonym, Relation: string(authz.SubjectSelf)},
		Decision:   audit.Decision{Permit: true, Code: string(kind)},
		Levels:     audit.Levels{ACR: g.Level.ACR()},
		When:       audit.When{Decided: at.UTC().Truncate(time.Microsecond), Site: p.o.Site},
		Visibility: audit.Visibility{Sight: audit.Visible},
	}, nil
}

// errNoTrust: the issuer is none that the app registered.
var errNoTrust = errors.New("no trusted issuer of this app")
