package suite

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.yaml.in/yaml/v3"
)

// Config says which provider is tested and how one signs in there.
type Config struct {
	// Issuer is the provider's, exactly as it names itself.
	Issuer string `yaml:"issuer"`
	// CA is a PEM file of what the provider's certificate is trusted by, besides
	// the system's.
	CA string `yaml:"ca"`
	// Listen is where the provider reaches the suite.
	Listen Listen `yaml:"listen"`
	// Timeout bounds one request, 30 s if empty.
	Timeout time.Duration `yaml:"timeout"`

	// Registration is "dynamic" or "static"; dynamic if there are no clients here.
	Registration string `yaml:"client_registration"`
	// InitialAccessTokens let the suite register (RFC 7591 §3), in turn: a provider may
	// limit each.
	InitialAccessTokens []string `yaml:"initial_access_tokens"`
	// Metadata is put into every registration.
	Metadata map[string]any `yaml:"client_metadata"`
	// PKCE adds a challenge to every request with a code, for providers that
	// demand it of everyone.
	PKCE bool `yaml:"pkce"`
	// Client, Client2 and ClientPost are registered beforehand; the last
	// authenticates with client_secret_post.
	Client     *StaticClient `yaml:"client"`
	Client2    *StaticClient `yaml:"client2"`
	ClientPost *StaticClient `yaml:"client_secret_post"`

	// People are those who sign in, each with the values that steps name. A module
	// has a person for itself.
	People []map[string]string `yaml:"people"`
	// Steps say how forms are filled in.
	Steps []Step `yaml:"browser"`
	// RotateKeys is a command that makes the provider sign with a new key.
	RotateKeys []string `yaml:"rotate_keys"`
	// Variant narrows plans to the parts with these values: client_auth_type mtls, for
	// instance.
	Variant Variant `yaml:"variant"`
	// Extra is for families of plans: parameters of theirs by name.
	Extra map[string]any `yaml:"extra"`
}

// StaticClient was registered at the provider beforehand.
type StaticClient struct {
	ID     string `yaml:"client_id"`
	Secret string `yaml:"client_secret"`
	// JWKS are its private keys (RFC 7517), as JSON text or as YAML.
	JWKS any `yaml:"jwks"`
	// Certificate and Key are PEM files, for mutual TLS.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// RedirectURIs and what else was registered, by the standard's names.
	RedirectURIs []string       `yaml:"redirect_uris"`
	Metadata     map[string]any `yaml:",inline"`
}

// Listen is the suite's own address.
type Listen struct {
	// Address is where to listen, 127.0.0.1 and a free port if empty.
	Address string `yaml:"address"`
	// URL is how the provider reaches it, https://localhost and the port if empty.
	URL string `yaml:"url"`
	// Certificate and Key are PEM files. Without, it makes a certificate itself,
	// and writes it to CAFile for the provider to trust.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	CAFile      string `yaml:"ca_file"`
	// Redirects is the base of redirect URIs, URL if empty: any that the provider
	// lets apps register, since nobody needs to be there.
	Redirects string `yaml:"redirects"`
}

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
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	switch c.Registration {
	case "":
		c.Registration = Dynamic
		if c.Client != nil {
			c.Registration = Static
		}
	case "dynamic", Dynamic:
		c.Registration = Dynamic
	case "static", Static:
		c.Registration = Static
	default:
		return fmt.Errorf("client_registration: there is no %q; it is dynamic or static", c.Registration)
	}
	switch {
	case !strings.HasPrefix(c.Issuer, "https://") && !strings.HasPrefix(c.Issuer, "http://"):
		return fmt.Errorf("issuer: %q is no URL", c.Issuer)
	case c.Registration == Static && c.Client == nil:
		return errors.New("client: static registration needs one")
	}
	if len(c.People) == 0 {
		c.People = []map[string]string{{}}
	}
	for i, step := range c.Steps {
		if err := step.check(); err != nil {
			return fmt.Errorf("browser: step %d: %w", i+1, err)
		}
	}
	return nil
}

// Roots are the system's certificates and those in a PEM file, if one is named.
func Roots(ca string) (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if ca == "" {
		return roots, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca: no certificate in %s", ca)
	}
	return roots, nil
}

// ParseJWKS reads a JWK Set of a configuration, which may stand there as text or as
// YAML; nil is no key.
func ParseJWKS(jwks any) (set jose.JSONWebKeySet, err error) {
	if jwks == nil {
		return set, nil
	}
	text, ok := jwks.(string)
	if !ok {
		raw, err := json.Marshal(jwks)
		if err != nil {
			return set, fmt.Errorf("jwks: %w", err)
		}
		text = string(raw)
	}
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&set); err != nil {
		return set, fmt.Errorf("jwks: %w", err)
	}
	return set, nil
}

// certificate reads the client's certificate, nil if it has none.
func (s *StaticClient) certificate() (*tls.Certificate, error) {
	if s.Certificate == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(s.Certificate, s.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate of client %q: %w", s.ID, err)
	}
	return &pair, nil
}
