package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"hopnhat/authz/provider"
)

// config is everything that can be set. A file is read first, the environment
// overrides it, flags override both.
type config struct {
	Issuer               string
	Listen               string
	State                string
	Database             string
	Registry             string
	Site                 string
	LogOrigin            string
	Keystore             string
	Keys                 string
	PassphraseFile       string
	VaultAddress         string
	VaultTokenFile       string
	VaultRoleID          string
	VaultSecretID        string // file
	VaultSecretIDWrapped bool
	VaultNamespace       string
	VaultCA              string
	SigningAlgs          string
	TLSCertificate       string // file
	TLSKey               string // file
	MTLSListen           string
	MTLSAlias            string
	MTLSClientCA         string // file
	TrustedProxies       string
	Registration         string
	RegistrationBurst    int
	StatementIssuers     string // file
	PolicyURI            string
	TermsURI             string
	LogLevel             string
	AccessLog            bool
	MetricsNetworks      string
	Idle                 time.Duration
	Absolute             time.Duration
	Access               time.Duration
	JWKSCache            time.Duration
	KeyOverlap           time.Duration
	KeyRotateEvery       time.Duration
	Grant                time.Duration
	AddressBurst         int
	Argon2KiB            int
	DatabaseConns        int
}

// setting is one key: its name in the file, its meaning, and where it goes. The
// variable in the environment is HOPNHAT_ and the name in capitals.
type setting struct {
	name    string
	meaning string
	set     func(text string) error
	get     func() string
}

func text(name, meaning string, into *string) setting {
	return setting{name, meaning, func(s string) error { *into = s; return nil }, func() string { return *into }}
}

func truth(name, meaning string, into *bool) setting {
	return setting{name, meaning, func(s string) (err error) { *into, err = strconv.ParseBool(s); return err }, func() string { return strconv.FormatBool(*into) }}
}

func duration(name, meaning string, into *time.Duration) setting {
	return setting{name, meaning, func(s string) (err error) { *into, err = time.ParseDuration(s); return err }, func() string { return into.String() }}
}

func number(name, meaning string, into *int) setting {
	return setting{name, meaning, func(s string) (err error) { *into, err = strconv.Atoi(s); return err }, func() string { return strconv.Itoa(*into) }}
}

// settings is the one place where every key stands with its meaning.
func (c *config) settings() []setting {
	return []setting{
		text("issuer", "issuer identifier: https URL of a host of its own, without path and trailing slash; http only on localhost", &c.Issuer),
		text("listen", "address to listen on, host:port", &c.Listen),
		text("state", "folder for everything that is not given elsewhere", &c.State),
		text("database", "PostgreSQL URL or SQLite file of identities, grants, consents and evidence", &c.Database),
		text("registry", "PostgreSQL URL or SQLite file of the national registers, with credentials of its own", &c.Registry),
		text("site", "name of this data centre, part of the log's origin", &c.Site),
		text("log_origin", "name of the release log in its checkpoints", &c.LogOrigin),
		text("keystore", "file, or vault for HashiCorp Vault Transit", &c.Keystore),
		text("keys", "folder of the file keystore", &c.Keys),
		text("passphrase_file", "file with the keystore's passphrase; without it a machine secret is made", &c.PassphraseFile),
		text("vault_address", "URL of Vault; of several servers of one cluster all, the nearest first, separated by commas", &c.VaultAddress),
		text("vault_token_file", "file with a Vault token that an agent keeps", &c.VaultTokenFile),
		text("vault_role_id", "AppRole role id, instead of a token", &c.VaultRoleID),
		text("vault_secret_id_file", "file with the AppRole secret id", &c.VaultSecretID),
		truth("vault_secret_id_wrapped", "the file holds a response-wrapping token that gives the secret id once: true or false", &c.VaultSecretIDWrapped),
		text("vault_namespace", "Vault namespace, if any", &c.VaultNamespace),
		text("vault_ca", "PEM file that Vault's certificate must chain to", &c.VaultCA),
		text("signing_algs", "algorithms of token keys, separated by commas; ES256 must be one", &c.SigningAlgs),
		text("tls_certificate", "PEM file with the server's certificate and its chain; read again when it changes; without it plain HTTP, for loopback or behind a proxy", &c.TLSCertificate),
		text("tls_key", "PEM file with the certificate's key", &c.TLSKey),
		text("mtls_listen", "address of a second listener, host:port, which asks clients for certificates (RFC 8705)", &c.MTLSListen),
		text("mtls_issuer_alias", "https URL under which clients reach mtls_listen, without path", &c.MTLSAlias),
		text("mtls_client_ca", "PEM file with the CAs that issue certificates of clients with tls_client_auth", &c.MTLSClientCA),
		text("trusted_proxies", "addresses and networks of our proxies, separated by commas; each adds to X-Forwarded-For whom it heard, and at mtls_listen sets Client-Cert (RFC 9440)", &c.TrustedProxies),
		text("registration", "how apps register themselves: off, iat (with an initial access token), or open, which a provider on a loopback host may be", &c.Registration),
		number("registration_burst", "registrations one address may make at once; one more each 3 s", &c.RegistrationBurst),
		text("registration_statement_issuers", "JSON file of who may make software statements: an object of issuers, each with its JWK Set", &c.StatementIssuers),
		text("op_policy_uri", "URL of how apps may use what they get, for the metadata", &c.PolicyURI),
		text("op_tos_uri", "URL of the terms apps agree to, for the metadata", &c.TermsURI),
		text("log_level", "debug, info, warn or error", &c.LogLevel),
		truth("access_log", "write a line for each answer: route, status, size, time and request id, nothing of the person: true or false", &c.AccessLog),
		text("metrics_networks", "addresses and networks that may read /metrics, separated by commas, beside this machine; a request that a proxy passed on may not", &c.MetricsNetworks),
		duration("session_idle", "a session ends after this time without use", &c.Idle),
		duration("session_absolute", "a session ends after this time in any case", &c.Absolute),
		duration("access_token_life", "life of access and ID tokens, at most 5m", &c.Access),
		duration("jwks_cache", "how long a new key is published before it signs; relying parties may cache the JWK Set for half of it", &c.JWKSCache),
		duration("key_overlap", "how long a key that signs no more stays published: no less than access_token_life", &c.KeyOverlap),
		duration("key_rotate_every", "age at which a key gets a successor", &c.KeyRotateEvery),
		duration("grant_life", "life of grants and their refresh tokens", &c.Grant),
		number("address_burst", "sign-in attempts one address may make at once; one more each 2 s", &c.AddressBurst),
		number("argon2_kib", "memory of one password hash, KiB", &c.Argon2KiB),
		number("database_conns", "connections to PostgreSQL; 0 takes four a core", &c.DatabaseConns),
	}
}

// defaults suit a laptop; paths below the state folder are filled in by finish.
func defaults() *config {
	return &config{
		Issuer: "http://localhost:8440", Listen: "127.0.0.1:8440", State: "state", Site: "dc1", Keystore: "file", SigningAlgs: "ES256,RS256",
		LogLevel: "info", Idle: 30 * time.Minute, Absolute: 12 * time.Hour, Access: 5 * time.Minute, Grant: 30 * 24 * time.Hour,
		JWKSCache: 10 * time.Minute, KeyOverlap: time.Hour, KeyRotateEvery: 30 * 24 * time.Hour,
		Registration: "iat", RegistrationBurst: 20, AddressBurst: 20, Argon2KiB: 19 << 10,
	}
}

func (c *config) find(name string) (setting, bool) {
	for _, s := range c.settings() {
		if s.name == name {
			return s, true
		}
	}
	return setting{}, false
}

func (c *config) names() []string {
	var names []string
	for _, s := range c.settings() {
		names = append(names, s.name)
	}
	return names
}

// readFile reads a YAML file of key: value lines; an unknown key is refused with
// the nearest known one.
func (c *config) readFile(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	var keys map[string]yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&keys); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the configuration %s: %w", path, err)
	}
	for key, node := range keys {
		s, ok := c.find(key)
		if !ok {
			return fmt.Errorf("%s line %d: there is no key %q; did you mean %q?", path, node.Line, key, nearest(key, c.names()))
		}
		if node.Kind != yaml.ScalarNode {
			return fmt.Errorf("%s line %d: %s takes one value", path, node.Line, key)
		}
		if err := s.set(node.Value); err != nil {
			return fmt.Errorf("%s line %d: %s: %w", path, node.Line, key, err)
		}
	}
	return nil
}

// configFlags adds a flag for every key and returns what reads all three sources
// in their order.
func (c *config) configFlags(f *flag.FlagSet) (load func(e env) error) {
	path := f.String("config", "", "YAML `file` with any of the keys below")
	given := map[string]string{}
	for _, s := range c.settings() {
		f.Func(strings.ReplaceAll(s.name, "_", "-"), s.meaning+" (default "+s.get()+")", func(v string) error { given[s.name] = v; return nil })
	}
	return func(e env) error {
		file := *path
		if file == "" {
			file, _ = e.lookup("HOPNHAT_CONFIG")
		}
		if file != "" {
			if err := c.readFile(file); err != nil {
				return err
			}
		}
		for _, s := range c.settings() {
			name := "HOPNHAT_" + strings.ToUpper(s.name)
			if v, ok := e.lookup(name); ok {
				if err := s.set(v); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			if v, ok := given[s.name]; ok {
				if err := s.set(v); err != nil {
					return fmt.Errorf("--%s: %w", strings.ReplaceAll(s.name, "_", "-"), err)
				}
			}
		}
		return c.finish()
	}
}

// finish fills in what follows from the state folder, and refuses what cannot be.
func (c *config) finish() error {
	for _, p := range []struct {
		field *string
		name  string
	}{{&c.Database, "hopnhat.db"}, {&c.Registry, "registry.db"}, {&c.Keys, "keys"}} {
		if *p.field == "" {
			*p.field = filepath.Join(c.State, p.name)
		}
	}
	if c.LogOrigin == "" {
		host := strings.TrimPrefix(strings.TrimPrefix(c.Issuer, "https://"), "http://")
		c.LogOrigin = strings.ReplaceAll(host, ":", "-") + "/release/" + c.Site
	}
	if err := provider.CheckIssuer(c.Issuer); err != nil {
		return err
	}
	if err := c.checkTLS(); err != nil {
		return err
	}
	if c.Access <= 0 || c.Access > 5*time.Minute {
		return errors.New("access_token_life must be more than 0 and at most 5m")
	}
	switch {
	case c.JWKSCache <= 0:
		return errors.New("jwks_cache must be more than 0: a key is published before it signs")
	case c.KeyOverlap < c.Access:
		return fmt.Errorf("key_overlap is %s, less than access_token_life, %s: tokens would outlive the key they are verified with", c.KeyOverlap, c.Access)
	case c.KeyRotateEvery <= c.JWKSCache+c.KeyOverlap:
		return errors.New("key_rotate_every must be more than jwks_cache and key_overlap together")
	case c.Keystore != "file" && c.Keystore != "vault":
		return fmt.Errorf("keystore is file or vault, not %q", c.Keystore)
	case c.Keystore == "vault" && (c.VaultAddress == "" || (c.VaultTokenFile == "") == (c.VaultRoleID == "")):
		return errors.New("keystore vault needs vault_address, and either vault_token_file or vault_role_id with vault_secret_id_file")
	}
	switch {
	case !slices.Contains([]string{"off", "iat", "open"}, c.Registration):
		return fmt.Errorf("registration is off, iat or open, not %q", c.Registration)
	case c.Registration == "open" && !c.loopbackIssuer():
		return fmt.Errorf("registration is open to anybody, which only an issuer on a loopback host may be, and %s is none", c.Issuer)
	}
	if _, err := c.proxies(); err != nil {
		return err
	}
	if _, err := networks("metrics_networks", c.MetricsNetworks); err != nil {
		return err
	}
	if !strings.Contains(","+c.SigningAlgs+",", ",ES256,") {
		return errors.New("signing_algs must contain ES256, which signs access tokens")
	}
	return nil
}

// networks reads a list of addresses and networks; a single address is a network of
// one.
func networks(name, list string) (out []netip.Prefix, err error) {
	for _, text := range fields(list) {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			one, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %q is neither an address nor a network such as 10.0.0.0/8", name, text)
			}
			network = netip.PrefixFrom(one, one.BitLen())
		}
		out = append(out, network.Masked())
	}
	return out, nil
}

// proxies are those of trusted_proxies.
func (c *config) proxies() ([]netip.Prefix, error) {
	return networks("trusted_proxies", c.TrustedProxies)
}

var configCommand = command{
	name: "config", summary: "Print every configuration key with its meaning and value", usage: "config [flags]",
	example: "hopnhat config --config /etc/hopnhat.yaml",
	run: func(_ context.Context, c command, e env, args []string) error {
		cfg, _, err := begin(c, e, args, nil)
		if err != nil {
			return err
		}
		for _, s := range cfg.settings() {
			fmt.Fprintf(e.out, "# %s (HOPNHAT_%s)\n%s: %s\n", s.meaning, strings.ToUpper(s.name), s.name, s.get())
		}
		return nil
	},
}
