package federation

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

const (
	registerSpec = "OpenID Federation 1.0 §12.1.1.1"
	objectSpec   = "OpenID Federation 1.0 §12.1.1.1.1"
)

// app is one of the test federation: it stands right below the trust anchor, whose private keys
// the configuration has.
type app struct {
	run         *suite.Run
	id, anchor  string
	anchorKey   suite.Key
	member, key suite.Key
	redirect    string
	changes     // of what it sends
}

// changes are what a module does wrong.
type changes struct {
	chain  func(chain []string) []string
	claims func(suite.Claims)
	header func(suite.Claims)
	// signer signs the request object instead of the app.
	signer *suite.Key
	// token changes the request object when it is signed.
	token func(string) string
}

func newApp(r *suite.Run) *app {
	id, keys := anchorOf(r, registerSpec)
	r.Must(!keys.Keys[0].IsPublic(), registerSpec, "trust_anchor_jwks has a private key, with which the suite is the trust anchor", id)
	name := strings.ToLower(suite.Random()[:12])
	host := "https://" + strings.NewReplacer("_", "a", "-", "b").Replace(name) + ".conformance.example"
	return &app{
		run: r, id: host, anchor: id, anchorKey: suite.Key{JSONWebKey: keys.Keys[0]}, redirect: host + "/cb",
		member: key(r, "member "+name), key: key(r, "app "+name),
	}
}

func key(r *suite.Run, name string) suite.Key {
	k, err := suite.NewKey("ES256", name)
	r.Works(err, "making a key")
	return k
}

func public(keys ...suite.Key) jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	return set
}

func (a *app) sign(k suite.Key, header, claims suite.Claims) string {
	h := suite.Claims{"alg": "ES256", "kid": k.KeyID}
	for name, value := range header {
		h[name] = value
	}
	token, err := k.SignAs(h, claims)
	a.run.Works(err, "signing")
	return token
}

// trustChain is the way from the app to the trust anchor.
func (a *app) trustChain() []string {
	now := time.Now().Unix()
	state := func(issuer, subject string, by suite.Key, keys jose.JSONWebKeySet, more suite.Claims) string {
		claims := suite.Claims{"iss": issuer, "sub": subject, "iat": now, "exp": now + 3600, "jwks": keys}
		for name, value := range more {
			claims[name] = value
		}
		return a.sign(by, suite.Claims{"typ": "entity-statement+jwt"}, claims)
	}
	metadata := suite.Claims{
		"client_registration_types": []string{"automatic"}, "client_name": "Conformance " + a.id[8:14], "jwks": public(a.key),
		"redirect_uris": []string{a.redirect}, "token_endpoint_auth_method": "private_key_jwt",
		"grant_types": []string{"authorization_code"}, "response_types": []string{"code"},
	}
	for name, value := range a.run.Config().Metadata {
		metadata[name] = value
	}
	chain := []string{
		state(a.id, a.id, a.member, public(a.member), suite.Claims{
			"authority_hints": []string{a.anchor}, "metadata": suite.Claims{"openid_relying_party": metadata},
		}),
		state(a.anchor, a.id, a.anchorKey, public(a.member), nil),
		state(a.anchor, a.anchor, a.anchorKey, public(a.anchorKey), suite.Claims{"metadata": suite.Claims{"federation_entity": suite.Claims{
			"federation_fetch_endpoint": a.anchor + "/fetch", "federation_list_endpoint": a.anchor + "/list",
		}}}),
	}
	if a.chain != nil {
		return a.chain(chain)
	}
	return chain
}

// object is the request object, with the trust chain in its header (§4.3).
func (a *app) object() string {
	now := time.Now().Unix()
	claims := suite.Claims{
		"iss": a.id, "aud": a.run.Config().Issuer, "client_id": a.id, "response_type": "code", "redirect_uri": a.redirect,
		"scope": "openid",
		"state": suite.Random(), "nonce": suite.Random(), "jti": suite.Random(), "iat": now, "nbf": now, "exp": now + 60,
		"code_challenge": suite.Digest(suite.Random() + suite.Random()), "code_challenge_method": "S256",
	}
	header := suite.Claims{"typ": "oauth-authz-req+jwt", "trust_chain": a.trustChain()}
	if a.changes.claims != nil {
		a.changes.claims(claims)
	}
	if a.header != nil {
		a.header(header)
	}
	signer := a.key
	if a.signer != nil {
		signer = *a.signer
		header["kid"] = a.key.KeyID
	}
	token := a.sign(signer, header, claims)
	if a.token != nil {
		return a.token(token)
	}
	return token
}

// push pushes a request object as the app (RFC 9126).
func (a *app) push(object string) suite.Answer {
	now := time.Now().Unix()
	assertion := a.sign(a.key, suite.Claims{"typ": "JWT"}, suite.Claims{
		"iss": a.id, "sub": a.id, "aud": a.run.Config().Issuer, "jti": suite.Random(), "iat": now, "exp": now + 60,
	})
	form := url.Values{
		"client_id": {a.id}, "request": {object}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	at := a.run.Endpoint("pushed_authorization_request_endpoint")
	request, err := http.NewRequest(http.MethodPost, at, strings.NewReader(form.Encode()))
	a.run.Works(err, "making a request")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return a.run.Do(request, nil)
}

// accepted pushes, and expects a request_uri.
func (a *app) accepted() string {
	got := a.push(a.object())
	a.run.Must(got.Status == http.StatusCreated && got.JSON.Text("request_uri") != "", registerSpec,
		"a pushed request of an app that the trust anchor vouches for is answered 201 with a request_uri", got)
	return got.JSON.Text("request_uri")
}

// wrong is a module in which a request is refused for one thing.
func wrong(name, clause, rule string, codes []string, change func(r *suite.Run, a *app)) suite.Module {
	return suite.Module{
		Name: "openid-federation-automatic-client-registration-" + name, Clause: clause, Rule: rule,
		Test: func(r *suite.Run) {
			good := newApp(r)
			good.accepted() // so that nothing else is what is wrong
			a := newApp(r)
			change(r, a)
			got := a.push(a.object())
			r.Expect(got.Status >= 400 && got.Status < 500, clause, rule, got)
			r.Expect(slices.Contains(codes, got.ErrorCode()), clause, "the error is one of "+strings.Join(codes, ", "), got)
		},
	}
}

var (
	objectCodes = []string{"invalid_request", "invalid_request_object", "invalid_client"}
	chainCodes  = []string{"invalid_trust_chain", "invalid_trust_anchor", "invalid_client", "invalid_request"}
)

// registering are the modules about a provider that registers apps automatically, by pushed
// requests with the trust chain in the request object.
var registering = []suite.Module{
	{
		Name: "openid-federation-automatic-client-registration-with-par-and-trust-chain", Clause: registerSpec,
		Rule: "an app that the trust anchor vouches for pushes a request with its trust chain, and the person is asked to sign in",
		Test: func(r *suite.Run) {
			r.Expect(r.Supports("client_registration_types_supported", "automatic"), "OpenID Federation 1.0 §5.1.3",
				"client_registration_types_supported has automatic", r.Discover()["client_registration_types_supported"])
			a := newApp(r)
			uri := a.accepted()
			at := r.Endpoint("authorization_endpoint") + "?" + url.Values{"client_id": {a.id}, "request_uri": {uri}}.Encode()
			got := r.Get(at)
			r.Expect(got.Status < 400 && !strings.HasPrefix(got.Header.Get("Location"), a.redirect), registerSpec,
				"the authorization endpoint takes the request to the person", got)
		},
	},
	{
		Name: "openid-federation-automatic-client-registration-invalid-duplicate-request-object-jti", Clause: objectSpec,
		Rule: "a request object whose jti was used before is refused",
		Test: func(r *suite.Run) {
			a := newApp(r)
			object := a.object()
			got := a.push(object)
			r.Must(got.Status == http.StatusCreated, registerSpec, "the first request is taken", got)
			again := a.push(object)
			r.Expect(again.Status >= 400 && slices.Contains(objectCodes, again.ErrorCode()), objectSpec, "the same request object is refused", again)
		},
	},
	wrong("invalid-client-id-in-request-object", objectSpec, "a request object of another client_id is refused", objectCodes, func(_ *suite.Run, a *app) {
		a.changes.claims = func(c suite.Claims) { c["client_id"] = "https://another.conformance.example" }
	}),
	wrong("invalid-request-object-sub", objectSpec, "a request object with sub is refused", objectCodes, func(_ *suite.Run, a *app) {
		a.changes.claims = func(c suite.Claims) { c["sub"] = a.id }
	}),
	wrong("invalid-request-object-exp", objectSpec, "a request object that has expired is refused", objectCodes, func(_ *suite.Run, a *app) {
		a.changes.claims = func(c suite.Claims) { c["exp"] = time.Now().Add(-5 * time.Minute).Unix() }
	}),
	wrong("invalid-missing-request-object-exp", objectSpec, "a request object without exp is refused", objectCodes, func(_ *suite.Run, a *app) {
		a.changes.claims = func(c suite.Claims) { delete(c, "exp") }
	}),
	wrong("invalid-signature-on-request-object", objectSpec, "a request object whose signature was changed is refused", objectCodes, func(_ *suite.Run, a *app) {
		a.token = func(token string) string {
			signature, err := base64.RawURLEncoding.DecodeString(token[strings.LastIndexByte(token, '.')+1:])
			a.run.Works(err, "reading a signature")
			signature[0] ^= 1
			return token[:strings.LastIndexByte(token, '.')+1] + base64.RawURLEncoding.EncodeToString(signature)
		}
	}),
	wrong("invalid-signature-with-other-keys-on-request-object", objectSpec, "a request object signed with a key that is not the app's is refused",
		objectCodes, func(r *suite.Run, a *app) {
			other := key(r, "stranger "+a.id)
			a.signer = &other
		}),
	wrong("invalid-trust-chain-order", "OpenID Federation 1.0 §4", "a trust chain in another order is refused", chainCodes, func(_ *suite.Run, a *app) {
		a.chain = func(chain []string) []string { return []string{chain[1], chain[0], chain[2]} }
	}),
	wrong("invalid-trust-chain-too-short", "OpenID Federation 1.0 §4", "a trust chain without the app's own configuration is refused", chainCodes,
		func(_ *suite.Run, a *app) {
			a.chain = func(chain []string) []string { return chain[1:] }
		}),
}
