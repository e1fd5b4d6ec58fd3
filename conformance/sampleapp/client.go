package sampleapp

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// client speaks to the provider.
type client struct {
	c     Config
	proof *ecdsa.PrivateKey // the DPoP key
	mu    sync.Mutex
	nonce map[string]string // by origin, RFC 9449 §8.2
	meta  *metadata
	keys  *jose.JSONWebKeySet
}

type metadata struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	PAR           string `json:"pushed_authorization_request_endpoint"`
	UserInfo      string `json:"userinfo_endpoint"`
	JWKS          string `json:"jwks_uri"`
}

func newClient(c Config) *client {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return &client{c: c, proof: key, nonce: map[string]string{}}
}

// discover reads the metadata and the keys; keys are read again when one is
// missing.
func (c *client) discover(ctx context.Context, again bool) (*metadata, *jose.JSONWebKeySet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.meta != nil && !again {
		return c.meta, c.keys, nil
	}
	var m metadata
	if err := c.get(ctx, c.c.Issuer+"/.well-known/openid-configuration", &m); err != nil {
		return nil, nil, err
	}
	if m.Issuer != c.c.Issuer { // OpenID Connect Discovery §4.3
		return nil, nil, errors.New("the metadata is of another issuer")
	}
	var set jose.JSONWebKeySet
	if err := c.get(ctx, m.JWKS, &set); err != nil {
		return nil, nil, err
	}
	c.meta, c.keys = &m, &set
	return c.meta, c.keys, nil
}

func (c *client) get(ctx context.Context, address string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := c.c.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d", address, answer.StatusCode)
	}
	return json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(into)
}

// sign makes a compact JWS.
func sign(key any, kid, typ string, embed bool, claims any) (string, error) {
	options := (&jose.SignerOptions{EmbedJWK: embed}).WithType(jose.ContentType(typ))
	var signing any = key
	if !embed {
		signing = jose.JSONWebKey{Key: key, KeyID: kid}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: signing}, options)
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// dpop makes a proof, RFC 9449 §4.2.
func (c *client) dpop(method, address, token string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	claims := map[string]any{"jti": random(), "htm": method, "htu": u.Scheme + "://" + u.Host + u.Path, "iat": time.Now().Unix()}
	c.mu.Lock()
	if nonce := c.nonce[u.Host]; nonce != "" {
		claims["nonce"] = nonce
	}
	c.mu.Unlock()
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return sign(c.proof, "", "dpop+jwt", true, claims)
}

// send makes a request with a proof, and once more when the server wants a nonce.
func (c *client) send(
	ctx context.Context, address, contentType, token string, body func() (string, error),
) (*http.Response, []byte, error) {
	for attempt := 0; ; attempt++ {
		text, err := body()
		if err != nil {
			return nil, nil, err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(text))
		if err != nil {
			return nil, nil, err
		}
		r.Header.Set("Content-Type", contentType)
		proof, err := c.dpop(http.MethodPost, address, token)
		if err != nil {
			return nil, nil, err
		}
		r.Header.Set("DPoP", proof)
		if token != "" {
			r.Header.Set("Authorization", "DPoP "+token)
		}
		answer, err := c.c.HTTP.Do(r)
		if err != nil {
			return nil, nil, err
		}
		raw, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
		answer.Body.Close()
		if err != nil {
			return nil, nil, err
		}
		fresh := answer.Header.Get("DPoP-Nonce")
		if fresh != "" {
			c.mu.Lock()
			c.nonce[r.URL.Host] = fresh
			c.mu.Unlock()
		}
		wantsNonce := answer.StatusCode == http.StatusBadRequest || answer.StatusCode == http.StatusUnauthorized
		if wantsNonce && fresh != "" && attempt == 0 {
			continue
		}
		return answer, raw, nil
	}
}

// form posts to an endpoint of the authorization server, authenticated by
// private_key_jwt with the issuer as audience.
func (c *client) form(ctx context.Context, address string, values url.Values) (*http.Response, []byte, error) {
	return c.send(ctx, address, "application/x-www-form-urlencoded", "", func() (string, error) {
		assertion, err := sign(c.c.Key.Key, c.c.Key.KeyID, "JWT", false, map[string]any{
			"iss": c.c.ClientID, "sub": c.c.ClientID, "aud": c.c.Issuer, "jti": random(),
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		})
		if err != nil {
			return "", err
		}
		values.Set("client_id", c.c.ClientID)
		values.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		values.Set("client_assertion", assertion)
		return values.Encode(), nil
	})
}

// protocolError is what an endpoint answered.
func protocolError(what string, answer *http.Response, raw []byte) error {
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(raw, &body)
	return fmt.Errorf("%s answered %d %s: %s", what, answer.StatusCode, body.Error, body.Description)
}

// push sends the request ahead and says where the browser goes.
func (c *client) push(ctx context.Context, state string, flow *login, lang string, details []Detail) (string, error) {
	m, _, err := c.discover(ctx, false)
	if err != nil {
		return "", err
	}
	raw, err := json.Marshal(details)
	if err != nil {
		return "", err
	}
	challenge := sha256.Sum256([]byte(flow.verifier))
	request := url.Values{
		"response_type": {"code"}, "redirect_uri": {c.c.Home + "/callback"}, "scope": {"openid"}, "state": {state}, "nonce": {flow.nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
		"authorization_details": {string(raw)}, "ui_locales": {lang},
	}
	if c.c.Profile {
		request.Set("scope", "openid profile")
	}
	if c.c.Signed {
		if request, err = c.object(request, raw); err != nil {
			return "", err
		}
	}
	answer, body, err := c.form(ctx, m.PAR, request)
	if err != nil {
		return "", err
	}
	var out struct {
		RequestURI string `json:"request_uri"`
	}
	if answer.StatusCode != http.StatusCreated || json.Unmarshal(body, &out) != nil {
		return "", protocolError("the pushed authorization request endpoint", answer, body)
	}
	return m.Authorization + "?" + url.Values{"client_id": {c.c.ClientID}, "request_uri": {out.RequestURI}}.Encode(), nil
}

// release asks the broker for one granted detail.
func (c *client) release(ctx context.Context, who *visitor, g granted) (answer, error) {
	body, err := json.Marshal(map[string]any{"registry": g.Registry, "purpose": g.Purpose, "attributes": g.Attributes})
	if err != nil {
		return answer{}, err
	}
	response, raw, err := c.send(
		ctx, c.c.Issuer+"/broker/v1/releases", "application/json", who.access,
		func() (string, error) { return string(bytes.TrimSpace(body)), nil },
	)
	if err != nil {
		return answer{}, err
	}
	out := answer{Purpose: g.Purpose, Registry: g.Registry}
	if response.StatusCode != http.StatusOK {
		out.Problem = &problem{}
		if err := json.Unmarshal(raw, out.Problem); err != nil {
			return answer{}, fmt.Errorf("the broker answered %d", response.StatusCode)
		}
		return out, nil
	}
	var got struct {
		Records []map[string]json.RawMessage `json:"records"`
		Log     struct {
			Index uint64 `json:"index"`
		} `json:"log"`
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		return answer{}, err
	}
	out.Records, out.Index = got.Records, got.Log.Index
	return out, nil
}
