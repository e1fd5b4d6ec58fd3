package oidcc

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

// sign signs with one of its keys; the third is not published.
func (p *mini) sign(typ string, claims suite.Claims) string {
	key := miniKeys()[0]
	switch p.fault {
	case "a key that is not published":
		key = miniKeys()[2]
	case "another's signature under a known kid":
		key = miniKeys()[2]
		key.KeyID = "k0"
	case "no kid":
		key.KeyID = ""
	case "alg none":
		return suite.Unsigned(claims)
	}
	token, err := suite.Key{JSONWebKey: key}.Sign(typ, claims)
	if err != nil {
		panic(err)
	}
	return token
}

func (p *mini) idToken(g *miniGrant, access, code string, front bool) string {
	now := p.now()
	c := suite.Claims{
		"iss": p.URL, "aud": g.client.id, "sub": "person-" + g.session.person, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"auth_time": g.session.at.Unix(), "sid": g.session.id, "acr": "1",
	}
	if nonce := g.request.Get("nonce"); nonce != "" {
		c["nonce"] = nonce
	}
	if access != "" {
		c["at_hash"] = suite.Half("RS256", access)
	}
	if code != "" {
		c["c_hash"] = suite.Half("RS256", code)
	}
	if front && access == "" {
		for name, value := range p.claims(g) {
			c[name] = value
		}
	}
	switch p.fault {
	case "names of its own in ID tokens":
		c["gid"] = "x"
	case "ID token of another issuer":
		c["iss"] = "https://evil.example"
	case "ID token for another client":
		c["aud"] = "somebody"
	case "ID token for others too":
		c["aud"] = []string{g.client.id, "somebody"}
	case "azp of another":
		c["azp"] = "somebody"
	case "another nonce":
		c["nonce"] = "n"
	case "no nonce":
		delete(c, "nonce")
	case "expired":
		c["exp"] = now.Add(-time.Hour).Unix()
	case "exp as text":
		c["exp"] = fmt.Sprint(now.Add(time.Hour).Unix())
	case "no iat":
		delete(c, "iat")
	case "no sub":
		delete(c, "sub")
	case "wrong at_hash":
		c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA"
	case "no at_hash":
		delete(c, "at_hash")
	case "no c_hash":
		delete(c, "c_hash")
	case "auth_time is now":
		c["auth_time"] = now.Unix() + int64(len(p.codes)) // later each time, within one second too
	case "no auth_time":
		delete(c, "auth_time")
	case "acr as number":
		c["acr"] = 1
	case "no acr":
		delete(c, "acr")
	case "another sub each time":
		c["sub"] = suite.Random()
	}
	return p.sign("JWT", c)
}

// claims are those of the person that the request asks for.
func (p *mini) claims(g *miniGrant) suite.Claims {
	all := map[string]suite.Claims{
		"profile": {"name": "Mẫu An"}, "email": {"email": "an@example.com", "email_verified": true},
		"address": {"address": map[string]any{"country": "VN"}}, "phone": {"phone_number": "+84990000000"},
	}
	out := suite.Claims{}
	for scope, claims := range all {
		if slices.Contains(strings.Fields(g.request.Get("scope")), scope) && !p.is("scopes without claims") || p.is("all claims always") {
			for name, value := range claims {
				out[name] = value
			}
		}
	}
	if strings.Contains(g.request.Get("claims"), `"name"`) && !p.is("claims parameter ignored") {
		out["name"] = "Mẫu An"
	}
	if p.is("a claim that is null") {
		out["name"] = nil
	}
	if p.is("email_verified as text") && out["email_verified"] != nil {
		out["email_verified"] = "true"
	}
	return out
}

// client authenticates a client at the token endpoint.
func (p *mini) client(r *http.Request) (miniClient, bool) {
	if assertion := r.PostForm.Get("client_assertion"); assertion != "" {
		_, claims, err := suite.Peek(assertion)
		c, ok := p.clients[claims.Text("iss")]
		if err != nil || !ok {
			return c, false
		}
		raw, _ := json.Marshal(c.Claims["jwks"])
		if at := c.Text("jwks_uri"); at != "" {
			raw = []byte(p.read(at))
		}
		var set jose.JSONWebKeySet
		_ = json.Unmarshal(raw, &set)
		object, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			return c, false
		}
		for _, k := range set.Keys {
			if _, err := object.Verify(k); err == nil && (claims.Text("aud") == p.URL && !p.is("audience of assertions is the endpoint")) {
				return c, true
			}
		}
		return c, false
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
		if p.is("no client_secret_post") {
			return miniClient{}, false
		}
	}
	id, _ = url.QueryUnescape(id)
	c, ok := p.clients[id]
	return c, ok && secret == c.secret
}

func (p *mini) token(w http.ResponseWriter, r *http.Request) {
	if !p.is("tokens in caches") {
		w.Header().Set("Cache-Control", "no-store")
	}
	c, ok := p.client(r)
	if !ok {
		p.refuse(w, 401, "invalid_client")
		return
	}
	code, refresh := r.PostForm.Get("code"), r.PostForm.Get("refresh_token")
	g := p.codes[code]
	if refresh != "" {
		g = p.refresh[refresh]
	}
	switch {
	case g == nil, g.client.id != c.id && !(refresh != "" && p.is("refresh for any client")), refresh != "" && p.is("refresh never"):
		p.refuse(w, 400, "invalid_grant")
		return
	case refresh == "" && g.used && p.is("reuse answered with another error"):
		p.refuse(w, 400, "invalid_request")
		return
	case refresh == "" && g.used && !p.is("codes good for ever"):
		g.revoked = !p.is("tokens survive a reused code")
		p.refuse(w, 400, "invalid_grant")
		return
	case refresh == "" && g.request.Get("redirect_uri") != r.PostForm.Get("redirect_uri"):
		p.refuse(w, 400, "invalid_grant")
		return
	case g.request.Get("code_challenge") != "" && refresh == "" && suite.Digest(
		r.PostForm.Get("code_verifier"),
	) != g.request.Get("code_challenge"), p.is("no PKCE") && r.PostForm.Has("code_verifier"):
		p.refuse(w, 400, "invalid_grant")
		return
	}
	if refresh != "" && p.is("busy when refreshed at once") {
		if p.busy++; p.busy > 1 {
			p.refuse(w, 503, "temporarily_unavailable")
			return
		}
	}
	g.used = true
	access := suite.Random()
	p.tokens[access] = g
	out := suite.Claims{"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": p.idToken(g, access, "", false)}
	if slices.Contains(strings.Fields(g.request.Get("scope")), "offline_access") {
		next := suite.Random()
		p.refresh[next] = g
		out["refresh_token"] = next
	}
	switch p.fault {
	case "no ID token":
		delete(out, "id_token")
	case "another token type":
		out["token_type"] = "mac"
	case "expires_in as text":
		out["expires_in"] = "300"
	}
	give(w, 200, out)
}

func (p *mini) userinfo(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok && !p.is("no token in the body") {
		token = r.PostForm.Get("access_token")
	}
	g := p.tokens[token]
	if g == nil && p.is("any token will do") {
		for _, g = range p.tokens {
			break
		}
	}
	if g == nil || g.revoked || r.Method == http.MethodPost && p.is("no POST to UserInfo") {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		if p.is("quotes in challenges") {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="the \"token\" is over"`)
		}
		p.refuse(w, 401, "invalid_token")
		return
	}
	c := p.claims(g)
	c["sub"] = "person-" + g.session.person
	if p.is("names of its own in UserInfo") {
		c["gid"] = "x"
	}
	if p.is("UserInfo of another person") {
		c["sub"] = "x"
	}
	if g.client.Text("userinfo_signed_response_alg") == "" || p.is("UserInfo never signed") {
		give(w, 200, c)
		return
	}
	c["iss"], c["aud"] = p.URL, g.client.id
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = w.Write([]byte(p.sign("", c)))
}
