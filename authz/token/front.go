package token

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/keys"
)

// FrontChannel adds to an answer the tokens that its response type asks for
// (OpenID Connect Core §3.2.2.5, §3.3.2.5), in at most one signing call: the access
// token is not signed but sealed with a MAC, so that at_hash is known before the
// ID token is signed. There is never a refresh token.
func (m *Minter) FrontChannel(ctx context.Context, client *clientauth.Registered, g *grant.Grant, answer url.Values) error {
	request := &g.Request
	if !request.FrontChannel() {
		return nil
	}
	sub, err := m.Pseudonyms.Pairwise(ctx, client.Sector, g.Actor)
	if err != nil {
		return KeysError(err)
	}
	algorithm := OrES256(client.SigningAlg)
	id := m.idClaims(g, sub, g.Created)
	if id.ActsFor, err = NewActsFor(ctx, m.Pseudonyms, client.Sector, g.Principal); err != nil {
		return err
	}
	id.Nonce = request.Nonce
	if code := answer.Get("code"); code != "" {
		id.CHash = halfHash(algorithm, code)
	}
	if request.HasToken() {
		token := m.frontAccess(g, sub)
		id.ATHash = halfHash(algorithm, token)
		answer.Set("access_token", token)
		answer.Set("token_type", "Bearer")
		answer.Set("expires_in", strconv.Itoa(int(m.Life.Seconds())))
		answer.Set("scope", strings.Join(g.Scope, " "))
	}
	if !request.HasIDToken() {
		return nil
	}
	if client.Profile.StateHash && request.State != "" {
		id.SHash = halfHash(algorithm, request.State)
	}
	var person map[string]any
	if m.Persons.InFrontChannel(*request) {
		if person, err = m.Persons.Of(ctx, g, ForIDToken(*request).ForBearer(), keys.RequestOf(ctx), false); err != nil {
			return err
		}
	}
	claims, err := WithClaims(id, person)
	if err != nil {
		return authz.AsError(err)
	}
	signed, err := m.Sign(ctx, algorithm, typeID, claims)
	if err != nil {
		return err
	}
	token, err := m.EncryptedFor(ctx, client, client.IDTokenEncryption, signed)
	if err != nil {
		return err
	}
	answer.Set("id_token", token)
	return nil
}

// frontAccess is an access token that passes through the browser: for UserInfo
// alone, since nothing binds it to a key, and without what may be released.
func (m *Minter) frontAccess(g *grant.Grant, sub authz.Pairwise) string {
	return m.Opaque.seal(AccessClaims{
		Issuer: m.Issuer, Subject: string(sub), Audience: []string{m.Targets.URLs.UserInfo}, ClientID: g.ClientID,
		Expires: g.Created.Add(m.Life).Unix(), IssuedAt: g.Created.Unix(), ID: authz.NewID(),
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
