package rp

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

// subject is the one person of the provider.
const subject = "tran-thi-mau-an"

// algorithms are those an app may sign with.
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512, jose.RS256, jose.RS384, jose.RS512, jose.EdDSA}

// verified checks a signature of the app.
func (p *provider) verified(token string) (suite.Claims, error) {
	object, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, err
	}
	for _, key := range p.client.Keys {
		if payload, err := object.Verify(key.Key); err == nil {
			var claims suite.Claims
			return claims, json.Unmarshal(payload, &claims)
		}
	}
	return nil, errors.New("no key of the app's jwks made this signature")
}

// authenticated holds the app to what it was configured with: its key, its secret, or
// nothing (RFC 6749 §2.3, OpenID Connect Core §9).
func (p *provider) authenticated(w http.ResponseWriter, r *http.Request, s *SignIn) bool {
	err := p.checkClient(r)
	s.trial.Expect(err == nil, "RFC 6749 §2.3", "the app authenticates at "+r.URL.Path, err)
	if err != nil {
		refuse(w, http.StatusUnauthorized, "invalid_client", err.Error())
	}
	return err == nil
}

func (p *provider) checkClient(r *http.Request) error {
	id, secret := r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		user, err := url.QueryUnescape(user)
		if err != nil {
			return err
		}
		if password, err = url.QueryUnescape(password); err != nil {
			return err
		}
		id, secret = user, password
	}
	if assertion := r.PostFormValue("client_assertion"); assertion != "" {
		if len(p.client.Keys) == 0 {
			return errors.New("the app signs an assertion: configure its jwks")
		}
		claims, err := p.verified(assertion)
		if err != nil {
			return fmt.Errorf("client_assertion: %w", err)
		}
		return p.checkAssertion(claims)
	}
	switch {
	case id != p.c.Client.ID:
		return fmt.Errorf("client_id: got %q, configured is %q", id, p.c.Client.ID)
	case p.c.Client.Secret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(p.c.Client.Secret)) != 1:
		return errors.New("client_secret: it is not the one configured")
	case p.c.Client.Secret == "" && len(p.client.Keys) > 0:
		return errors.New("client_assertion: the app has keys and sends none")
	}
	return nil
}

// checkAssertion is RFC 7523 §3.
func (p *provider) checkAssertion(c suite.Claims) error {
	audience := c.Text("aud")
	fits := audience == p.issuer || audience == p.issuer+"/token"
	if list, ok := c.List("aud"); ok {
		fits = slices.Contains(list, p.issuer) || slices.Contains(list, p.issuer+"/token")
	}
	expires, _ := c.Number("exp")
	switch {
	case c.Text("iss") != p.c.Client.ID || c.Text("sub") != p.c.Client.ID:
		return fmt.Errorf("client_assertion: iss %q, sub %q", c.Text("iss"), c.Text("sub"))
	case !fits:
		return fmt.Errorf("client_assertion: aud %v", c["aud"])
	case int64(expires) <= time.Now().Unix():
		return errors.New("client_assertion: exp is missing or past")
	}
	return nil
}

// token is OpenID Connect Core §3.1.3 and §12.
func (p *provider) token(w http.ResponseWriter, r *http.Request, now *SignIn) {
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	var s *SignIn
	code := r.PostFormValue("code")
	refreshing := r.PostFormValue("grant_type") == "refresh_token"
	p.mu.Lock()
	if refreshing {
		s = p.refresh[r.PostFormValue("refresh_token")]
	} else {
		s = p.codes[code]
	}
	p.mu.Unlock()
	if s == nil {
		now.mark(redeemed)
		refuse(w, http.StatusBadRequest, "invalid_grant", "unknown, or used before")
		return
	}
	if refreshing {
		s.mark(refreshed)
	} else {
		s.mark(redeemed)
	}
	if !p.proven(w, r, s, "token", "") || !p.authenticated(w, r, s) {
		return
	}
	if !refreshing && !p.bound(w, r, s) {
		return
	}
	if s.fault.Hold {
		s.trial.hold(r.Context(), s)
		return
	}
	p.mu.Lock()
	if refreshing {
		delete(p.refresh, r.PostFormValue("refresh_token"))
	} else {
		delete(p.codes, code) // RFC 6749 §4.1.2: once
	}
	p.mu.Unlock()
	p.give(w, s, refreshing)
}

// bound checks what ties the code to the request (RFC 7636 §4.6, RFC 6749 §4.1.3).
func (p *provider) bound(w http.ResponseWriter, r *http.Request, s *SignIn) bool {
	challenge := s.request.Get("code_challenge")
	s.trial.Should(challenge != "", "RFC 9700 §2.1.1", "the app uses PKCE", nil)
	if challenge != "" {
		ok := suite.Digest(r.PostFormValue("code_verifier")) == challenge
		s.trial.Expect(ok, "RFC 7636 §4.5", "the app sends the verifier of its challenge, method S256", r.PostFormValue("code_verifier"))
		if !ok {
			refuse(w, http.StatusBadRequest, "invalid_grant", "code_verifier")
			return false
		}
	}
	same := r.PostFormValue("redirect_uri") == s.request.Get("redirect_uri")
	s.trial.Expect(same, "RFC 6749 §4.1.3", "the app sends the redirect URI of its request", r.PostFormValue("redirect_uri"))
	if !same {
		refuse(w, http.StatusBadRequest, "invalid_grant", "redirect_uri")
	}
	return same
}

// give makes tokens.
func (p *provider) give(w http.ResponseWriter, s *SignIn, refreshing bool) {
	token, again := suite.Random(), suite.Random()
	answer := suite.Claims{
		"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": s.request.Get("scope"), "refresh_token": again,
	}
	if s.key() != "" {
		answer["token_type"] = "DPoP"
	}
	if details := s.request.Get("authorization_details"); details != "" {
		answer["authorization_details"] = json.RawMessage(details)
	}
	p.mu.Lock()
	if len(p.access) < maxKept {
		p.access[token], p.refresh[again] = access{s, refreshing}, s
	}
	p.mu.Unlock()
	if !refreshing || !s.fault.NoRefreshID {
		signed, err := p.idToken(s, token, refreshing)
		if err != nil {
			refuse(w, http.StatusInternalServerError, "server_error", err.Error())
			return
		}
		answer["id_token"] = signed
	}
	if refreshing {
		s.mark(gaveRefreshed)
	} else {
		answer = s.apply(s.fault.Token, answer)
		s.mark(gaveTokens)
	}
	writeJSON(w, http.StatusOK, answer)
}

// idToken is OpenID Connect Core §2, and §12.2 for a refreshed one.
func (p *provider) idToken(s *SignIn, access string, refreshing bool) (string, error) {
	now := time.Now()
	claims := suite.Claims{
		"iss": p.issuer, "sub": subject, "aud": p.c.Client.ID, "exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(),
		"auth_time": now.Unix(),
		"sid":       s.sid, "acr": "urn:example:level:2", "at_hash": suite.Half(p.c.Client.IDTokenAlg, access),
	}
	if refreshing {
		return usual(s, "JWT", s.apply(s.fault.Refresh, claims))
	}
	if nonce := s.request.Get("nonce"); nonce != "" {
		claims["nonce"] = nonce
	}
	signed, err := s.fault.SignID.or(usual)(s, "JWT", s.apply(s.fault.ID, claims))
	p.mu.Lock()
	s.signed = signed
	p.mu.Unlock()
	return signed, err
}

// bearer finds the access token of a request, and holds it to its key.
func (p *provider) bearer(w http.ResponseWriter, r *http.Request) (access, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token == "" && r.Method == http.MethodPost && r.ParseForm() == nil {
		scheme, token = "Bearer", r.PostFormValue("access_token")
	}
	p.mu.Lock()
	a, ok := p.access[token]
	p.mu.Unlock()
	if !ok {
		w.Header().Set("WWW-Authenticate", `DPoP error="invalid_token"`)
		refuse(w, http.StatusUnauthorized, "invalid_token", "it is none of ours")
		return a, false
	}
	if a.in.key() == "" {
		return a, true
	}
	a.in.trial.Expect(strings.EqualFold(scheme, "DPoP"), "RFC 9449 §7.1", "a bound token is used with the scheme DPoP", scheme)
	return a, p.proven(w, r, a.in, "resource", token)
}

// userinfo is OpenID Connect Core §5.3.
func (p *provider) userinfo(w http.ResponseWriter, r *http.Request, _ *SignIn) {
	a, ok := p.bearer(w, r)
	if !ok {
		return
	}
	s := a.in
	s.used(a, calledInfo)
	claims := s.apply(s.fault.Info, suite.Claims{"sub": subject, "name": "Trần Thị Mẫu An"})
	if p.c.Client.UserInfoAlg == "" || s.fault.PlainInfo {
		writeJSON(w, http.StatusOK, claims)
		return
	}
	for name, value := range map[string]any{"iss": p.issuer, "aud": p.c.Client.ID} {
		if _, ok := claims[name]; !ok {
			claims[name] = value
		}
	}
	signed, err := s.fault.SignInfo.or(usual)(s, "", claims)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "server_error", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = w.Write([]byte(signed))
}

// resource is any other address: whatever API the app reads with its token.
func (p *provider) resource(w http.ResponseWriter, r *http.Request, _ *SignIn) {
	if r.Header.Get("Authorization") == "" {
		http.NotFound(w, r)
		return
	}
	a, ok := p.bearer(w, r)
	if !ok {
		return
	}
	a.in.used(a, calledResource)
	writeJSON(w, http.StatusOK, map[string]any{})
}

func (s *SignIn) used(a access, where step) {
	s.mark(where)
	if a.refreshed {
		s.mark(usedRefreshed)
	}
}
