package suite

// Login is a whole sign-in.
type Login struct {
	Request  *Request
	Landing  Landing
	Callback *Callback
	// Front are the claims of the ID token that came through the browser, if one did.
	Front Claims
	// Tokens came from the token endpoint, if there was a code; ID is its ID token.
	Tokens   Tokens
	ID       Claims
	UserInfo Claims
}

// Claims are those of the ID token, whichever way it came.
func (l Login) Claims() Claims {
	if l.ID != nil {
		return l.ID
	}
	return l.Front
}

// IDToken is it as it came.
func (l Login) IDToken() string {
	if l.Tokens.ID != "" {
		return l.Tokens.ID
	}
	return l.Callback.Values.Get("id_token")
}

// AccessToken is the token endpoint's, or the one from the browser.
func (l Login) AccessToken() string {
	if l.Tokens.Access != "" {
		return l.Tokens.Access
	}
	return l.Callback.Values.Get("access_token")
}

// Login signs in: authorization request, response, token exchange, ID token,
// UserInfo, everything checked on the way.
func (r *Run) Login(options ...Option) Login {
	l := r.Authorize(options...)
	l.Redeem()
	l.ReadUserInfo()
	return l
}

// Authorize goes as far as the authorization response, which must be a success.
func (r *Run) Authorize(options ...Option) Login {
	q := r.Request(options...)
	l := Login{Request: q, Landing: q.Send()}
	l.Callback = q.Accepted(l.Landing)
	if token := l.Callback.Values.Get("id_token"); token != "" {
		l.Front = q.Client.VerifyIDToken(token, Binds{
			Nonce: q.Params.Get("nonce"), Code: l.Callback.Values.Get("code"), Token: l.Callback.Values.Get("access_token"),
		})
	}
	return l
}

// Redeem exchanges the code, if there is one, and checks the ID token.
func (l *Login) Redeem() {
	code := l.Callback.Values.Get("code")
	if code == "" {
		return
	}
	c := l.Request.Client
	l.Tokens = l.Request.Exchange(code)
	c.run.Must(l.Tokens.ID != "", "OpenID Connect Core §3.1.3.3", "an ID token comes", l.Tokens.JSON)
	l.ID = c.VerifyIDToken(l.Tokens.ID, Binds{
		Nonce: l.Request.Params.Get("nonce"), Code: code, Token: l.Tokens.Access, HashOptional: true,
	})
	if l.Front != nil {
		c.run.Expect(l.ID["sub"] == l.Front["sub"] && l.ID["iss"] == l.Front["iss"], "OpenID Connect Core §3.3.3.6",
			"both ID tokens are of one issuer and one subject", []any{l.Front["sub"], l.ID["sub"]})
	}
}

// ReadUserInfo asks UserInfo, if there is a token.
func (l *Login) ReadUserInfo() {
	c := l.Request.Client
	if token := l.AccessToken(); token != "" && c.run.Discover().Text("userinfo_endpoint") != "" {
		l.UserInfo = c.UserInfo(token, l.Claims())
	}
}
