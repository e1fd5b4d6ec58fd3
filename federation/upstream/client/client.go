// Package client makes the requests of a relying party to the providers of package upstream:
// their metadata and keys, which it keeps in memory for a while, and the exchange of a code
// for an ID token. Nothing of a token is kept: what an access token would open is not read.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/trust"
	"hopnhat/federation/upstream"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

const (
	// fresh is how long metadata and keys are used, stale how long they go on while the provider
	// does not answer, and pause how long nobody asks again after it did not, or for a key
	// that was not in its set.
	fresh = 10 * time.Minute
	stale = 24 * time.Hour
	pause = 20 * time.Second
	// patience is for one request.
	patience = 5 * time.Second
	maxKeys  = 128 << 10
	maxToken = 64 << 10
	// assertionLife is how long a client assertion is good.
	assertionLife = time.Minute
	// AssertionType is the typ of our client assertions: JWT, which every provider takes, also one
	// that knows nothing of draft-ietf-oauth-rfc7523bis.
	AssertionType = "JWT"
)

// Outbound sends requests to one provider ([outbound.Client]).
type Outbound interface {
	Fetch(ctx context.Context, address string, limit int64) ([]byte, error)
	Post(ctx context.Context, m outbound.Message) (outbound.Answer, error)
}

// Resolver knows entities of a federation from memory.
type Resolver interface {
	// Resolved is the newest verdict on an entity; ok is false for one that is not known.
	Resolved(id federation.EntityID, anchors ...federation.EntityID) (v trust.Verdict, ok bool)
}

// Options is what a client is made of; all but Resolver are needed.
type Options struct {
	// Out is how a provider is reached.
	Out func(*upstream.Provider) Outbound
	// Ring signs client assertions, with the ES256 key of tokens.
	Ring keys.Ring
	// Resolver is for providers that are trusted by a federation; nil where this server is in none.
	Resolver Resolver
	// Loopback lets endpoints be http on this machine.
	Loopback bool
	Now      func() time.Time
}

// Client asks providers. It is safe for concurrent use.
type Client struct {
	o     Options
	mu    sync.Mutex
	known map[upstream.Alias]*provider
}

// New makes a client.
func New(o Options) *Client { return &Client{o: o, known: map[upstream.Alias]*provider{}} }

// provider is what is known of one. mu is held while it is asked: so of many who come at once
// one asks, and the others wait for what it is told.
type provider struct {
	out      Outbound
	mu       sync.Mutex
	metadata upstream.Metadata
	keys     *jose.Set
	// got is when the metadata came, gotKeys when the keys did, and asked when the provider was
	// asked last.
	got, gotKeys, asked time.Time
	failed              error // of the last request for metadata or keys; nil if it was answered
}

func (c *Client) of(p *upstream.Provider) *provider {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[p.Alias] == nil {
		c.known[p.Alias] = &provider{out: c.o.Out(p)}
	}
	return c.known[p.Alias]
}

// silent is the refusal that a person gets who need not know more.
func silent(p *upstream.Provider, err error) error {
	return errors.Join(&upstream.Refusal{Reason: upstream.Silent, Why: fmt.Sprintf("%s cannot be asked", p.Issuer)}, err)
}

// Metadata are those of a provider. The error is a [upstream.Refusal] with its cause beside it.
func (c *Client) Metadata(ctx context.Context, p *upstream.Provider) (upstream.Metadata, error) {
	m, _, err := c.state(ctx, p, false)
	return m, err
}

// state is what is known of a provider, which is asked where that is too old; again asks for
// its keys though they are not, at most once in a while.
func (c *Client) state(ctx context.Context, p *upstream.Provider, again bool) (upstream.Metadata, *jose.Set, error) {
	k := c.of(p)
	k.mu.Lock()
	defer k.mu.Unlock()
	now := c.o.Now()
	if p.Trust == upstream.ByFederation {
		if err := c.resolve(p, k, now); err != nil {
			return upstream.Metadata{}, nil, silent(p, err)
		}
	}
	wanted := p.Trust != upstream.ByFederation && now.Sub(k.got) >= fresh ||
		k.metadata.Keys == nil && (again || now.Sub(k.gotKeys) >= fresh)
	if wanted && now.Sub(k.asked) >= pause {
		k.asked = now
		if k.failed = c.ask(ctx, p, k, now); k.failed != nil && ctx.Err() != nil {
			k.asked = time.Time{} // it was the caller who left
		}
	}
	if k.keys == nil || now.Sub(earlier(k.got, k.gotKeys)) >= stale {
		return upstream.Metadata{}, nil, silent(p, k.failed)
	}
	return k.metadata, k.keys, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// resolve takes the metadata that the federation leaves of the provider, from memory.
func (c *Client) resolve(p *upstream.Provider, k *provider, now time.Time) error {
	if c.o.Resolver == nil {
		return errors.New("this server has no trust anchors: federation_entity names none")
	}
	v, ok := c.o.Resolver.Resolved(federation.EntityID(p.Issuer))
	// OpenID Federation 1.0 §10.4: a chain is good until its earliest end.
	if !ok || !v.Valid() || !now.Before(v.Expiry) {
		return fmt.Errorf("no trust chain for %s under our anchors", p.Issuer)
	}
	raw, err := json.Marshal(v.Metadata[federation.OpenIDProvider])
	if err != nil {
		return err
	}
	m, err := p.Metadata(raw, c.o.Loopback)
	if err != nil {
		return err
	}
	if k.got = now; m.Keys != nil {
		k.keys, k.gotKeys = m.Keys, now
	}
	k.metadata = m
	return nil
}

// ask fetches metadata, where they are too old, and keys.
func (c *Client) ask(ctx context.Context, p *upstream.Provider, k *provider, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if p.Trust == upstream.ByDiscovery && now.Sub(k.got) >= fresh {
		// OpenID Connect Discovery §4: the issuer without a slash at its end, and the path.
		raw, err := k.out.Fetch(ctx, trimSlash(p.Issuer)+"/.well-known/openid-configuration", upstream.MaxMetadata)
		if err != nil {
			return fmt.Errorf("fetching the configuration of %s: %w", p.Issuer, err)
		}
		m, err := p.Metadata(raw, c.o.Loopback)
		if err != nil {
			return err
		}
		if k.metadata, k.got = m, now; m.Keys != nil {
			k.keys, k.gotKeys = m.Keys, now
			return nil
		}
	}
	raw, err := k.out.Fetch(ctx, k.metadata.JWKSURI, maxKeys)
	if err != nil {
		return fmt.Errorf("fetching the keys of %s: %w", p.Issuer, err)
	}
	set, err := jose.ParseSet(raw)
	if err == nil && set.Len() == 0 {
		err = errors.New("it has no key that could sign")
	}
	if err != nil {
		return fmt.Errorf("reading the keys of %s: %w", p.Issuer, err)
	}
	k.keys, k.gotKeys = set, now
	return nil
}

func trimSlash(issuer string) string {
	if n := len(issuer); n > 0 && issuer[n-1] == '/' {
		return issuer[:n-1]
	}
	return issuer
}

// withKeys runs check with the keys of a provider, and once more with newer ones if none of
// them made the signature (OpenID Connect Core §10.1.1).
func withKeys[T any](ctx context.Context, c *Client, p *upstream.Provider, check func(*jose.Set) (T, error)) (T, error) {
	var none T
	_, set, err := c.state(ctx, p, false)
	if err != nil {
		return none, err
	}
	got, err := check(set)
	if errors.Is(err, jose.ErrNoKey) {
		if _, set, err = c.state(ctx, p, true); err != nil {
			return none, err
		}
		got, err = check(set)
	}
	if errors.Is(err, jose.ErrNoKey) {
		return none, &upstream.Refusal{Reason: upstream.Untrue, Why: "OpenID Connect Core §3.1.3.7 (6): no key of the provider made the signature"}
	}
	return got, err
}

// assertion are the claims of a client assertion (RFC 7523 §3, OpenID Connect Core §9).
type assertion struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ID       string `json:"jti"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

// assertion are the claims of one for a provider. RFC 9700 §4.4: the audience is its issuer alone,
// so that no other provider can use it.
func (c *Client) assertion(p *upstream.Provider) assertion {
	now := c.o.Now()
	return assertion{p.ClientID, p.ClientID, p.Issuer, authz.NewSecret(), now.Unix(), now.Add(assertionLife).Unix()}
}

// Redeem exchanges the code that answers a request for an ID token (OpenID Connect Core
// §3.1.3), and says who signed in. Errors are as those of [upstream.Provider.Judge], or a
// refusal with its cause beside it.
func (c *Client) Redeem(ctx context.Context, p *upstream.Provider, redirectURI, code string, a upstream.Ask) (upstream.Identity, error) {
	m, err := c.Metadata(ctx, p)
	if err != nil {
		return upstream.Identity{}, err
	}
	signed, err := jose.Sign(ctx, c.o.Ring, jose.Token{
		Use: keys.TokenSigning, Algorithm: keys.ES256, Type: AssertionType, Claims: c.assertion(p),
	})
	if err != nil {
		return upstream.Identity{}, fmt.Errorf("signing a client assertion for %s: %w", p.Issuer, err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := c.of(p).out.Post(ctx, outbound.Message{
		URL: m.TokenEndpoint, Type: "application/x-www-form-urlencoded", Accept: "application/json", Limit: maxToken + 1,
		Body: url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {a.Verifier},
			"client_id":             {p.ClientID},
			"client_assertion_type": {clientauth.AssertionType}, "client_assertion": {signed[0]},
		}.Encode(),
	})
	if err != nil {
		return upstream.Identity{}, silent(p, err)
	}
	token, err := idToken(p, answer)
	if err != nil {
		return upstream.Identity{}, err
	}
	return withKeys(ctx, c, p, func(set *jose.Set) (upstream.Identity, error) { return p.Judge(token, set, a, c.o.Now()) })
}

// idToken is that of a token response (OpenID Connect Core §3.1.3.3).
func idToken(p *upstream.Provider, answer outbound.Answer) (string, error) {
	switch {
	case answer.Status >= http.StatusInternalServerError || answer.Status == http.StatusTooManyRequests:
		return "", silent(p, fmt.Errorf("its token endpoint answered %d", answer.Status))
	case answer.Status != http.StatusOK: // RFC 6749 §5.2
		return "", &upstream.Refusal{Reason: upstream.Untrue, Why: fmt.Sprintf("RFC 6749 §5.2: the token endpoint answered %d", answer.Status)}
	case len(answer.Body) > maxToken:
		return "", &upstream.Refusal{Reason: upstream.Untrue, Why: fmt.Sprintf("the token response is longer than %d bytes", maxToken)}
	}
	var body struct {
		IDToken string `json:"id_token"`
	}
	if jose.CheckJSON(answer.Body) != nil || json.Unmarshal(answer.Body, &body) != nil || body.IDToken == "" {
		return "", &upstream.Refusal{Reason: upstream.Untrue, Why: "OpenID Connect Core §3.1.3.3: the token response has no id_token"}
	}
	return body.IDToken, nil
}

// Ended checks a logout token of a provider: see [upstream.Provider.Ended].
func (c *Client) Ended(ctx context.Context, p *upstream.Provider, token string) (upstream.End, error) {
	return withKeys(ctx, c, p, func(set *jose.Set) (upstream.End, error) { return p.Ended(token, set, c.o.Now()) })
}
