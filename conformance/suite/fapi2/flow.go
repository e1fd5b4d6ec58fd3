package fapi2

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/conformance/suite"
)

// The parameters of variants, as the certification suite names them.
const (
	constraint = "sender_constrain"
	layer      = "openid"
	profile    = "fapi_profile"
	method     = "fapi_request_method"
	mode       = "fapi_response_mode"
)

func isDPoP(v suite.Variant) bool    { return v[constraint] == "dpop" }
func isKey(v suite.Variant) bool     { return v[suite.Authentication] == "private_key_jwt" }
func isOpenID(v suite.Variant) bool  { return v[layer] == "openid_connect" }
func isMachine(v suite.Variant) bool { return v[profile] == "fapi_client_credentials_grant" }
func isSigned(v suite.Variant) bool  { return v[method] == "signed_non_repudiation" }
func isJARM(v suite.Variant) bool    { return v[mode] == "jarm" }

// client is the first client, made ready for the variant.
func client(r *suite.Run) *suite.Client { return ready(r, r.Client(), "1") }

// second is another client, with keys of its own.
func second(r *suite.Run) *suite.Client { client(r); return ready(r, r.Second(), "2") }

func ready(r *suite.Run, c *suite.Client, name string) *suite.Client {
	if c.Binding == nil && isDPoP(r.Variant) {
		c.Binding = &suite.DPoP{Key: r.Key("ES256", r.Module.Name+name)}
	}
	if isMTLS := r.Variant[constraint] == "mtls" || r.Variant[suite.Authentication] == "mtls"; isMTLS {
		r.Must(c.Certificate != nil, "", "the configuration has a certificate for client "+c.ID, nil)
	}
	if isKey(r.Variant) || isSigned(r.Variant) {
		r.Must(c.Key.Valid(), "", "the configuration has a private key for client "+c.ID, nil)
	}
	return c
}

// proofs is the client's DPoP.
func proofs(c *suite.Client) *suite.DPoP { d, _ := c.Binding.(*suite.DPoP); return d }

// pushing is what is changed on the way to the pushed authorization request endpoint.
type pushing struct {
	// form changes what is posted, beside the client's authentication.
	form func(url.Values)
	// object changes the claims of the request object, and sign signs it instead of the
	// client.
	object func(suite.Claims)
	sign   func(claims suite.Claims) string
	// plain sends parameters also where the variant has them signed.
	plain bool
	// proof sends a DPoP proof along, which binds the code (RFC 9449 §10.1).
	proof bool
}

// ask makes a right request of the variant.
func ask(r *suite.Run, p pushing, options ...suite.Option) *suite.Request {
	client(r)
	variant := func(q *suite.Request) {
		q.Through = func(r *suite.Run, q *suite.Request) *http.Request { return begin(r, q, push(r, q, p)) }
		if !isOpenID(r.Variant) {
			q.Params.Del("nonce")
			q.Params.Del("scope")
		}
		for name, value := range settings(r).Parameters {
			q.Params.Set(name, value)
		}
		if isJARM(r.Variant) {
			q.Params.Set("response_mode", "jwt")
			q.Receive = signedResponse
		}
	}
	return r.Request(append([]suite.Option{suite.PKCE(), variant}, options...)...)
}

// push sends a request to the pushed authorization request endpoint and gives the
// answer, whatever it is.
func push(r *suite.Run, q *suite.Request, p pushing) suite.Answer {
	form := url.Values{}
	for name, values := range q.Params {
		form[name] = values
	}
	if isSigned(r.Variant) && !p.plain {
		claims := object(r, q)
		if p.object != nil {
			p.object(claims)
		}
		form = url.Values{"client_id": {q.Client.ID}, "request": {signObject(r, q.Client, claims, p.sign)}}
	}
	if p.form != nil {
		p.form(form)
	}
	if d := proofs(q.Client); d != nil {
		d.Without = !p.proof
		defer func() { d.Without = false }()
	}
	return q.Client.Call(q.Client.Endpoint("pushed_authorization_request_endpoint"), form)
}

// object are the claims of a right request object (FAPI 2.0 MS §5.3.1).
func object(r *suite.Run, q *suite.Request) suite.Claims {
	now := time.Now()
	claims := suite.Claims{
		"iss": q.Client.ID, "aud": r.Config().Issuer, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"jti": suite.Random(),
	}
	for name := range q.Params {
		claims[name] = q.Params.Get(name)
	}
	if details := q.Params.Get("authorization_details"); details != "" { // RFC 9396 §3: JSON inside JSON
		claims["authorization_details"] = rawJSON(details)
	}
	return claims
}

func signObject(r *suite.Run, c *suite.Client, claims suite.Claims, with func(suite.Claims) string) string {
	for name, value := range claims {
		if value == nil {
			delete(claims, name)
		}
	}
	if with != nil {
		return with(claims)
	}
	text, err := c.Key.Sign("oauth-authz-req+jwt", claims)
	r.Works(err, "signing a request object")
	return text
}

// begin checks the answer to a pushed request, which must be a success, and gives the
// browser's request.
func begin(r *suite.Run, q *suite.Request, a suite.Answer) *http.Request {
	const clause = "RFC 9126 §2.2"
	r.Must(a.Status == http.StatusCreated, clause, "the pushed request answers 201", a)
	r.Must(a.JSON.Text("request_uri") != "", clause, "the answer names a request_uri", a.Raw)
	life, ok := a.JSON.Number("expires_in")
	r.Expect(ok && life > 0 && life < 600, "FAPI 2.0 SP §5.3.2.2", "expires_in is positive and less than 600 s", a.JSON["expires_in"])
	r.Expect(a.MediaType() == "application/json", clause, "the answer is application/json", a.Header.Get("Content-Type"))
	return direct(r, q, url.Values{"client_id": {q.Client.ID}, "request_uri": {a.JSON.Text("request_uri")}})
}

// direct is a request straight to the authorization endpoint.
func direct(r *suite.Run, q *suite.Request, params url.Values) *http.Request {
	r2 := suite.Request{Client: q.Client, Params: params}
	return suite.Query(r, &r2)
}

// refused states that a request is refused, when it is pushed or at the authorization
// endpoint, with one of the codes.
func refused(r *suite.Run, q *suite.Request, p pushing, clause string, codes ...string) {
	if isSigned(r.Variant) {
		codes = append(slices.Clone(codes), "invalid_request_object") // RFC 9101 §7
	}
	a := push(r, q, p)
	if a.Status != http.StatusCreated {
		r.TokenRefused(a, clause, codes...)
		return
	}
	l := q.Open(begin(r, q, a))
	q.RefusedAnyhow(l, clause, codes...)
}

// accepted states that the landing is a success, with all that FAPI asks of it.
func accepted(r *suite.Run, q *suite.Request, l suite.Landing) *suite.Callback {
	c := q.Accepted(l)
	r.Expect(c.Values.Get("iss") == r.Config().Issuer, "FAPI 2.0 SP §5.3.2.2", "iss is in the response", c.Values["iss"])
	for _, status := range l.Redirects {
		r.Expect(status != http.StatusTemporaryRedirect, "FAPI 2.0 SP §5.3.2.2", "no redirect is a 307, which would repeat what was typed", status)
	}
	return c
}

// authorize goes as far as the response, which must be a success.
func authorize(r *suite.Run, q *suite.Request) suite.Login {
	l := suite.Login{Request: q, Landing: q.Send()}
	l.Callback = accepted(r, q, l.Landing)
	return l
}

// login is a whole sign-in with a request.
func login(r *suite.Run, q *suite.Request) suite.Login {
	l := authorize(r, q)
	redeem(r, &l)
	r.Expect(reaches(r, q.Client, l.Tokens.Access), "FAPI 2.0 SP §5.3.3", "the access token is good at the resource", nil)
	return l
}

// redeem exchanges the code and checks the ID token, where there is one.
func redeem(r *suite.Run, l *suite.Login) {
	code := l.Callback.Values.Get("code")
	l.Tokens = l.Request.Exchange(code)
	if !isOpenID(r.Variant) {
		r.Expect(l.Tokens.ID == "", "OpenID Connect Core §3.1.2.1", "no ID token comes where openid was not asked for", l.Tokens.JSON)
		return
	}
	r.Must(l.Tokens.ID != "", "OpenID Connect Core §3.1.3.3", "an ID token comes", l.Tokens.JSON)
	l.ID = l.Request.Client.VerifyIDToken(
		l.Tokens.ID, suite.Binds{Nonce: l.Request.Params.Get("nonce"), Code: code, Token: l.Tokens.Access, HashOptional: true},
	)
	header, _, _ := suite.Peek(l.Tokens.ID)
	strong(r, header.Text("alg"))
}

// strong: FAPI 2.0 SP §5.4.1.
func strong(r *suite.Run, alg string) {
	r.Expect(
		alg == "PS256" || alg == "ES256" || strings.HasPrefix(alg, "Ed"), "FAPI 2.0 SP §5.4.1", "what is signed is signed with PS256, ES256 or EdDSA", alg,
	)
}

// signedResponse opens a JARM response: its parameters are the claims.
func signedResponse(r *suite.Run, q *suite.Request, l *suite.Landing) {
	c := l.Callback
	token := c.Values.Get("response")
	r.Must(token != "", "JARM §2.3.1", "the response is a JWT in the parameter response", c.Values.Encode())
	for _, name := range []string{"code", "state", "error", "iss"} {
		r.Expect(!c.Values.Has(name), "JARM §2.1", "nothing of the response stands outside the JWT: no "+name, c.Values.Encode())
	}
	header, claims := r.VerifySigned(token, "JARM §2.4")
	strong(r, header.Text("alg"))
	r.Expect(claims.Text("iss") == r.Config().Issuer, "JARM §2.1", "iss is the issuer", claims["iss"])
	r.Expect(claims.Text("aud") == q.Client.ID || claims.Lists("aud", q.Client.ID), "JARM §2.1", "aud is the client", claims["aud"])
	exp, ok := claims.Number("exp")
	r.Expect(ok && time.Unix(int64(exp), 0).After(time.Now()), "JARM §2.1", "exp is in the future", claims["exp"])
	r.Should(
		ok && time.Until(time.Unix(int64(exp), 0)) <= 10*time.Minute+time.Second, "JARM §2.1", "exp is at most ten minutes away",
		claims["exp"],
	)
	values := url.Values{}
	for name := range claims {
		if text := claims.Text(name); text != "" && name != "aud" {
			values.Set(name, text)
		}
	}
	c.Values, c.Mode = values, "jwt"
	r.CheckError(values)
}
