package oidcc

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

const registrationSpec = "OpenID Connect Dynamic Registration §2"

var idTokenRS256 = suite.Module{
	Name: "oidcc-idtoken-rs256", Clause: registrationSpec, Rule: "a client that registers RS256 gets ID tokens signed with it",
	Test: func(r *suite.Run) {
		c := r.Register(func(m suite.Claims) { m["id_token_signed_response_alg"] = "RS256" })
		r.Must(c.Signed() == "RS256", registrationSpec, "RS256 is registered", c.Signed())
		r.Login(suite.As(c))
	},
}

var userInfoRS256 = suite.Module{
	Name: "oidcc-userinfo-rs256", Clause: "OpenID Connect Core §5.3.2", Rule: "a client that registers RS256 for UserInfo gets it signed",
	For: func(v suite.Variant) bool { return suite.ForDynamic(v) && (v.Responds("code") || v.Responds("token")) },
	Test: func(r *suite.Run) {
		c, a := r.TryRegister(func(m suite.Claims) { m["userinfo_signed_response_alg"] = "RS256" })
		if a.Status != http.StatusCreated && !r.Supports("userinfo_signing_alg_values_supported", "RS256") {
			registrationRefused(r, a, "OpenID Connect Dynamic Registration §3.3", "invalid_client_metadata")
			r.NotOffered(registrationSpec, "UserInfo signed with RS256", r.Discover()["userinfo_signing_alg_values_supported"])
		}
		r.Must(a.Status == http.StatusCreated, "OpenID Connect Dynamic Registration §3.2", "the registration answers 201", a)
		r.Login(suite.As(c))
	},
}

// redirects are the modules about what redirect URIs count as registered.
var redirects = []suite.Module{
	{
		Name: "oidcc-ensure-redirect-uri-in-authorization-request", Clause: requestSpec, For: suite.ForDynamic,
		Rule: "with two redirect URIs registered and none in the request there is an error page",
		Test: func(r *suite.Run) {
			c := r.Register(func(m suite.Claims) { m["redirect_uris"] = []any{r.Redirect("callback"), r.Redirect("callback2")} })
			r.RefusedOnPage(r.Request(suite.As(c), suite.Without("redirect_uri")).Send(), requestSpec)
		},
	},
	{
		Name: "oidcc-redirect-uri-query-OK", Clause: "RFC 6749 §3.1.2", For: suite.ForDynamic, Rule: "a redirect URI may have a query, which is kept",
		Test: func(r *suite.Run) {
			c := r.Register(withQuery)
			l := r.Login(suite.As(c))
			r.Expect(slices.Equal(l.Callback.Query["foo"], []string{"bar"}), "RFC 6749 §3.1.2", "the query foo=bar is kept", l.Callback.Query.Encode())
		},
	},
	{
		Name: "oidcc-redirect-uri-query-mismatch", Clause: requestSpec, For: suite.ForDynamic, Rule: "a query that is not the registered one is another redirect URI",
		Test: func(r *suite.Run) {
			c := r.Register(withQuery)
			r.RefusedOnPage(r.Request(suite.As(c), suite.With("redirect_uri", r.Redirect("callback?bar=foo"))).Send(), requestSpec)
		},
	},
	{
		Name: "oidcc-redirect-uri-query-added", Clause: requestSpec, For: suite.ForDynamic, Rule: "a query that was not registered makes another redirect URI",
		Test: func(r *suite.Run) {
			c := r.Register()
			r.RefusedOnPage(r.Request(suite.As(c), suite.With("redirect_uri", r.Redirect("callback?foo=bar"))).Send(), requestSpec)
		},
	},
	{
		Name: "oidcc-redirect-uri-regfrag", Clause: registrationSpec, For: suite.ForDynamic, Rule: "a redirect URI with a fragment cannot be registered",
		Test: func(r *suite.Run) {
			_, a := r.TryRegister(func(m suite.Claims) { m["redirect_uris"] = []any{r.Redirect("callback#foobar")} })
			registrationRefused(r, a, "OpenID Connect Dynamic Registration §3.3", "invalid_redirect_uri", "invalid_client_metadata")
		},
	},
}

func withQuery(m suite.Claims) {
	uri := m["redirect_uris"].([]any)[0].(string)
	m["redirect_uris"] = []any{uri + "?foo=bar"}
}

// registrations are the modules about what is registered and shown or fetched.
var registrations = []suite.Module{
	shownURI("oidcc-registration-logo-uri", "logo_uri", "the logo is shown to the person", func(p *suite.Page) []string { return p.Images }),
	shownURI("oidcc-registration-policy-uri", "policy_uri", "the person can read the privacy policy", func(p *suite.Page) []string { return p.Links }),
	shownURI("oidcc-registration-tos-uri", "tos_uri", "the person can read the terms of service", func(p *suite.Page) []string { return p.Links }),
	{
		Name: "oidcc-registration-jwks-uri", Clause: registrationSpec, For: suite.ForDynamic, Rule: "keys may be registered by reference",
		Test: func(r *suite.Run) {
			c, _ := byReference(r)
			r.Login(suite.As(c))
		},
	},
	{
		Name: "oidcc-registration-sector-uri", Clause: "OpenID Connect Dynamic Registration §5", For: suite.ForDynamic,
		Rule: "a sector identifier that lists the redirect URIs can be registered",
		Test: func(r *suite.Run) {
			at := r.ServeJSON("sector.json", "application/json", func() string { return `["` + r.Redirect("callback") + `","https://other.example/callback"]` })
			c := r.Register(func(m suite.Claims) { m["sector_identifier_uri"] = at })
			r.Login(suite.As(c))
		},
	},
	{
		Name: "oidcc-registration-sector-bad", Clause: "OpenID Connect Dynamic Registration §5", For: suite.ForDynamic,
		Rule: "a sector identifier that does not list the redirect URI is refused",
		Test: func(r *suite.Run) {
			at := r.ServeJSON("sector.json", "application/json", func() string { return `["https://other.example/callback"]` })
			_, a := r.TryRegister(func(m suite.Claims) { m["sector_identifier_uri"] = at })
			registrationRefused(r, a, "OpenID Connect Dynamic Registration §5", "invalid_client_metadata", "invalid_redirect_uri")
		},
	},
}

// pixel is a picture of one pixel.
const pixel = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xa75\x81\x84\x00\x00\x00\x00IEND\xaeB`\x82"

func shownURI(name, member, rule string, seen func(*suite.Page) []string) suite.Module {
	return suite.Module{
		Name: name, Clause: registrationSpec, For: suite.ForDynamic, Rule: rule,
		Test: func(r *suite.Run) {
			at := r.Serve(member, func(w http.ResponseWriter, _ *http.Request) {
				if member == "logo_uri" {
					w.Header().Set("Content-Type", "image/png")
					_, _ = w.Write([]byte(pixel))
					return
				}
				w.Header().Set("Content-Type", "text/plain")
				_, _ = w.Write([]byte(member))
			})
			c := r.Register(func(m suite.Claims) { m[member] = at })
			l := r.Login(suite.As(c))
			var found []string
			for _, page := range l.Landing.Seen {
				found = append(found, seen(page)...)
			}
			if slices.Contains(found, at) {
				r.Expect(true, registrationSpec, rule, at)
				return
			}
			r.Review(registrationSpec, "is it shown in another way? "+rule, found)
		},
	}
}

// byReference registers a client whose keys the suite serves; the pointer changes
// them.
func byReference(r *suite.Run) (*suite.Client, *suite.Key) {
	key := r.Key("RS256", "by-reference-1")
	at := r.ServeJSON("jwks.json", "application/jwk-set+json", func() string { return publicSet(r, key) })
	c := r.Register(func(m suite.Claims) {
		delete(m, "jwks")
		m["jwks_uri"] = at
	})
	c.Key = key
	return c, &key
}

var rpKeyRotation = suite.Module{
	Name: "oidcc-refresh-token-rp-key-rotation", Clause: "OpenID Connect Core §10.1.1",
	Rule: "after the client has changed its keys, the new one authenticates it", Slow: true,
	For: func(v suite.Variant) bool { return suite.ForDynamic(v) && v.Responds("code") },
	Test: func(r *suite.Run) {
		c, served := byReference(r)
		options := []suite.Option{suite.As(c)}
		if r.Supports("scopes_supported", "offline_access") {
			options = append(options, suite.With("scope", "openid offline_access"), suite.With("prompt", "consent"))
		}
		l := r.Login(options...)
		if l.Tokens.Refresh == "" {
			r.NotOffered("OpenID Connect Core §12", "refresh tokens, for this client", r.Discover()["grant_types_supported"])
		}
		c.Key = r.Key("RS256", "by-reference-2")
		*served = c.Key
		a := c.RefreshTokens(l.Tokens.Refresh)
		if !r.Should(a.Status == http.StatusOK, "OpenID Connect Core §10.1.1", "a kid that is not known makes the provider fetch the keys anew", a) {
			r.Wait(61*time.Second, "the provider may fetch no more than once a minute")
			a = c.RefreshTokens(l.Tokens.Refresh)
		}
		t := c.TokenResponse(a)
		refreshed(r, c, l, t, "OpenID Connect Core §12.2")
	},
}

var serverRotateKeys = suite.Module{
	Name: "oidcc-server-rotate-keys", Clause: "OpenID Connect Core §10.1.1", Rule: "after the provider has changed its key, the new one is published and used, and what the old one signed still verifies",
	Test: func(r *suite.Run) {
		command := r.Config().RotateKeys
		if len(command) == 0 {
			r.NotOffered("OpenID Connect Core §10.1.1", "rotation by a command (rotate_keys in the configuration)", nil)
		}
		before := r.Login()
		kid := func(token string) string { h, _, _ := suite.Peek(token); return h.Text("kid") }
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		printed, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
		r.Note("rotation: %s", printed)
		if err != nil {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(printed))
		}
		r.Works(err, "the rotation command")
		var after suite.Login
		for range 20 {
			r.Refetch()
			if after = r.Login(); kid(after.IDToken()) != kid(before.IDToken()) {
				break
			}
			r.Wait(2*time.Second, "the new key is not in use yet")
		}
		r.Expect(kid(after.IDToken()) != kid(before.IDToken()), "OpenID Connect Core §10.1.1", "ID tokens are signed with a new key", []string{kid(before.IDToken()), kid(after.IDToken())})
		r.VerifySigned(before.IDToken(), "OpenID Connect Core §10.1.1")
	},
}

// byReferenceObjects are the modules about request objects by reference, in a plan
// that demands them.
var byReferenceObjects = []suite.Module{
	requestURI("oidcc-request-uri-unsigned", "none", "an unsigned request object by reference is used"),
	requestURI("oidcc-request-uri-signed-rs256", "RS256", "a request object by reference, signed with RS256, is used"),
}

func requestURI(name, alg, rule string) suite.Module {
	return suite.Module{
		Name: name, Clause: objectSpec + ".2", For: suite.ForDynamic, Rule: rule,
		Test: func(r *suite.Run) {
			var document string
			at := r.ServeJSON("request.jwt", "application/oauth-authz-req+jwt", func() string { return document })
			key := r.Key("RS256", "request-objects")
			if r.Discover()["request_uri_parameter_supported"] == false || !r.Supports("request_object_signing_alg_values_supported", alg) {
				r.NotOffered(objectSpec+".2", "request_uri with "+alg, r.Discover()["request_object_signing_alg_values_supported"])
			}
			c := r.Register(func(m suite.Claims) {
				m["request_uris"], m["request_object_signing_alg"] = []any{at}, alg
				if alg != "none" {
					m["jwks"] = map[string]any{"keys": []any{key.Public()}}
				}
			})
			place := func(object string) (string, string) { document = object; return "request_uri", at }
			if alg == "none" {
				r.Login(suite.As(c), unsigned(place))
				return
			}
			if c.Method == "private_key_jwt" {
				c.Key = key
			}
			r.Login(suite.As(c), signed(key, place))
		},
	}
}

// signed puts the parameters into a signed request object.
func signed(key suite.Key, place func(string) (string, string)) suite.Option {
	return suite.By(func(r *suite.Run, q *suite.Request) *http.Request {
		token, err := key.Sign("", claimsOf(r, q))
		r.Works(err, "signing a request object")
		return object(r, q, token, place)
	})
}

var assertionIssuer = suite.Module{
	Name: "oidcc-ensure-client-assertion-with-iss-aud-succeeds", Clause: "RFC 7523 §3", Rule: "a client assertion whose audience is the issuer is accepted",
	For: func(v suite.Variant) bool { return v.Responds("code") },
	Test: func(r *suite.Run) {
		r.Client().Assertion = func(m suite.Claims) { m["aud"] = r.Config().Issuer }
		r.Login()
	},
}

// thirdParty are the modules about login that is begun elsewhere.
var thirdParty = []suite.Module{
	{
		Name: "oidcc-3rd_party-init-login", Clause: "OpenID Connect Core §4", For: suite.ForDynamic,
		Rule: "initiate_login_uri is registered and shown again",
		Test: func(r *suite.Run) {
			at := r.Redirect("initiate_login")
			c := r.Register(func(m suite.Claims) { m["initiate_login_uri"] = at })
			r.Expect(c.Metadata.Text("initiate_login_uri") == at, registrationSpec, "the registration shows initiate_login_uri", c.Metadata["initiate_login_uri"])
			r.Must(c.ConfigurationURI != "", "OpenID Connect Dynamic Registration §4", "the registration can be read", c.Metadata)
			request, err := http.NewRequest(http.MethodGet, c.ConfigurationURI, nil)
			r.Works(err, "reading the registration")
			request.Header.Set("Authorization", "Bearer "+c.RegistrationToken)
			a := r.Do(request, nil)
			r.Must(a.Status == http.StatusOK && a.JSON != nil, "OpenID Connect Dynamic Registration §4.3", "reading the registration answers 200", a)
			r.Expect(a.JSON.Text("initiate_login_uri") == at, "OpenID Connect Dynamic Registration §4.3", "what was registered shows initiate_login_uri", a.JSON["initiate_login_uri"])
			r.Expect(a.JSON.Text("client_id") == c.ID, "OpenID Connect Dynamic Registration §4.3", "it is that of the client", a.JSON["client_id"])
		},
	},
	{
		Name: "oidcc-3rd_party-init-login-nohttps", Clause: registrationSpec, For: suite.ForDynamic, Rule: "an initiate_login_uri that is not https is refused",
		Test: func(r *suite.Run) {
			at := "http://" + strings.TrimPrefix(r.Redirect("initiate_login"), "https://")
			_, a := r.TryRegister(func(m suite.Claims) { m["initiate_login_uri"] = at })
			registrationRefused(r, a, "OpenID Connect Dynamic Registration §3.3", "invalid_client_metadata")
		},
	},
}

// fragmentless is an address without its query and fragment.
func fragmentless(u *url.URL) string {
	v := *u
	v.RawQuery, v.Fragment, v.RawFragment = "", "", ""
	return v.String()
}

func publicSet(r *suite.Run, keys ...suite.Key) string {
	set := jose.JSONWebKeySet{}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	return encoded(r, set)
}
