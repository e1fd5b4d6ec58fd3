package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"hopnhat/authz/provider"
	"hopnhat/cmd/node"
	"hopnhat/store/sqldb"
)

// config is the configuration of a node, and the table that fills it. A file is read
// first, the environment overrides it, flags override both.
type config struct{ node.Config }

// defaults suit a laptop.
func defaults() *config { return &config{node.Defaults()} }

// setting is one key: its name in the file, its meaning, and where it goes. The
// variable in the environment is HOPNHAT_ and the name in capitals.
type setting struct {
	name    string
	meaning string
	// set reads a value, and refuses one that cannot be meant whatever the others say.
	set func(text string) error
	// get shows the value, without passwords.
	get func() string
}

// text is free; check, where there is one, says what is wrong with it. Empty takes
// what the rest of the configuration leads to.
func text(name, meaning string, into *string, check func(string) error) setting {
	return setting{name, meaning, func(s string) error {
		if strings.ContainsFunc(s, unicode.IsControl) {
			return errors.New("it has a control character")
		}
		if s != "" && check != nil {
			if err := check(s); err != nil {
				return err
			}
		}
		*into = s
		return nil
	}, func() string { return *into }}
}

// needed is text that may not be empty.
func needed(name, meaning string, into *string, check func(string) error) setting {
	s := text(name, meaning, into, check)
	set := s.set
	s.set = func(text string) error {
		if strings.TrimSpace(text) == "" {
			return errors.New("it is empty")
		}
		return set(text)
	}
	return s
}

// database is the address of one, shown without its password.
func database(name, meaning string, into *string) setting {
	s := text(name, meaning, into, sqldb.Check)
	s.get = func() string {
		if *into == "" {
			return ""
		}
		return sqldb.Redacted(*into)
	}
	return s
}

func choice(name, meaning string, into *string, of ...string) setting {
	return needed(name, meaning, into, func(s string) error {
		if !slices.Contains(of, s) {
			return fmt.Errorf("it is one of %s, not %q", strings.Join(of, ", "), s)
		}
		return nil
	})
}

func truth(name, meaning string, into *bool) setting {
	return setting{name, meaning, func(s string) (err error) {
		if *into, err = strconv.ParseBool(s); err != nil {
			return fmt.Errorf("it is true or false, not %q", s)
		}
		return nil
	}, func() string { return strconv.FormatBool(*into) }}
}

func duration(name, meaning string, into *time.Duration, least, most time.Duration) setting {
	return setting{name, meaning, func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("it is a time such as 90s, 15m or 720h, not %q", s)
		}
		if d < least || d > most {
			return fmt.Errorf("it is at least %s and at most %s, not %s", least, most, d)
		}
		*into = d
		return nil
	}, func() string { return into.String() }}
}

func number(name, meaning string, into *int, least, most int) setting {
	return setting{name, meaning, func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("it is a whole number, not %q", s)
		}
		if n < least || n > most {
			return fmt.Errorf("it is at least %d and at most %d, not %d", least, most, n)
		}
		*into = n
		return nil
	}, func() string { return strconv.Itoa(*into) }}
}

// settings is the one place where every key stands with its meaning.
func (c *config) settings() []setting {
	return []setting{
		needed("issuer", "issuer identifier: https URL of a host of its own, without path and trailing slash; http only on localhost", &c.Issuer, provider.CheckIssuer),
		needed("listen", "address to listen on, host:port", &c.Listen, address),
		needed("state", "folder for everything that is not given elsewhere", &c.State, nil),
		database("database", "PostgreSQL URL or SQLite file of identities, grants, consents and evidence; PgBouncer may stand in between, in any mode", &c.Database),
		database("registry", "PostgreSQL URL or SQLite file of the national registers, with credentials of its own", &c.Registry),
		needed("site", "name of this node's site, part of the log's origin; one node serves a site, a second one is refused at its start", &c.Site, siteName),
		text("log_origin", "name of the release log in its checkpoints", &c.LogOrigin, originName),
		choice("keystore", "file, or vault for HashiCorp Vault Transit", &c.Keystore, "file", "vault"),
		text("keys", "folder of the file keystore", &c.Keys, nil),
		text("passphrase_file", "file with the keystore's passphrase, which may not be empty; without this key a machine secret is made", &c.PassphraseFile, nil),
		text("vault_address", "URL of Vault; of several servers of one cluster all, the nearest first, separated by commas", &c.VaultAddress, vaultServers),
		text("vault_token_file", "file with a Vault token that an agent keeps", &c.VaultTokenFile, nil),
		text("vault_role_id", "AppRole role id, instead of a token", &c.VaultRoleID, nil),
		text("vault_secret_id_file", "file with the AppRole secret id", &c.VaultSecretIDFile, nil),
		truth("vault_secret_id_wrapped", "the file holds a response-wrapping token that gives the secret id once: true or false", &c.VaultSecretIDWrapped),
		text("vault_namespace", "Vault namespace, if any", &c.VaultNamespace, nil),
		text("vault_ca", "PEM file that Vault's certificate must chain to", &c.VaultCA, nil),
		needed("signing_algs", "algorithms of token keys, separated by commas; ES256 must be one", &c.SigningAlgs, signingAlgorithms),
		text("tls_certificate", "PEM file with the server's certificate and its chain; read again when it changes; without it plain HTTP, for loopback or behind a proxy", &c.TLSCertificate, nil),
		text("tls_key", "PEM file with the certificate's key", &c.TLSKey, nil),
		text("mtls_listen", "address of a second listener, host:port, which asks clients for certificates (RFC 8705)", &c.MTLSListen, address),
		text("mtls_issuer_alias", "https URL under which clients reach mtls_listen, without path", &c.MTLSIssuerAlias, bareHost),
		text("mtls_client_ca", "PEM file with the CAs that issue certificates of clients with tls_client_auth", &c.MTLSClientCA, nil),
		text("trusted_proxies", "addresses and networks of our proxies, separated by commas; each adds to X-Forwarded-For whom it heard, and at mtls_listen sets Client-Cert (RFC 9440)", &c.TrustedProxies, networkList),
		choice("registration", "how apps register themselves: off, iat (with an initial access token), or open, which a provider on a loopback host may be", &c.Registration, "off", "iat", "open"),
		number("registration_burst", "registrations one address may make at once; one more each 3 s", &c.RegistrationBurst, 1, maxBurst),
		text("registration_statement_issuers", "JSON file of who may make software statements: an object of issuers, each with its JWK Set", &c.RegistrationStatementIssuers, nil),
		text("op_policy_uri", "URL of how apps may use what they get, for the metadata", &c.OPPolicyURI, webPage),
		text("op_tos_uri", "URL of the terms apps agree to, for the metadata", &c.OPTosURI, webPage),
		choice("log_level", "debug, info, warn or error", &c.LogLevel, "debug", "info", "warn", "error"),
		truth("access_log", "write a line at level info for each answer: route, status, size, time and request id, nothing of the person: true or false", &c.AccessLog),
		text("metrics_networks", "addresses and networks that may read /metrics, separated by commas, beside this machine; a request that a proxy passed on may not", &c.MetricsNetworks, networkList),
		duration("session_idle", "a session ends after this time without use", &c.SessionIdle, time.Minute, 30*day),
		duration("session_absolute", "a session ends after this time in any case", &c.SessionAbsolute, time.Minute, 30*day),
		duration("access_token_life", "life of access and ID tokens, at most 5m", &c.AccessTokenLife, time.Second, 5*time.Minute),
		duration("jwks_cache", "how long a new key is published before it signs; relying parties may cache the JWK Set for half of it", &c.JWKSCache, 2*time.Second, 7*day),
		duration("key_overlap", "how long a key that signs no more stays published: no less than access_token_life", &c.KeyOverlap, time.Second, 366*day),
		duration("key_rotate_every", "age at which a key gets a successor", &c.KeyRotateEvery, time.Minute, 10*366*day),
		duration("grant_life", "life of grants and their refresh tokens", &c.GrantLife, time.Minute, 10*366*day),
		number("address_burst", "sign-in attempts one address may make at once; one more each 2 s", &c.AddressBurst, 1, maxBurst),
		number("argon2_kib", "memory of one password hash, KiB", &c.Argon2KiB, 64, 1<<20),
		number("database_conns", "connections to PostgreSQL; 0 takes four a core", &c.DatabaseConns, 0, 10_000),
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
			return fmt.Errorf("%s line %d: there is no key %q%s; hopnhat config lists them all", path, node.Line, key, meant(key, c.names()))
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

// defaultOf says a flag's default, where it has one.
func defaultOf(value string) string {
	if value == "" {
		return ""
	}
	return " (default " + value + ")"
}

// configFlags adds a flag for every key and returns what reads all three sources
// in their order.
func (c *config) configFlags(f *flag.FlagSet) (load func(e env) error) {
	path := f.String("config", "", "YAML `file` with any of the keys below; without it the file that the variable HOPNHAT_CONFIG names")
	given := map[string]string{}
	for _, s := range c.settings() {
		f.Func(strings.ReplaceAll(s.name, "_", "-"), s.meaning+defaultOf(s.get()), func(v string) error { given[s.name] = v; return nil })
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
		if err := c.knownVariables(e.names); err != nil {
			return err
		}
		for _, s := range c.settings() {
			name := variable(s.name)
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
		c.wayIn(given)
		return c.Complete()
	}
}

// wayIn lets the way into Vault that flags name stand in the place of the node's in
// the file: a person works with the node's configuration, and a token of her own.
func (c *config) wayIn(given map[string]string) {
	switch {
	case given["vault_token_file"] != "" && given["vault_role_id"] == "":
		c.VaultRoleID, c.VaultSecretIDFile, c.VaultSecretIDWrapped = "", "", false
	case given["vault_role_id"] != "" && given["vault_token_file"] == "":
		c.VaultTokenFile = ""
	}
}
