package redeem

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"

	"hopnhat/authz"
	"hopnhat/authz/grant"
	"hopnhat/authz/redeem/engine"
)

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

// checkCode holds a code that is presented against the rules, and answers under the
// clause of the first that it breaks.
func checkCode(q *Request, g *grant.Grant) *authz.Error {
	for _, rule := range codeRules {
		if refusal := rule.check(q, g); refusal != nil {
			return refusal.Under(rule.clause)
		}
	}
	return nil
}

// wrongCode is invalid_grant of RFC 6749 §5.2.
func wrongCode(why string) *authz.Error {
	return authz.NewError(authz.InvalidGrant, "%s", why).At("code")
}

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
		return authz.NewError(authz.InvalidRequest,
			"Clients must include a code_challenge when performing the authorize code flow, but it is missing.")
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
		return authz.NewError(authz.InvalidGrant, "the code is bound to another DPoP key (dpop_jkt)")
	}
	return nil
}
