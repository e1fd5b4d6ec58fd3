package suite

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Binds are what an ID token has to be bound to.
type Binds struct {
	Nonce string
	// Code and Token are what came with it through the browser, and must be hashed
	// into it; HashOptional makes the hashes optional, as from the token endpoint.
	Code, Token  string
	HashOptional bool
}

// skew is how far clocks may be apart.
const skew = 60 * time.Second

// VerifyIDToken checks an ID token as OpenID Connect Core §3.1.3.7 says, and what §2
// says of its claims.
func (c *Client) VerifyIDToken(token string, b Binds) Claims {
	r := c.run
	if alg := c.Metadata.Text("id_token_encrypted_response_alg"); alg != "" {
		token = c.decrypt(token, alg, "OpenID Connect Core §3.1.3.7")
	}
	header, claims, err := Peek(token)
	r.Must(err == nil, "OpenID Connect Core §2", "the ID token is a JWT", err)
	alg := header.Text("alg")
	r.Must(alg == c.Signed(), "OpenID Connect Core §3.1.3.7, 7", "alg is the one registered, "+c.Signed(), alg)
	if alg == "none" {
		r.Expect(strings.HasSuffix(token, "."), "RFC 7519 §6", "an unsigned token has no signature", token)
	} else {
		c.verifySignature(token, header)
	}
	r.Expect(claims.Text("iss") == r.suite.Config.Issuer, "OpenID Connect Core §3.1.3.7, 2", "iss is the issuer", claims["iss"])
	r.checkSubject(claims)
	c.checkAudience(claims)
	r.checkTimes(claims)
	if b.Nonce != "" {
		r.Expect(
			claims.Text("nonce") == b.Nonce, "OpenID Connect Core §3.1.3.7, 11", "nonce is that of the request: "+b.Nonce, claims["nonce"],
		)
	}
	r.checkHash(claims, "at_hash", alg, b.Token, b.HashOptional, "OpenID Connect Core §3.1.3.6")
	r.checkHash(claims, "c_hash", alg, b.Code, b.HashOptional, "OpenID Connect Core §3.3.2.11")
	r.KnownClaims("the ID token", claims)
	if acr, there := claims["acr"]; there {
		_, ok := acr.(string)
		r.Expect(ok, "OpenID Connect Core §2", "acr is a string", acr)
	}
	if amr, there := claims["amr"]; there {
		_, ok := claims.List("amr")
		r.Expect(ok, "OpenID Connect Core §2", "amr is an array of strings", amr)
	}
	return claims
}

// verifySignature verifies an ID token with the client secret or a published key.
func (c *Client) verifySignature(token string, header Claims) {
	r := c.run
	if strings.HasPrefix(header.Text("alg"), "HS") {
		object, err := jose.ParseSignedCompact(token, algorithms)
		if err == nil {
			_, err = object.Verify([]byte(c.Secret))
		}
		r.Must(err == nil, "OpenID Connect Core §3.1.3.7, 8", "the signature verifies with the client secret", err)
		return
	}
	r.Must(keyTypeOf(header.Text("alg")) != "none", "OpenID Connect Core §3.1.3.7, 7", "alg is one that the suite knows", header["alg"])
	if header.Text("kid") == "" {
		r.Expect(
			len(r.KeySet().fitting("", header.Text("alg"))) < 2, "OpenID Connect Core §10.1", "kid names the key where several would fit", header,
		)
	}
	err := r.verify(token)
	r.Must(err == nil, "OpenID Connect Core §3.1.3.7, 6", "the signature verifies with a published key", err)
}

// verify checks a signature with the provider's keys, which are fetched anew for a
// kid that is not known (OpenID Connect Core §10.1.1).
func (p *Provider) verify(token string) error {
	err := p.KeySet().verify(token)
	if errors.Is(err, errNoKey) {
		p.Refetch()
		err = p.KeySet().verify(token)
	}
	return err
}

// VerifySigned checks that a JWT is signed by the provider with one of its keys.
func (p *Provider) VerifySigned(token, clause string) (header, claims Claims) {
	header, claims, err := Peek(token)
	p.Must(err == nil, clause, "it is a signed JWT", err)
	err = p.verify(token)
	p.Must(err == nil, clause, "its signature verifies with a published key", err)
	return header, claims
}

// checkSubject checks sub.
func (c *Checks) checkSubject(claims Claims) {
	sub := claims.Text("sub")
	c.Must(sub != "", "OpenID Connect Core §2", "sub is a string that is not empty", claims["sub"])
	ascii := !strings.ContainsFunc(sub, func(c rune) bool { return c > 0x7f })
	c.Expect(len(sub) <= 255 && ascii, "OpenID Connect Core §2", "sub is at most 255 ASCII characters", sub)
}

// checkAudience checks aud and azp.
func (c *Client) checkAudience(claims Claims) {
	r := c.run
	var to []string
	if one := claims.Text("aud"); one != "" {
		to = []string{one}
	} else {
		to, _ = claims.List("aud")
	}
	r.Expect(slices.Contains(to, c.ID), "OpenID Connect Core §3.1.3.7, 3", "aud holds the client", claims["aud"])
	r.Should(len(to) == 1, "OpenID Connect Core §3.1.3.7, 3", "aud holds nobody else", claims["aud"])
	if azp, there := claims["azp"]; there {
		r.Expect(azp == c.ID, "OpenID Connect Core §3.1.3.7, 5", "azp is the client", azp)
	}
}

// checkTimes checks exp, iat, auth_time and nbf.
func (c *Checks) checkTimes(claims Claims) {
	now := time.Now()
	at := func(name string) (time.Time, bool) {
		n, ok := claims.Number(name)
		return time.Unix(int64(n), 0), ok
	}
	exp, ok := at("exp")
	c.Expect(ok && exp.After(now.Add(-skew)), "OpenID Connect Core §3.1.3.7, 9", "exp is a number and in the future", claims["exp"])
	iat, ok := at("iat")
	c.Expect(
		ok && iat.Before(now.Add(skew)) && iat.After(now.Add(-5*time.Minute)), "OpenID Connect Core §3.1.3.7, 10",
		"iat is a number and of now", claims["iat"],
	)
	if _, there := claims["auth_time"]; there {
		when, ok := at("auth_time")
		c.Expect(ok && when.Before(now.Add(skew)), "OpenID Connect Core §2", "auth_time is a number and not in the future", claims["auth_time"])
	}
	if _, there := claims["nbf"]; there {
		nbf, ok := at("nbf")
		c.Expect(ok && nbf.Before(now.Add(skew)), "RFC 7519 §4.1.5", "nbf has passed", claims["nbf"])
	}
}

// checkHash checks at_hash or c_hash: the half of the hash of what came with the token.
func (c *Checks) checkHash(claims Claims, name, alg, of string, optional bool, clause string) {
	got, there := claims[name]
	switch {
	case of == "":
	case !there && optional:
	default:
		want := Half(alg, of)
		c.Expect(got == want, clause, fmt.Sprintf("%s is the left half of the hash: %s", name, want), got)
	}
}

// decrypt opens a JWE for the client.
func (c *Client) decrypt(token, alg, clause string) string {
	object, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.KeyAlgorithm(alg)}, []jose.ContentEncryption{
		jose.A128CBC_HS256, jose.A192CBC_HS384, jose.A256CBC_HS512, jose.A128GCM, jose.A192GCM, jose.A256GCM,
	})
	c.run.Must(err == nil, clause, "it is encrypted with "+alg, err)
	inside, err := object.Decrypt(c.Key.Key)
	c.run.Must(err == nil, clause, "it is encrypted to the client's key", err)
	return string(inside)
}
