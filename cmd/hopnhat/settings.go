package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"hopnhat/keys"
)

const (
	day      = 24 * time.Hour
	maxBurst = 1_000_000_000
)

// address is host:port, as it is listened on.
func address(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not host:port", s)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("the port of %q is a number from 1 to 65535", s)
	}
	return nil
}

// siteNames are parts of a log's origin and of file names.
var siteNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func siteName(s string) error {
	if !siteNames.MatchString(s) {
		return fmt.Errorf("%q is not a name of letters, digits, dots, dashes and underscores, at most 63", s)
	}
	return nil
}

// originNames are names of a signed note's key: no space and no plus (C2SP
// signed-note, "Signatures").
var originNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}$`)

func originName(s string) error {
	if !originNames.MatchString(s) || strings.Contains(s, "//") || strings.HasSuffix(s, "/") {
		return fmt.Errorf("%q is not a name such as id.example.vn/release/dc1", s)
	}
	return nil
}

func onLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// vaultServers are URLs; a token goes to each, so plain HTTP is for loopback.
func vaultServers(s string) error {
	servers := fields(s)
	if len(servers) == 0 {
		return errors.New("it names no server")
	}
	for _, text := range servers {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
			return errors.New("each is https://host:port, without a name, a query or a fragment")
		case u.Scheme == "http" && !onLoopback(u.Hostname()):
			return fmt.Errorf("%s would carry Vault's token in the clear: use https", text)
		}
	}
	return nil
}

func signingAlgorithms(s string) error {
	all := fields(s)
	for i, alg := range all {
		switch {
		case !slices.Contains(keys.SigningAlgorithms, keys.Algorithm(alg)):
			return fmt.Errorf("%q is none of %v", alg, keys.SigningAlgorithms)
		case slices.Contains(all[:i], alg):
			return fmt.Errorf("%s is there twice", alg)
		}
	}
	if !slices.Contains(all, string(keys.ES256)) {
		return errors.New("ES256 must be one: it signs access tokens")
	}
	return nil
}

// bareHost is https://host or https://host:port.
func bareHost(s string) error {
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" || s != "https://"+u.Host {
		return fmt.Errorf("%q is not https://host or https://host:port", s)
	}
	return nil
}

func networkList(s string) error {
	_, err := networks(s)
	return err
}

func webPage(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && onLoopback(u.Hostname())) {
		return fmt.Errorf("%q is not the https address of a page", s)
	}
	return nil
}

// leastArgon2KiB is the memory that a password hash takes where strangers can reach
// the server (OWASP, Password Storage: Argon2id with 19 MiB, two passes, one lane).
const leastArgon2KiB = 19 << 10

// agree refuses values that are good alone and contradict each other.
func (c *config) agree() error {
	switch {
	case c.Idle > c.Absolute:
		return fmt.Errorf("session_idle is %s, more than session_absolute, %s", c.Idle, c.Absolute)
	case c.Grant < c.Access:
		return fmt.Errorf("grant_life is %s, less than access_token_life, %s", c.Grant, c.Access)
	case c.KeyOverlap < c.Access:
		return fmt.Errorf("key_overlap is %s, less than access_token_life, %s: tokens would outlive the key they are verified with", c.KeyOverlap, c.Access)
	case c.KeyRotateEvery <= c.JWKSCache+c.KeyOverlap:
		return errors.New("key_rotate_every must be more than jwks_cache and key_overlap together")
	case c.Argon2KiB < leastArgon2KiB && !c.loopbackIssuer():
		return fmt.Errorf("argon2_kib is %d; less than %d is for an issuer on a loopback host", c.Argon2KiB, leastArgon2KiB)
	case c.Registration == "open" && !c.loopbackIssuer():
		return fmt.Errorf("registration is open to anybody, which only an issuer on a loopback host may be, and %s is none", c.Issuer)
	case c.StatementIssuers != "" && c.Registration == "off":
		return errors.New("registration_statement_issuers is set, and registration is off")
	case c.MTLSAlias != "" && c.MTLSAlias == c.Issuer:
		return errors.New("mtls_issuer_alias is the issuer itself: it is another host, where clients are asked for certificates")
	case c.Keystore == "vault" && c.PassphraseFile != "":
		return errors.New("passphrase_file is of the keystore in files, and keystore is vault")
	}
	if c.Keystore == "vault" {
		return c.checkVault()
	}
	return nil
}

// checkVault refuses a Vault that cannot be entered, or in two ways at once.
func (c *config) checkVault() error {
	switch {
	case c.VaultAddress == "":
		return errors.New("vault_address is missing: say where Vault is")
	case (c.VaultTokenFile == "") == (c.VaultRoleID == ""):
		return errors.New("keystore is vault, which wants either vault_token_file, or vault_role_id with vault_secret_id_file")
	case (c.VaultRoleID == "") != (c.VaultSecretID == ""):
		return errors.New("vault_role_id and vault_secret_id_file go together")
	case c.VaultSecretIDWrapped && c.VaultSecretID == "":
		return errors.New("vault_secret_id_wrapped is of vault_secret_id_file, which is missing")
	}
	return nil
}

// check refuses what the server could not start with, before anything is opened: so
// a wrong file is said as such. The files are read as the server reads them.
func (c *config) check() error {
	_, err1 := c.certificate()
	_, err2 := c.clientCAs()
	_, err3 := c.statementIssuers()
	_, err4 := c.passphrase()
	var unread error
	for _, f := range []struct{ name, path string }{{"vault_ca", c.VaultCA}, {"vault_token_file", c.VaultTokenFile}, {"vault_secret_id_file", c.VaultSecretID}} {
		if f.path == "" || c.Keystore != "vault" {
			continue
		}
		if _, err := os.ReadFile(f.path); err != nil {
			unread = errors.Join(unread, fmt.Errorf("reading %s: %w", f.name, err))
		}
	}
	return errors.Join(err1, err2, err3, err4, unread)
}

// variable is the name of a key in the environment.
func variable(name string) string { return "HOPNHAT_" + strings.ToUpper(name) }

// knownVariables refuses a variable of ours that is none: a misspelt key would be
// left out in silence. Those of tests and benchmarks are theirs.
func (c *config) knownVariables(names []string) error {
	known := []string{"HOPNHAT_CONFIG"}
	for _, name := range c.names() {
		known = append(known, variable(name))
	}
	for _, name := range names {
		if strings.HasPrefix(name, "HOPNHAT_") && !slices.Contains(known, name) && !strings.HasPrefix(name, "HOPNHAT_TEST_") && !strings.HasPrefix(name, "HOPNHAT_BENCH_") {
			return fmt.Errorf("the variable %s is of no key%s; hopnhat config lists them all", name, meant(name, known))
		}
	}
	return nil
}

var configCommand = command{
	name: "config", summary: "Check the configuration as the server would, and print every key with its meaning and value", usage: "config [flags]",
	example: "hopnhat config --config /etc/hopnhat.yaml",
	run: func(_ context.Context, c command, e env, args []string) error {
		cfg, err := alone(c, e, args, nil)
		if err != nil {
			return err
		}
		fmt.Fprint(e.out, "# A file is named by --config or HOPNHAT_CONFIG; a variable overrides it, and a flag both. Passwords are not shown.\n")
		for _, s := range cfg.settings() {
			value, err := yaml.Marshal(s.get())
			if err != nil {
				return err
			}
			fmt.Fprintf(e.out, "# %s (%s)\n%s: %s", s.meaning, variable(s.name), s.name, value)
		}
		return cfg.check()
	},
}
