package redeem

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"regexp"

	"hopnhat/authz"
	"hopnhat/authz/grant"
	"hopnhat/authz/redeem/engine"
	"hopnhat/authz/token"
)

// code is the authorization code grant.
type code struct{ *Options }

// codeRules are what a code that is presented must satisfy, in this order. Each answers
// nil, or what is wrong.
var codeRules = []struct {
	clause string
	check  func(q *Request, g *grant.Grant) *authz.Error
}{
	{"RFC 6749 §5.2: issued to this client", issuedToClient},
	{"RFC 6749 §4.1.2: used once, RFC 9700 §4.5", usedOnce},
	{"RFC 6749 §4.1.2: in its lifetime", inItsLifetime},
	{"RFC 6749 §4.1.3: redirect_uri", sameRedirectURI},
	{"RFC 7636 §4.6: code_verifier", verifierOfChallenge},
	{"RFC 9449 §10: dpop_jkt", keyOfCode},
}

func (c code) redeem(ctx context.Context, q *Request) (*token.Response, error) {
	g, err := c.Store.GrantByCode(ctx, authz.HashSecret(q.Form.Get("code")))
	if errors.Is(err, authz.ErrNotFound) || err == nil && g.Request.Decoupled { // the code of a poll is no authorization code
		return nil, wrongCode("the code is unknown").Because(err)
	}
	if err != nil {
		return nil, authz.AsError(err)
	}
	for _, rule := range codeRules {
		if refusal := rule.check(q, &g); refusal != nil {
			return nil, c.end(ctx, q, &g, refusal.Under(rule.clause))
		}
	}
	refreshes, refusal := c.Engine.Code(ctx, q.Client, &g, q.Form, q.Now)
	if refusal != nil {
		return nil, c.end(ctx, q, &g, refusal)
	}
	answer, err := c.Minter.OfGrant(ctx, &g, q.terms(g.Scope, true))
	if err != nil {
		return nil, err
	}
	if refreshes {
		answer.RefreshToken = c.RefreshKey.Token(g.ID, g.RefreshGeneration, g.RefreshSalt)
	}
	err = grant.SpendWith(ctx, c.Store, q.Assertion, func(ctx context.Context) error { return c.spend(ctx, q, &g) })
	if errors.Is(err, authz.ErrConflict) && !authz.IsError(err) { // another request was faster
		if err := c.Store.Revoke(ctx, g.ID, usedAgain, q.Now); err != nil {
			return nil, authz.AsError(err)
		}
		return nil, authz.Refuse(authz.InvalidGrant, codeUsed)
	}
	if err != nil {
		return nil, authz.AsError(err)
	}
	return answer, nil
}

// spend marks the code used (RFC 6749 §4.1.2), in one conditional statement.
func (c code) spend(ctx context.Context, q *Request, g *grant.Grant) error {
	if g.Continues == "" {
		return c.Store.RedeemCode(ctx, g.ID, q.Confirmation, q.Now)
	}
	// Grant Management §5.5.2: the earlier grant ends when this one begins.
	return c.Store.Tx(ctx, func(ctx context.Context) error {
		if err := c.Store.RedeemCode(ctx, g.ID, q.Confirmation, q.Now); err != nil {
			return err
		}
		err := c.Store.Supersede(ctx, *g, q.Now)
		if errors.Is(err, authz.ErrConflict) {
			return authz.Refuse(authz.InvalidGrant, "the grant that was to be continued has ended; ask the person anew").Because(err)
		}
		return err
	})
}

// Why a grant ended with its code.
const (
	// presentedWrongly: its code came with a wrong verifier, redirect URI, key or app.
	presentedWrongly = "the code was presented wrongly"
	usedAgain        = "a used code came again"
)

// codeUsed is the answer to a code that is presented a second time.
const codeUsed = "the code was used already; all its tokens are revoked"

// end ends the grant of a code that was presented wrongly (docs/decisions.md F1), or
// again (RFC 6749 §4.1.2, RFC 9700 §2.1.1), and answers why.
func (c code) end(ctx context.Context, q *Request, g *grant.Grant, refusal *authz.Error) error {
	if refusal.Code == authz.ServerError || refusal.Code == authz.TemporarilyUnavailable {
		return refusal // could not look: nothing is spent
	}
	because := presentedWrongly
	if wasUsed(g) {
		because = usedAgain
	}
	if err := c.Store.Revoke(ctx, g.ID, because, q.Now); err != nil {
		return authz.AsError(err)
	}
	return refusal
}

// wrongCode is invalid_grant of RFC 6749 §5.2.
func wrongCode(why string) *authz.Error {
	return authz.Refuse(authz.InvalidGrant, "%s", why).At("code")
}

func wasUsed(g *grant.Grant) bool { return !g.CodeSpent.IsZero() || !g.Revoked.IsZero() }

func issuedToClient(q *Request, g *grant.Grant) *authz.Error {
	if g.ClientID != q.Client.ID {
		return wrongCode("the code was issued to another app")
	}
	return nil
}

func usedOnce(_ *Request, g *grant.Grant) *authz.Error {
	switch {
	case g.RevokedBecause == presentedWrongly:
		return wrongCode("the code was presented wrongly before, which ended it; begin a new sign-in")
	case !g.Revoked.IsZero():
		return wrongCode("the grant of this code has ended; begin a new sign-in")
	case !g.CodeSpent.IsZero():
		return wrongCode(codeUsed)
	}
	return nil
}

func inItsLifetime(q *Request, g *grant.Grant) *authz.Error {
	if !q.Now.Before(g.CodeExpires) {
		return wrongCode("the code has expired; begin a new sign-in")
	}
	return nil
}

// sameRedirectURI compares exactly, as two texts.
func sameRedirectURI(q *Request, g *grant.Grant) *authz.Error {
	if q.Form.Get("redirect_uri") != g.Request.RedirectURI {
		return wrongCode("redirect_uri is not that of the authorization request")
	}
	return nil
}

// verifierForm is code-verifier of RFC 7636 §4.1.
var verifierForm = regexp.MustCompile(`^[A-Za-z0-9\-._~]{43,128}$`)

// verifierOfChallenge computes S256, the one method that is offered. Where an app
// registered to go without, its code has neither challenge nor verifier, or both.
func verifierOfChallenge(q *Request, g *grant.Grant) *authz.Error {
	verifier, challenge := q.Form.Get("code_verifier"), g.Request.CodeChallenge
	digest := sha256.Sum256([]byte(verifier))
	switch {
	case challenge == "" && !engine.WithoutPKCE(q.Client): // registered anew since the code was made
		return authz.Refuse(authz.InvalidRequest, "Clients must include a code_challenge when performing the authorize code flow, but it is missing.")
	case challenge == "" && verifier == "":
		return nil
	case verifier == "":
		return wrongCode("code_verifier is missing; the code was asked for with a code_challenge (RFC 7636 §4.6)")
	case challenge == "":
		return wrongCode("there is a code_verifier, and the code was asked for without code_challenge")
	case !verifierForm.MatchString(verifier), base64.RawURLEncoding.EncodeToString(digest[:]) != challenge:
		return wrongCode("code_verifier is not that of the code_challenge (RFC 7636 §4.6)")
	}
	return nil
}

// keyOfCode gives the code to the DPoP key alone that it was bound to.
func keyOfCode(q *Request, g *grant.Grant) *authz.Error {
	if bound := g.Request.DPoPKeyThumbprint; bound != "" && bound != q.Confirmation.JKT {
		return authz.Refuse(authz.InvalidGrant, "the code is bound to another DPoP key (dpop_jkt)")
	}
	return nil
}
