package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/keys/jose"
)

// registration is a client as an operator writes it.
type registration struct {
	ID                     string              `yaml:"id"`
	Name                   authz.LocalizedText `yaml:"name"`
	Owner                  authz.LocalizedText `yaml:"owner"`
	Profile                string              `yaml:"profile,omitempty"`
	Method                 string              `yaml:"token_endpoint_auth_method,omitempty"`
	JWKS                   string              `yaml:"jwks,omitempty"`
	SigningAlg             string              `yaml:"id_token_signed_response_alg,omitempty"`
	RequestObjectAlg       string              `yaml:"request_object_signing_alg,omitempty"`
	RequireRequestObject   bool                `yaml:"require_signed_request_object,omitempty"`
	RequestURIs            []string            `yaml:"request_uris,omitempty"`
	AuthorizationAlg       string              `yaml:"authorization_signed_response_alg,omitempty"`
	UserInfoAlg            string              `yaml:"userinfo_signed_response_alg,omitempty"`
	IDTokenEncryption      *authz.Encryption   `yaml:"id_token_encrypted_response,omitempty"`
	UserInfoEncryption     *authz.Encryption   `yaml:"userinfo_encrypted_response,omitempty"`
	AuthorizationEncrypted *authz.Encryption   `yaml:"authorization_encrypted_response,omitempty"`
	RedirectURIs           []string            `yaml:"redirect_uris"`
	PostLogoutRedirectURIs []string            `yaml:"post_logout_redirect_uris,omitempty"`
	BackchannelLogoutURI   string              `yaml:"backchannel_logout_uri,omitempty"`
	GrantTypes             []string            `yaml:"grant_types,omitempty"`
	Scopes                 []string            `yaml:"scope,omitempty"`
	Sector                 string              `yaml:"sector,omitempty"`
	MinimumLevel           int                 `yaml:"minimum_level,omitempty"`
	HomeURI                string              `yaml:"client_uri,omitempty"`
	Introspect             []string            `yaml:"introspect,omitempty"`
	Declarations           []authz.Declaration `yaml:"declarations,omitempty"`
}

func registrationOf(c *authz.Client) registration {
	return registration{
		ID: string(c.ID), Name: c.Name, Owner: c.Owner, Profile: string(c.Profile), Method: string(c.Method), JWKS: string(c.JWKS),
		SigningAlg: c.SigningAlg, RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs,
		BackchannelLogoutURI: c.BackchannelLogoutURI, GrantTypes: c.GrantTypes, Scopes: c.Scopes, Sector: c.Sector,
		MinimumLevel: int(c.MinimumLevel), HomeURI: c.HomeURI, Introspect: c.Introspect, Declarations: c.Declarations,
		RequestObjectAlg: c.RequestObjectAlg, RequireRequestObject: c.RequireRequestObject, RequestURIs: c.RequestURIs,
		AuthorizationAlg: c.AuthorizationAlg, UserInfoAlg: c.UserInfoAlg, IDTokenEncryption: wanted(c.IDTokenEncryption),
		UserInfoEncryption: wanted(c.UserInfoEncryption), AuthorizationEncrypted: wanted(c.AuthorizationEncryption),
	}
}

// wanted is nil where nothing is to be encrypted, so that YAML leaves it out.
func wanted(e authz.Encryption) *authz.Encryption {
	if !e.Wanted() {
		return nil
	}
	return &e
}

// encryption is the reverse; the content encryption has a default (OpenID Connect
// Dynamic Registration §2).
func encryption(e *authz.Encryption) authz.Encryption {
	if e == nil || !e.Wanted() {
		return authz.Encryption{}
	}
	if e.Content == "" {
		return authz.Encryption{Algorithm: e.Algorithm, Content: "A128CBC-HS256"}
	}
	return *e
}

// client checks a registration against its profile's row and fills in defaults.
func (p *parts) client(r registration) (*authz.Client, error) {
	if r.Profile == "" {
		r.Profile = string(authz.FAPI2)
	}
	profile, ok := authz.Profiles[authz.ProfileName(r.Profile)]
	if !ok {
		return nil, fmt.Errorf("client %q: there is no profile %q", r.ID, r.Profile)
	}
	if r.Method == "" {
		r.Method = string(authz.PrivateKeyJWT)
	}
	if len(r.GrantTypes) == 0 {
		r.GrantTypes = []string{"authorization_code", "refresh_token"}
	}
	if len(r.Scopes) == 0 {
		r.Scopes = []string{"openid"}
	}
	c := &authz.Client{
		ID: authz.ClientID(r.ID), Name: r.Name, Owner: r.Owner, Profile: profile.Name, Method: authz.AuthMethod(r.Method), JWKS: []byte(r.JWKS),
		SigningAlg: r.SigningAlg, RedirectURIs: r.RedirectURIs, PostLogoutRedirectURIs: r.PostLogoutRedirectURIs,
		BackchannelLogoutURI: r.BackchannelLogoutURI, BackchannelSession: true, GrantTypes: r.GrantTypes, Scopes: r.Scopes, Sector: r.Sector,
		MinimumLevel: authz.AuthenticationLevel(r.MinimumLevel), HomeURI: r.HomeURI, Introspect: r.Introspect, Declarations: r.Declarations,
		RequestObjectAlg: r.RequestObjectAlg, RequireRequestObject: r.RequireRequestObject, RequestURIs: r.RequestURIs,
		AuthorizationAlg: r.AuthorizationAlg, UserInfoAlg: r.UserInfoAlg, IDTokenEncryption: encryption(r.IDTokenEncryption),
		UserInfoEncryption: encryption(r.UserInfoEncryption), AuthorizationEncryption: encryption(r.AuthorizationEncrypted),
		CreatedAt: time.Now().UTC(),
	}
	if err := p.checkClient(c, profile); err != nil {
		return nil, fmt.Errorf("client %q: %w", r.ID, err)
	}
	return c, nil
}

func (p *parts) checkClient(c *authz.Client, profile authz.Profile) error {
	switch {
	case c.ID == "" || len(c.ID) > 128 || c.Name.VI == "":
		return errors.New("id and name.vi are needed")
	case !slices.Contains(profile.AuthMethods, c.Method):
		return fmt.Errorf("profile %s does not allow %s; it allows %v", profile.Name, c.Method, profile.AuthMethods)
	case c.SigningAlg != "" && !slices.Contains(profile.TokenAlgorithms, c.SigningAlg):
		return fmt.Errorf("profile %s does not sign ID tokens with %s", profile.Name, c.SigningAlg)
	}
	for _, g := range c.GrantTypes {
		if !slices.Contains(profile.GrantTypes, g) {
			return fmt.Errorf("profile %s does not offer the grant %s", profile.Name, g)
		}
	}
	if err := checkSecured(c, profile); err != nil {
		return err
	}
	for _, uri := range slices.Concat(c.RedirectURIs, c.PostLogoutRedirectURIs, c.RequestURIs, nonEmpty(c.BackchannelLogoutURI, c.HomeURI)) {
		if err := checkURI(uri, profile.AllowHTTPLoopback); err != nil {
			return err
		}
	}
	if c.Sector == "" {
		sector, ok := authz.SectorOf(c.RedirectURIs)
		if !ok && c.AllowsGrant("authorization_code") {
			return errors.New("redirect_uris are of several hosts or none: name the sector (OpenID Connect Core §8.1)")
		}
		c.Sector = sector
	}
	for _, d := range c.Declarations {
		if err := p.catalogue.CheckDeclaration(d); err != nil {
			return err
		}
	}
	return nil
}

// checkSecured checks what is signed and encrypted, by the app and for it.
func checkSecured(c *authz.Client, profile authz.Profile) error {
	set := &jose.Set{}
	if c.Method == authz.PrivateKeyJWT || len(c.JWKS) > 0 {
		var err error
		if set, err = jose.ParseSet(c.JWKS); err != nil {
			return fmt.Errorf("private_key_jwt needs jwks: %w", err)
		}
	}
	for name, alg := range map[string]string{"authorization_signed_response_alg": c.AuthorizationAlg, "userinfo_signed_response_alg": c.UserInfoAlg} {
		if alg != "" && !slices.Contains(profile.TokenAlgorithms, alg) {
			return fmt.Errorf("%s: profile %s does not sign with %s", name, profile.Name, alg)
		}
	}
	if alg := c.RequestObjectAlg; alg != "" && !slices.Contains(profile.ClientAlgorithms, alg) {
		return fmt.Errorf("request_object_signing_alg: profile %s does not take %s", profile.Name, alg)
	}
	if (c.RequireRequestObject || profile.RequireRequestObject) && set.Len() == 0 {
		return fmt.Errorf("profile %s signs requests: register the keys in jwks", profile.Name)
	}
	for name, e := range map[string]authz.Encryption{
		"id_token_encrypted_response": c.IDTokenEncryption, "userinfo_encrypted_response": c.UserInfoEncryption,
		"authorization_encrypted_response": c.AuthorizationEncryption,
	} {
		if !e.Wanted() {
			continue
		}
		if err := jose.CheckEncryption(set, e.Algorithm, e.Content); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func nonEmpty(list ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// checkURI: https without fragment, or http on loopback where the profile lets it.
func checkURI(raw string, loopback bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q is not an absolute URL without user and fragment", raw)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q must be https", raw)
}

// register saves a client; for secret methods it makes a secret and returns it.
func (p *parts) register(ctx context.Context, r registration) (secret string, err error) {
	c, err := p.client(r)
	if err != nil {
		return "", err
	}
	if c.Method == authz.ClientSecretBasic || c.Method == authz.ClientSecretPost {
		secret = authz.NewSecret()
		c.SecretHash = authz.HashSecret(secret)
	}
	return secret, p.db.SaveClient(ctx, c)
}
