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
func (r *Run) VerifyIDToken(c *Client, token string, b Binds) Claims {
	if alg := c.Metadata.Text("id_token_encrypted_response_alg"); alg != "" {
		token = r.decrypt(c, token, alg, "OpenID Connect Core §3.1.3.7")
	}
	header, claims, err := Peek(token)
	r.Must(err == nil, "OpenID Connect Core §2", "the ID token is a JWT", err)
	alg := header.Text("alg")
	r.Must(alg == c.Signed(), "OpenID Connect Core §3.1.3.7, 7", "alg is the one registered, "+c.Signed(), alg)
	if alg == "none" {
		r.Expect(strings.HasSuffix(token, "."), "RFC 7519 §6", "an unsigned token has no signature", token)
	} else {
		r.signature(c, token, header)
	}
	r.Expect(claims.Text("iss") == r.suite.Config.Issuer, "OpenID Connect Core §3.1.3.7, 2", "iss is the issuer", claims["iss"])
	r.subject(claims)
	r.audience(c, claims)
	r.times(claims)
	if b.Nonce != "" {
		r.Expect(claims.Text("nonce") == b.Nonce, "OpenID Connect Core §3.1.3.7, 11", "nonce is that of the request: "+b.Nonce, claims["nonce"])
	}
	r.hash(claims, "at_hash", alg, b.Token, b.HashOptional, "OpenID Connect Core §3.1.3.6")
	r.hash(claims, "c_hash", alg, b.Code, b.HashOptional, "OpenID Connect Core §3.3.2.11")
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

func (r *Run) signature(c *Client, token string, header Claims) {
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
		r.Expect(len(r.KeySet().fitting("", header.Text("alg"))) < 2, "OpenID Connect Core §10.1", "kid names the key where several would fit", header)
	}
	err := r.published(token)
	r.Must(err == nil, "OpenID Connect Core §3.1.3.7, 6", "the signature verifies with a published key", err)
}

// published checks a signature with the provider's keys, which are fetched anew for a
// kid that is not known (OpenID Connect Core §10.1.1).
func (r *Run) published(token string) error {
	err := r.KeySet().verify(token)
	if errors.Is(err, errNoKey) {
		r.Refetch()
		err = r.KeySet().verify(token)
	}
	return err
}

// VerifySigned checks that a JWT is signed by the provider with one of its keys.
func (r *Run) VerifySigned(token, clause string) (header, claims Claims) {
	header, claims, err := Peek(token)
	r.Must(err == nil, clause, "it is a signed JWT", err)
	err = r.published(token)
	r.Must(err == nil, clause, "its signature verifies with a published key", err)
	return header, claims
}

func (r *Run) subject(claims Claims) {
	sub := claims.Text("sub")
	r.Must(sub != "", "OpenID Connect Core §2", "sub is a string that is not empty", claims["sub"])
	ascii := !strings.ContainsFunc(sub, func(c rune) bool { return c > 0x7f })
	r.Expect(len(sub) <= 255 && ascii, "OpenID Connect Core §2", "sub is at most 255 ASCII characters", sub)
}

func (r *Run) audience(c *Client, claims Claims) {
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

func (r *Run) times(claims Claims) {
	now := time.Now()
	at := func(name string) (time.Time, bool) {
		n, ok := claims.Number(name)
		return time.Unix(int64(n), 0), ok
	}
	exp, ok := at("exp")
	r.Expect(ok && exp.After(now.Add(-skew)), "OpenID Connect Core §3.1.3.7, 9", "exp is a number and in the future", claims["exp"])
	iat, ok := at("iat")
	r.Expect(ok && iat.Before(now.Add(skew)) && iat.After(now.Add(-5*time.Minute)), "OpenID Connect Core §3.1.3.7, 10", "iat is a number and of now", claims["iat"])
	if _, there := claims["auth_time"]; there {
		when, ok := at("auth_time")
		r.Expect(ok && when.Before(now.Add(skew)), "OpenID Connect Core §2", "auth_time is a number and not in the future", claims["auth_time"])
	}
	if _, there := claims["nbf"]; there {
		nbf, ok := at("nbf")
		r.Expect(ok && nbf.Before(now.Add(skew)), "RFC 7519 §4.1.5", "nbf has passed", claims["nbf"])
	}
}

func (r *Run) hash(claims Claims, name, alg, of string, optional bool, clause string) {
	got, there := claims[name]
	switch {
	case of == "":
	case !there && optional:
	default:
		want := Half(alg, of)
		r.Expect(got == want, clause, fmt.Sprintf("%s is the left half of the hash: %s", name, want), got)
	}
}

// decrypt opens a JWE for the client.
func (r *Run) decrypt(c *Client, token, alg, clause string) string {
	object, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.KeyAlgorithm(alg)}, []jose.ContentEncryption{
		jose.A128CBC_HS256, jose.A192CBC_HS384, jose.A256CBC_HS512, jose.A128GCM, jose.A192GCM, jose.A256GCM,
	})
	r.Must(err == nil, clause, "it is encrypted with "+alg, err)
	inside, err := object.Decrypt(c.Key.Key)
	r.Must(err == nil, clause, "it is encrypted to the client's key", err)
	return string(inside)
}
