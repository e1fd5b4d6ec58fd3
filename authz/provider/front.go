package provider

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// frontChannel adds to an answer the tokens that its response type asks for
// (OpenID Connect Core §3.2.2.5, §3.3.2.5), in at most one signing call: the access
// token is not signed but sealed with a MAC, so that at_hash is known before the
// ID token is signed. There is never a refresh token.
func (p *Provider) frontChannel(ctx context.Context, client *clientauth.Registered, g *Grant, answer url.Values) error {
	request := &g.Request
	if !request.FrontChannel() {
		return nil
	}
	sub, err := p.o.Pseudonyms.Pairwise(ctx, client.Sector, g.Subject)
	if err != nil {
		return keysError(err)
	}
	algorithm := orES256(client.SigningAlg)
	id := p.idToken(g, sub, g.Created)
	id.Nonce = request.Nonce
	if code := answer.Get("code"); code != "" {
		id.CHash = halfHash(algorithm, code)
	}
	if request.HasToken() {
		token := p.frontAccess(g, sub)
		id.ATHash = halfHash(algorithm, token)
		answer.Set("access_token", token)
		answer.Set("token_type", "Bearer")
		answer.Set("expires_in", strconv.Itoa(int(p.life.Access.Seconds())))
		answer.Set("scope", strings.Join(g.Scope, " "))
	}
	if !request.HasIDToken() {
		return nil
	}
	if client.Profile.StateHash && request.State != "" {
		id.SHash = halfHash(algorithm, request.State)
	}
	var about map[string]any
	if p.tellsInFront(*request) {
		if about, err = p.about(ctx, g, idTokenClaims(*request).ForBearer(), keys.RequestOf(ctx), false); err != nil {
			return err
		}
	}
	claims, err := withClaims(id, about)
	if err != nil {
		return authz.AsError(err)
	}
	signed, err := jose.Sign(ctx, p.o.Ring, jose.Token{Use: keys.TokenSigning, Algorithm: algorithm, Type: typeIDToken, Claims: claims})
	if err != nil {
		return keysError(err)
	}
	token, err := p.encryptedFor(ctx, client, client.IDTokenEncryption, signed[0])
	if err != nil {
		return err
	}
	answer.Set("id_token", token)
	return nil
}

// frontAccess is an access token that passes through the browser: for UserInfo
// alone, since nothing binds it to a key, and without what may be released.
func (p *Provider) frontAccess(g *Grant, sub authz.Pairwise) string {
	return p.opaque.seal(accessClaims{
		Issuer: p.o.Issuer, Subject: string(sub), Audience: []string{p.url.UserInfo}, ClientID: g.ClientID,
		Expires: g.Created.Add(p.life.Access).Unix(), IssuedAt: g.Created.Unix(), ID: authz.NewID(),
		Scope: strings.Join(g.Scope, " "), AuthTime: g.AuthTime.Unix(), ACR: g.Level.ACR(), Grant: g.ID,
	})
}

// halfHash is the value of c_hash, at_hash and s_hash: the left half of a digest
// that goes with the ID token's algorithm (OpenID Connect Core §3.3.2.11); Ed25519
// goes with SHA-512 (RFC 8032 §5.1).
func halfHash(algorithm keys.Algorithm, value string) string {
	if algorithm == keys.EdDSA {
		sum := sha512.Sum512([]byte(value))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// An access token of the front channel is the claims and a MAC over them. Only we
// read it, at UserInfo, introspection and revocation: for everybody else it is
// opaque (RFC 6749 §1.4).
const opaquePrefix = "hna."

// opaqueKey seals and opens them. It is derived from the keyring and the same on
// every node.
type opaqueKey []byte

func (k opaqueKey) seal(claims accessClaims) string {
	raw, err := json.Marshal(claims)
	if err != nil {
		panic("provider: claims that are no JSON: " + err.Error()) // texts and numbers of ours
	}
	body := opaquePrefix + base64.RawURLEncoding.EncodeToString(raw)
	return body + "." + k.mac(body)
}

func (k opaqueKey) mac(body string) string {
	m := hmac.New(sha256.New, k)
	m.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (k opaqueKey) open(token string) (claims accessClaims, ok bool) {
	i := strings.LastIndexByte(token, '.')
	if i < len(opaquePrefix) || !hmac.Equal([]byte(token[i+1:]), []byte(k.mac(token[:i]))) {
		return accessClaims{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(token[len(opaquePrefix):i])
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		return accessClaims{}, false
	}
	return claims, true
}
