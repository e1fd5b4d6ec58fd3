package rp

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.yaml.in/yaml/v3"
)

// Config says where the provider is, which app is tested, and how it is driven.
type Config struct {
	Listen   Listen   `yaml:"listen"`
	Client   Client   `yaml:"client"`
	Drive    Drive    `yaml:"drive"`
	SignedIn SignedIn `yaml:"signed_in"`
	// CA is a PEM file, trusted besides the system's certificates when the app is
	// called.
	CA string `yaml:"ca"`
	// Patience bounds what one step may take: 30 seconds when the app is driven, 5
	// minutes by hand.
	Patience time.Duration `yaml:"patience"`
}

// Listen is where the provider is.
type Listen struct {
	// Address is where to listen, 127.0.0.1 and a free port if empty.
	Address string `yaml:"address"`
	// URL is the issuer, http://localhost and the port if empty.
	URL string `yaml:"url"`
	// Certificate and Key are PEM files, for an issuer with https.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// Client is the app's registration, in the names of OpenID Connect Dynamic
// Registration 1.0 §2.
type Client struct {
	ID           string   `yaml:"client_id"`
	Secret       string   `yaml:"client_secret"`
	RedirectURIs []string `yaml:"redirect_uris"`
	// JWKS are the app's public keys, an object or its JSON text.
	JWKS any `yaml:"jwks"`
	// IDTokenAlg signs ID tokens, logout tokens and signed responses; ES256 if empty.
	IDTokenAlg string `yaml:"id_token_signed_response_alg"`
	// UserInfoAlg makes UserInfo a JWT.
	UserInfoAlg string `yaml:"userinfo_signed_response_alg"`
	// BackchannelLogout is where logout tokens are sent.
	BackchannelLogout string `yaml:"backchannel_logout_uri"`
}

// Drive says how the app is driven without a person; empty is by hand. Each is an
// address, with "POST " before it where a form would be sent.
type Drive struct {
	// Start begins a sign-in.
	Start string `yaml:"start"`
	// Refresh makes the app use its refresh token.
	Refresh string `yaml:"refresh"`
	// Page shows whether somebody is signed in.
	Page string `yaml:"page"`
}

// SignedIn is the mark of a page on which somebody is signed in; all that is given
// must hold.
type SignedIn struct {
	// Text is in the page, URL in its address.
	Text string `yaml:"text"`
	URL  string `yaml:"url"`
	// Status is the page's.
	Status int `yaml:"status"`
}

func (s SignedIn) empty() bool { return s == SignedIn{} }

// ReadConfig reads YAML; members that are not known are errors.
func ReadConfig(in io.Reader) (Config, error) {
	var c Config
	decoder := yaml.NewDecoder(in)
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("reading the configuration: %w", err)
	}
	return c, nil
}

// complete fills in defaults and says what is missing.
func (c *Config) complete() error {
	c.Client.IDTokenAlg = cmp.Or(c.Client.IDTokenAlg, string(jose.ES256))
	if c.Patience == 0 {
		c.Patience = 5 * time.Minute
		if c.Drive.Start != "" {
			c.Patience = 30 * time.Second
		}
	}
	if c.Client.ID == "" {
		return errors.New("client_id: the app needs one")
	}
	if len(c.Client.RedirectURIs) == 0 {
		return errors.New("redirect_uris: the app needs at least one")
	}
	if !slices.Contains(algorithms, jose.SignatureAlgorithm(c.Client.IDTokenAlg)) {
		return fmt.Errorf("id_token_signed_response_alg: there is no %q, or it has no public key", c.Client.IDTokenAlg)
	}
	addresses := append([]string{c.Client.BackchannelLogout}, c.Client.RedirectURIs...)
	for _, step := range []string{c.Drive.Start, c.Drive.Refresh, c.Drive.Page} {
		_, address := action(step)
		addresses = append(addresses, address)
	}
	for _, address := range addresses {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "") {
			return fmt.Errorf("%q is no URL", address)
		}
	}
	return nil
}

// action splits "POST https://app.example/login".
func action(step string) (method, address string) {
	if address, ok := strings.CutPrefix(step, "POST "); ok {
		return http.MethodPost, strings.TrimSpace(address)
	}
	return http.MethodGet, strings.TrimSpace(strings.TrimPrefix(step, "GET "))
}
