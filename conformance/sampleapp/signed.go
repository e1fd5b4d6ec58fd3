package sampleapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
)

// object makes a signed request object of a request (RFC 9101 §4) that asks for a
// signed response.
func (c *client) object(request url.Values, details json.RawMessage) (url.Values, error) {
	now := time.Now()
	claims := map[string]any{
		"iss": c.c.ClientID, "aud": c.c.Issuer, "client_id": c.c.ClientID, "jti": random(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Minute).Unix(), "response_mode": "jwt",
	}
	for name := range request {
		claims[name] = request.Get(name)
	}
	claims["authorization_details"] = details
	signed, err := sign(c.c.Key.Key, c.c.Key.KeyID, "oauth-authz-req+jwt", false, claims)
	return url.Values{"request": {signed}}, err
}

// response takes the parameters out of an authorization response; a signed one is
// checked first (JARM §2.4), and nothing but a signed one is taken where we asked for it.
func (c *client) response(ctx context.Context, q url.Values) (url.Values, error) {
	if !c.c.Signed {
		return q, nil
	}
	var got struct {
		jwt.Claims
		Code  string `json:"code"`
		State string `json:"state"`
		Error string `json:"error"`
	}
	if q.Get("response") == "" {
		return nil, errors.New("the answer is not signed, as we asked for")
	}
	if _, err := c.verify(ctx, q.Get("response"), &got); err != nil {
		return nil, fmt.Errorf("the signed answer: %w", err)
	}
	if got.Expiry == nil || len(got.Audience) != 1 {
		return nil, errors.New("the signed answer: exp or aud is missing")
	}
	if err := c.meant(got.Claims); err != nil {
		return nil, fmt.Errorf("the signed answer: %w", err)
	}
	values := url.Values{"iss": {got.Issuer}, "code": {got.Code}, "state": {got.State}}
	if got.Error != "" {
		values.Set("error", got.Error)
	}
	return values, nil
}
