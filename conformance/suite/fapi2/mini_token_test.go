package fapi2

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/conformance/suite"
)

func (p *mini) token(w http.ResponseWriter, r *http.Request) {
	id, ok := p.who(r)
	if !ok {
		refuse(w, "invalid_client")
		return
	}
	jkt, ok := p.proof(r, "")
	if !ok && (!p.is("bearer tokens too") || len(r.Header["Dpop"]) > 0) {
		p.unproved(w, "invalid_dpop_proof")
		return
	}
	if r.PostForm.Get("grant_type") == "client_credentials" {
		p.issue(w, &miniRequest{client: id, params: url.Values{}, bound: jkt}, "")
		return
	}
	if refresh := r.PostForm.Get("refresh_token"); refresh != "" {
		g := p.tokens[refresh]
		if g == nil || g.client != id && !p.is("refresh for any client") {
			refuse(w, "invalid_grant")
			return
		}
		p.issue(w, &miniRequest{client: id, params: g.params, bound: jkt}, refresh)
		return
	}
	c := p.codes[r.PostForm.Get("code")]
	verifier := r.PostForm.Get("code_verifier")
	switch {
	case c == nil, c.client != id && !p.is("code for any client"):
	case c.used && !p.is("codes good for ever"), p.now().Sub(c.at) > time.Minute && !p.is("codes good for an hour"):
		if !p.is("tokens survive a reused code") {
			for _, g := range p.tokens {
				g.revoked = g.revoked || c.used && g.params.Get("state") == c.params.Get("state")
			}
		}
	case verifier == "" && p.is("a missing verifier is a missing parameter"):
		refuse(w, "invalid_request")
		return
	case verifier == "" && p.is("verifier optional"):
		p.redeem(w, c, jkt)
		return
	case suite.Digest(verifier) != c.params.Get("code_challenge") && !p.is("any verifier"):
	case c.jkt != "" && c.jkt != jkt && !p.is("codes not bound"):
	default:
		p.redeem(w, c, jkt)
		return
	}
	refuse(w, "invalid_grant")
}

func (p *mini) redeem(w http.ResponseWriter, c *miniRequest, jkt string) {
	c.used = true
	p.issue(w, &miniRequest{client: c.client, params: c.params, bound: jkt}, "")
}

func (p *mini) issue(w http.ResponseWriter, g *miniRequest, refresh string) {
	access := suite.Random()
	p.tokens[access] = g
	answer := suite.Claims{"access_token": access, "token_type": "DPoP", "expires_in": 300}
	if refresh == "" || p.is("refresh tokens rotated") {
		refresh = suite.Random()
	}
	p.tokens[refresh] = g
	answer["refresh_token"] = refresh
	if slices.Contains(strings.Fields(g.params.Get("scope")), "openid") {
		claims := suite.Claims{
			"iss": p.URL, "sub": "a", "aud": g.client, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
			"auth_time": time.Now().Unix(),
		}
		if nonce := g.params.Get("nonce"); nonce != "" {
			claims["nonce"] = nonce
		}
		text, err := p.key.Sign("", claims)
		if err != nil {
			panic(err)
		}
		answer["id_token"] = text
	}
	give(w, 200, answer)
}

func (p *mini) userinfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	g := p.tokens[token]
	deny := func() {
		w.Header().Set("WWW-Authenticate", `DPoP error="invalid_token"`)
		p.unproved(w, "invalid_client")
	}
	if g == nil || g.revoked {
		deny()
		return
	}
	if strings.EqualFold(scheme, "Bearer") && p.is("bound tokens as Bearer") {
		give(w, 200, suite.Claims{"sub": "a", "name": "A"})
		return
	}
	known := scheme == "DPoP" || strings.EqualFold(scheme, "DPoP") && !p.is("scheme with its case")
	jkt, ok := p.proof(r, token)
	if !known || !ok && !p.is("proofs optional at the resource") || ok && jkt != g.bound && !p.is("any key at the resource") {
		deny()
		return
	}
	give(w, 200, suite.Claims{"sub": "a", "name": "A"})
}
