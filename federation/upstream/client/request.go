package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/upstream"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Types of what is signed for a provider.
const (
	// ObjectType is the typ of our request objects (RFC 9101 §10.8).
	ObjectType = "oauth-authz-req+jwt"
	// maxPushed bounds the answer to a pushed request, maxURI the request_uri in it.
	maxPushed = 16 << 10
	maxURI    = 2048
)

// Request is the address of the authentication request at a provider, which no parameter of the
// browser's can change where this server registers automatically: there it is a request object,
// pushed where the provider takes that. Errors are a [upstream.Refusal] with its cause beside it,
// and those of the keyring.
func (c *Client) Request(ctx context.Context, p *upstream.Provider, redirectURI string, a upstream.Ask) (string, error) {
	m, err := c.Metadata(ctx, p)
	if err != nil {
		return "", err
	}
	if p.Registration != upstream.Automatic {
		return p.Request(m, redirectURI, a), nil
	}
	object, assertion, err := c.sign(ctx, p, redirectURI, a)
	if err != nil {
		return "", err
	}
	if m.PushEndpoint == "" {
		return p.WithObject(m, object), nil
	}
	uri, err := c.push(ctx, p, m.PushEndpoint, object, assertion)
	if err != nil {
		return "", err
	}
	return p.AtURI(m, uri), nil
}

// sign makes the request object (OpenID Federation 1.0 §12.1.1.1) and a client assertion, with one
// call of the keyring. Both carry our trust chain, where it is known, so that a provider that never
// heard of this server has nobody to ask.
func (c *Client) sign(ctx context.Context, p *upstream.Provider, redirectURI string, a upstream.Ask) (object, proof string, err error) {
	now := c.o.Now()
	claims := p.Object(redirectURI, a)
	claims["jti"], claims["iat"], claims["exp"] = authz.NewSecret(), now.Unix(), now.Add(assertionLife).Unix()
	chain := c.chain(p)
	signed, err := jose.Sign(ctx, c.o.Ring,
		jose.Token{Use: keys.TokenSigning, Algorithm: keys.ES256, Type: ObjectType, Chain: chain, Claims: claims},
		jose.Token{Use: keys.TokenSigning, Algorithm: keys.ES256, Type: AssertionType, Chain: chain, Claims: c.assertion(p)},
	)
	if err != nil {
		return "", "", fmt.Errorf("signing a request for %s: %w", p.Issuer, err)
	}
	return signed[0], signed[1], nil
}

// chain is the trust chain of this server under the anchor by which a provider is trusted here
// (§4.3); nil where none is known.
func (c *Client) chain(p *upstream.Provider) (tokens []string) {
	provider, ok := c.o.Resolver.Resolved(federation.EntityID(p.Issuer))
	if !ok {
		return nil
	}
	own, ok := c.o.Resolver.Resolved(federation.EntityID(p.ClientID), provider.Anchor)
	if !ok || !own.Valid() || !c.o.Now().Before(own.Expiry) {
		return nil
	}
	for _, s := range own.Chain {
		tokens = append(tokens, s.Token())
	}
	return tokens
}

// push pushes a request object (RFC 9126 §2), and returns its request_uri.
func (c *Client) push(ctx context.Context, p *upstream.Provider, endpoint, object, proof string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := c.of(p).out.Post(ctx, outbound.Message{
		URL: endpoint, Type: "application/x-www-form-urlencoded", Accept: "application/json", Limit: maxPushed + 1,
		Body: url.Values{
			"client_id": {p.ClientID}, "request": {object},
			"client_assertion_type": {clientauth.AssertionType}, "client_assertion": {proof},
		}.Encode(),
	})
	if err != nil {
		return "", silent(p, err)
	}
	var body struct {
		URI   string `json:"request_uri"`
		Error string `json:"error"`
	}
	readable := len(answer.Body) <= maxPushed && jose.CheckJSON(answer.Body) == nil && json.Unmarshal(answer.Body, &body) == nil
	switch {
	case answer.Status >= http.StatusInternalServerError || answer.Status == http.StatusTooManyRequests:
		return "", silent(p, fmt.Errorf("its endpoint for pushed requests answered %d", answer.Status))
	case answer.Status == http.StatusCreated && readable && body.URI != "" && len(body.URI) <= maxURI && authz.CheckText(body.URI) == nil:
		return body.URI, nil
	case readable && authz.CheckText(body.Error) == nil && len(body.Error) <= maxURI:
		return "", errors.Join(
			&upstream.Refusal{Reason: upstream.Untrue, Why: "OpenID Federation 1.0 §12.1.3: the provider does not take this server as its client"},
			fmt.Errorf("it answered %d %q", answer.Status, body.Error),
		)
	}
	return "", &upstream.Refusal{Reason: upstream.Untrue, Why: fmt.Sprintf("RFC 9126 §2.2: the pushed request was answered %d", answer.Status)}
}
