package suite

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// How the access token goes to the UserInfo endpoint.
const (
	ByGet        = "GET, token in the header"
	ByPostHeader = "POST, token in the header"
	ByPostBody   = "POST, token in the body"
)

// AskUserInfo asks UserInfo one way and gives the answer.
func (c *Client) AskUserInfo(token, how string) Answer {
	at := c.Endpoint("userinfo_endpoint")
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	switch how {
	case ByPostHeader:
		return c.Resource(http.MethodPost, at, token, form, "")
	case ByPostBody: // RFC 6750 §2.2
		return c.Resource(http.MethodPost, at, "", form, url.Values{"access_token": {token}}.Encode())
	}
	return c.Resource(http.MethodGet, at, token, nil, "")
}

// UserInfo asks UserInfo and checks the answer against the ID token's subject.
func (c *Client) UserInfo(token string, id Claims) Claims {
	return c.UserInfoResponse(c.AskUserInfo(token, ByGet), id)
}

// UserInfoResponse checks a UserInfo answer; id may be nil.
func (c *Client) UserInfoResponse(a Answer, id Claims) Claims {
	r := c.run
	const clause = "OpenID Connect Core §5.3.2"
	r.Must(a.Status == http.StatusOK, clause, "UserInfo answers 200", a)
	claims := a.JSON
	if alg, enc := c.Metadata.Text("userinfo_signed_response_alg"), c.Metadata.Text("userinfo_encrypted_response_alg"); alg != "" ||
		enc != "" {
		r.Expect(a.MediaType() == "application/jwt", clause, "a signed or encrypted answer is application/jwt", a.Header.Get("Content-Type"))
		token := strings.TrimSpace(a.Raw)
		if enc != "" {
			token = c.decrypt(token, enc, clause)
		}
		claims = c.signedUserInfo(token, alg)
	} else {
		r.Expect(a.MediaType() == "application/json", clause, "the answer is application/json", a.Header.Get("Content-Type"))
	}
	r.Must(claims != nil, clause, "the answer is a JSON object", a.Raw)
	r.Must(claims.Text("sub") != "", clause, "sub is there", a.Raw)
	if id != nil {
		r.Must(claims.Text("sub") == id.Text("sub"), clause, "sub is exactly that of the ID token: "+id.Text("sub"), claims["sub"])
	}
	r.checkShapes(claims)
	r.KnownClaims("UserInfo", claims)
	return claims
}

func (c *Client) signedUserInfo(token, alg string) Claims {
	r := c.run
	const clause = "OpenID Connect Core §5.3.2"
	if alg == "" { // encrypted only
		var claims Claims
		err := json.Unmarshal([]byte(token), &claims)
		r.Must(err == nil, clause, "the claims are a JSON object", err)
		return claims
	}
	header, claims := r.VerifySigned(token, clause)
	r.Expect(header.Text("alg") == alg, clause, "alg is the one registered, "+alg, header["alg"])
	r.Expect(claims.Text("iss") == r.suite.Config.Issuer, clause, "a signed answer has iss, the issuer", claims["iss"])
	r.Expect(claims.Text("aud") == c.ID || claims.Lists("aud", c.ID), clause, "a signed answer has aud, the client", claims["aud"])
	return claims
}

// Standard are the standard claims by scope (OpenID Connect Core §5.1, §5.4).
var Standard = map[string][]string{
	"profile": {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

// checkShapes checks the types of the standard claims that came (OpenID Connect Core
// §5.1).
func (c *Checks) checkShapes(claims Claims) {
	const clause = "OpenID Connect Core §5.1"
	for name, value := range claims {
		plain, _, _ := strings.Cut(name, "#")
		switch plain {
		case "email_verified", "phone_number_verified":
			_, ok := value.(bool)
			c.Expect(ok, clause, name+" is true or false", value)
		case "updated_at":
			_, ok := value.(float64)
			c.Expect(ok, clause, name+" is a number", value)
		case "address":
			_, ok := value.(map[string]any)
			c.Expect(ok, "OpenID Connect Core §5.1.1", "address is an object", value)
		case "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
			"website", "email", "gender", "birthdate", "zoneinfo", "locale", "phone_number":
			text, ok := value.(string)
			c.Expect(ok && text != "", clause, name+" is a string that is not empty", value)
		}
		c.Expect(value != nil, "OpenID Connect Core §5.3.2", name+" is left out rather than null", value)
	}
}
