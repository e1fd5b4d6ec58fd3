package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/token"
)

// Token is the token endpoint, RFC 6749 §3.2. The order is: authenticate the
// client, check the proof, let the engine check the grant, sign everything in
// one call, commit once, answer. Nothing is spent before it is signed, so a
// request that failed for want of keys can be made again.
func (p *Provider) Token(w http.ResponseWriter, r *http.Request) {
	answer, nonce, err := p.token(r)
	if err != nil {
		p.refusals.Write(w, r, err)
		return
	}
	if nonce != "" {
		w.Header().Set("DPoP-Nonce", nonce)
	}
	protocol.WriteJSON(w, http.StatusOK, answer)
}

func (p *Provider) token(r *http.Request) (*token.Response, string, error) {
	form, err := protocol.PostForm(r)
	if err != nil {
		return nil, "", err
	}
	ctx := r.Context()
	client, assertion, err := p.clients.Authenticate(ctx, r, form)
	if err != nil {
		return nil, "", err
	}
	if p.o.Parties != nil {
		p.o.Parties.Used(string(client.ID), r.RemoteAddr)
	}
	if err := checkGrantType(form, client); err != nil {
		return nil, "", err
	}
	bound, proof, err := p.possession.Constraint(r, client)
	if err != nil {
		return nil, "", err
	}
	assertion.Proof = proof
	u := &unit{client: client, now: p.now().UTC(), resources: form["resource"]}
	var answer *token.Response
	switch grantType := form.Get("grant_type"); grantType {
	case authz.GrantDevice, authz.GrantCIBA:
		answer, err = p.polled(ctx, u, form, grantType, bound, assertion)
	case authz.GrantTokenExchange:
		answer, err = p.tokenExchange(ctx, u, form, bound, assertion)
	case authz.GrantJWTBearer:
		answer, err = p.jwtBearer(ctx, u, form, bound, assertion)
	default:
		answer, err = p.exchange(withUnit(ctx, u), u, form, bound, assertion)
	}
	return answer, proof.NextNonce, err
}

// grantTypes are the grants that are answered, with the parameters each cannot
// do without.
var grantTypes = map[string][]string{
	"authorization_code":     {"code", "redirect_uri"}, // a code_verifier that is missing is a wrong one (RFC 7636 §4.6)
	"refresh_token":          {"refresh_token"},
	"client_credentials":     nil,
	authz.GrantDevice:        {"device_code"},
	authz.GrantCIBA:          {"auth_req_id"},
	authz.GrantTokenExchange: {"subject_token", "subject_token_type"},
	authz.GrantJWTBearer:     {"assertion"},
}

func checkGrantType(form url.Values, client *clientauth.Registered) error {
	grantType := form.Get("grant_type")
	needs, known := grantTypes[grantType]
	switch {
	case grantType == "":
		return authz.Refuse(authz.InvalidRequest, "grant_type is missing").At("grant_type")
	case !known:
		// docs/decisions.md F5: the engine would say invalid_request.
		return authz.Refuse(authz.UnsupportedGrantType, "this grant_type is not offered; see grant_types_supported").At("grant_type")
	}
	if err := mayUse(client, grantType); err != nil {
		return err
	}
	for _, name := range needs {
		if form.Get(name) == "" {
			return authz.Refuse(authz.InvalidRequest, "%s is missing", name).At(name)
		}
	}
	return nil
}

// mayUse checks that the client is registered for a grant and that its profile
// offers it: unauthorized_client of RFC 6749 §5.2, RFC 8628 §3.1 and CIBA Core §13.
func mayUse(client *clientauth.Registered, grant string) error {
	if !client.AllowsGrant(grant) {
		return authz.Refuse(authz.UnauthorizedClient, "this app is not registered for the grant %s", grant).At("grant_type")
	}
	if !slices.Contains(client.Profile.GrantTypes, grant) {
		return authz.Refuse(authz.UnauthorizedClient, "profile %s does not offer the grant %s%s", client.Profile.Name, grant, authz.OfferedBy(grant)).At("grant_type")
	}
	return nil
}

func (p *Provider) exchange(ctx context.Context, u *unit, form url.Values, bound authz.Confirmation, assertion clientauth.Assertion) (*token.Response, error) {
	engineForm := url.Values{}
	for _, name := range []string{"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope"} {
		if v := form.Get(name); v != "" {
			engineForm.Set(name, v)
		}
	}
	refreshing := form.Get("grant_type") == "refresh_token"
	if refreshing {
		engineForm.Del("scope") // narrowed by us, RFC 6749 §6; the engine ignores it
	}
	r, err := engineRequest(ctx, p.url.Token, engineForm)
	if err != nil {
		return nil, err
	}
	requester, err := p.engine.NewAccessRequest(ctx, r, &fosite.DefaultSession{})
	if err != nil {
		return nil, p.failed(ctx, u, form, err)
	}
	if u.grant != nil {
		if err := p.checkBinding(u, form, bound); err != nil {
			return nil, p.failed(ctx, u, form, err)
		}
		if refreshing && u.client.Method == authz.PublicClient {
			if err := p.possession.Use(u.client, assertion.Proof); err != nil {
				return nil, err
			}
		}
	} else {
		for _, scope := range requester.GetRequestedScopes() {
			requester.GrantScope(scope)
		}
	}
	response, err := p.engine.NewAccessResponse(ctx, requester)
	if err != nil {
		return nil, p.failed(ctx, u, form, err)
	}
	if u.grant == nil {
		return p.credentials(ctx, u, requester.GetGrantedScopes(), bound, assertion)
	}
	scope := u.grant.Scope
	if refreshing {
		if scope, err = narrowed(form.Get("scope"), u.grant.Scope); err != nil {
			return nil, err
		}
	}
	terms := u.terms(scope, bound)
	terms.First = !refreshing
	answer, err := p.minter.OfGrant(ctx, u.grant, terms)
	if err != nil {
		return nil, err
	}
	answer.RefreshToken, _ = response.GetExtra("refresh_token").(string)
	if err := grant.SpendWith(ctx, p.o.Grants, assertion, p.committing(u, bound)); err != nil {
		if err := p.lostRace(ctx, u, assertion, err); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// checkBinding: RFC 9449 §10, the code goes only to the key it was bound to; and §5, a
// refresh token of an app that cannot authenticate is good with the key of its code alone.
func (p *Provider) checkBinding(u *unit, form url.Values, presented authz.Confirmation) error {
	if form.Get("grant_type") != "authorization_code" {
		if u.client.Method == authz.PublicClient && (u.grant.Bound.JKT == "" || u.grant.Bound.JKT != presented.JKT) {
			return authz.Refuse(authz.InvalidGrant, "the refresh token is bound to the DPoP key that its code was redeemed with")
		}
		return nil
	}
	if bound := u.grant.Request.DPoPKeyThumbprint; bound != "" && bound != presented.JKT {
		return authz.Refuse(authz.InvalidGrant, "the code is bound to another DPoP key (dpop_jkt)")
	}
	return nil
}

// narrowed is RFC 6749 §6: the scope may shrink, never grow.
func narrowed(wanted string, granted []string) ([]string, error) {
	if wanted == "" {
		return granted, nil
	}
	scope := strings.Fields(wanted)
	for _, s := range scope {
		if !slices.Contains(granted, s) {
			return nil, authz.Refuse(authz.InvalidScope, "scope goes beyond what was granted").At("scope")
		}
	}
	return scope, nil
}

// committing returns the write of what the exchange changed, one conditional statement.
// It is nil when nothing changes: at a repeated refresh within the grace period, or
// without rotation.
func (p *Provider) committing(u *unit, bound authz.Confirmation) func(context.Context) error {
	if !u.spend && !u.rotate {
		return nil
	}
	return func(ctx context.Context) error { return p.commit(ctx, u, bound) }
}

func (p *Provider) commit(ctx context.Context, u *unit, bound authz.Confirmation) error {
	switch {
	case u.spend && u.grant.Continues != "":
		// Grant Management §5.5.2: the earlier grant ends when this one begins.
		return p.o.Grants.Tx(ctx, func(ctx context.Context) error {
			if err := p.o.Grants.RedeemCode(ctx, u.grant.ID, bound, u.now); err != nil {
				return err
			}
			err := p.o.Grants.Supersede(ctx, *u.grant, u.now)
			if errors.Is(err, authz.ErrConflict) {
				return authz.Refuse(authz.InvalidGrant, "the grant that was to be continued has ended; ask the person anew").Because(err)
			}
			return err
		})
	case u.spend:
		return p.o.Grants.RedeemCode(ctx, u.grant.ID, bound, u.now)
	default:
		return p.o.Grants.Rotate(ctx, u.grant.ID, u.grant.RefreshGeneration, u.now)
	}
}

// failed answers a failed exchange. A code that was presented wrongly is spent
// (docs/decisions.md F1), a reused code or refresh token ends its grant (RFC 9700
// §2.1.1, §4.14.2).
func (p *Provider) failed(ctx context.Context, u *unit, form url.Values, err error) error {
	refusal := engineError(err)
	if refusal.Code == authz.ServerError || refusal.Code == authz.TemporarilyUnavailable {
		return refusal // could not look: nothing is spent
	}
	if refusal.Code == authz.InvalidGrant && form.Get("grant_type") == "authorization_code" && !authz.IsError(err) {
		refusal = authz.Refuse(authz.InvalidGrant, "%s", wrongCode(u, form)).At("code").Because(err)
	}
	because := ""
	switch {
	case u.grant == nil:
	case u.reused && form.Get("grant_type") == "refresh_token":
		because = "a used refresh token came again"
	case u.reused:
		because = "a used code came again"
	case form.Get("grant_type") == "authorization_code":
		because = presentedWrongly
	}
	if because != "" {
		if err := p.o.Grants.Revoke(ctx, u.grant.ID, because, u.now); err != nil {
			return authz.AsError(err)
		}
	}
	return refusal
}

// presentedWrongly is why a grant ended whose code came with a wrong verifier,
// redirect URI, key or app.
const presentedWrongly = "the code was presented wrongly"

// wrongCode says what was wrong with a code that the engine refused.
func wrongCode(u *unit, form url.Values) string {
	g := u.grant
	switch {
	case g == nil:
		return "the code is unknown"
	case g.ClientID != u.client.ID:
		return "the code was issued to another app"
	case g.RevokedBecause == presentedWrongly:
		return "the code was presented wrongly before, which ended it; begin a new sign-in"
	case u.reused && !g.Revoked.IsZero():
		return "the grant of this code has ended; begin a new sign-in"
	case u.reused:
		return "the code was used already; all its tokens are revoked"
	case !u.now.Before(g.CodeExpires):
		return "the code has expired; begin a new sign-in"
	case form.Get("redirect_uri") != g.Request.RedirectURI:
		return "redirect_uri is not that of the authorization request"
	case form.Get("code_verifier") == "":
		return "code_verifier is missing; the code was asked for with a code_challenge (RFC 7636 §4.6)"
	case g.Request.CodeChallenge == "":
		return "there is a code_verifier, and the code was asked for without code_challenge"
	}
	return "code_verifier is not that of the code_challenge (RFC 7636 §4.6)"
}

// lostRace answers when another request spent the code or rotated the token
// between our read and our write; nil when the answer that was made is good all the
// same.
func (p *Provider) lostRace(ctx context.Context, u *unit, assertion clientauth.Assertion, err error) error {
	if !errors.Is(err, authz.ErrConflict) || authz.IsError(err) {
		return authz.AsError(err)
	}
	if u.spend {
		if err := p.o.Grants.Revoke(ctx, u.grant.ID, "a used code came again", u.now); err != nil {
			return authz.AsError(err)
		}
		return authz.Refuse(authz.InvalidGrant, "the code was used already; all its tokens are revoked")
	}
	return p.sameSuccessor(ctx, u, assertion)
}

// sameSuccessor reads the grant again after another request has rotated the same
// refresh token. The answer that was made holds the same successor, and is sent as if
// this request had come second: within the grace period it is good, later it is reuse.
func (p *Provider) sameSuccessor(ctx context.Context, u *unit, assertion clientauth.Assertion) error {
	var now Grant
	err := grant.SpendWith(ctx, p.o.Grants, assertion, func(ctx context.Context) (err error) {
		now, err = p.o.Grants.Grant(ctx, u.grant.ID)
		return err
	})
	switch {
	case err != nil:
		return authz.AsError(err)
	case !now.Live(u.now):
		return authz.Refuse(authz.InvalidGrant, "the grant of this refresh token has ended").At("refresh_token")
	case now.RefreshGeneration == u.grant.RefreshGeneration+1 && u.now.Sub(now.RefreshRotated) <= p.life.Grace:
		return nil
	}
	if err := p.o.Grants.Revoke(ctx, u.grant.ID, "a used refresh token came again", u.now); err != nil {
		return authz.AsError(err)
	}
	return authz.Refuse(authz.InvalidGrant, "the refresh token was used already; all tokens of its grant are revoked").At("refresh_token")
}

// credentials answers the client credentials grant: a token for the app itself,
// which costs no row.
func (p *Provider) credentials(ctx context.Context, u *unit, scope []string, bound authz.Confirmation, assertion clientauth.Assertion) (*token.Response, error) {
	if slices.Contains(scope, "openid") || slices.Contains(scope, "offline_access") {
		return nil, authz.Refuse(authz.InvalidScope, "scopes about a person cannot be had without one").At("scope")
	}
	to, err := p.targets.OfClient(ctx, u.client, u.resources, scope)
	if err != nil {
		return nil, err
	}
	answer, err := p.minter.OfService(ctx, string(u.client.ID), to, u.terms(nil, bound))
	if err != nil {
		return nil, err
	}
	return answer, grant.SpendWith(ctx, p.o.Grants, assertion, nil)
}
