package node

import (
	"errors"
	"fmt"
	"net"
	"os"

	"hopnhat/authz/consent"
	"hopnhat/authz/registration"
	"hopnhat/cmd/node/federating"
	"hopnhat/cmd/node/provincial"
	"hopnhat/cmd/node/registering"
	"hopnhat/cmd/node/releaselog"
	"hopnhat/cmd/node/upstreaming"
	"hopnhat/web"
)

// leastArgon2KiB is the memory that a password hash takes where strangers can reach
// the server (OWASP, Password Storage: Argon2id with 19 MiB, two passes, one lane).
const leastArgon2KiB = 19 << 10

// agree refuses values that are good alone and contradict each other.
func (c *Config) agree() error {
	roles, err := Roles(c.Roles)
	switch {
	case err != nil:
		return fmt.Errorf("roles: %w", err)
	case len(roles) == 1 && roles[0] == web.LogWriter && c.LogListen == "":
		return errors.New("roles is log alone, for other nodes of the site: set log_listen, where they reach it")
	}
	switch {
	case c.SessionIdle > c.SessionAbsolute:
		return fmt.Errorf("session_idle is %s, more than session_absolute, %s", c.SessionIdle, c.SessionAbsolute)
	case c.GrantLife < c.AccessTokenLife:
		return fmt.Errorf("grant_life is %s, less than access_token_life, %s", c.GrantLife, c.AccessTokenLife)
	case c.KeyOverlap < c.AccessTokenLife:
		return fmt.Errorf("key_overlap is %s, less than access_token_life, %s: tokens would outlive the key they are verified with", c.KeyOverlap, c.AccessTokenLife)
	case c.KeyRotateEvery <= c.JWKSCache+c.KeyOverlap:
		return errors.New("key_rotate_every must be more than jwks_cache and key_overlap together")
	case c.Argon2KiB < leastArgon2KiB && !c.LoopbackIssuer():
		return fmt.Errorf("argon2_kib is %d; less than %d is for an issuer on a loopback host", c.Argon2KiB, leastArgon2KiB)
	case c.Registration == "open" && !c.LoopbackIssuer():
		return fmt.Errorf("registration is open to anybody, which only an issuer on a loopback host may be, and %s is none", c.Issuer)
	case c.RegistrationStatementIssuers != "" && c.Registration == "off":
		return errors.New("registration_statement_issuers is set, and registration is off")
	case c.MTLSIssuerAlias != "" && c.MTLSIssuerAlias == c.Issuer:
		return errors.New("mtls_issuer_alias is the issuer itself: it is another host, where clients are asked for certificates")
	case c.LogAddress != "" && c.LogListen == "":
		return errors.New("log_address says where log_listen is reached, and log_listen is missing")
	case c.RegionalProvider != "" && anyOf(roles, []web.Role{web.Broker}):
		return errors.New("regional_provider is set, and roles has broker: the provider of a province releases nothing; set roles to provider,portal,log,federation")
	case c.RegionalProvider != "" && c.RegionalChoices != "":
		return errors.New("regional_provider and regional_choices are both set: a server is the provider of a province, or the centre")
	case everyAddress(c.LogAddress):
		return fmt.Errorf("log_listen is %s, which says nothing to the other nodes of the site: say in log_address where they reach it", c.LogListen)
	case c.Keystore == "vault" && c.PassphraseFile != "":
		return errors.New("passphrase_file is of the keystore in files, and keystore is vault")
	}
	if c.Keystore == "vault" {
		return c.CheckVault()
	}
	return nil
}

// everyAddress reports whether an address to listen on is every one of the machine.
func everyAddress(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// CheckVault refuses a Vault that cannot be entered, or in two ways at once.
func (c *Config) CheckVault() error {
	switch {
	case c.VaultAddress == "":
		return errors.New("vault_address is missing: say where Vault is")
	case (c.VaultTokenFile == "") == (c.VaultRoleID == ""):
		return errors.New("keystore is vault, which wants either vault_token_file, or vault_role_id with vault_secret_id_file")
	case (c.VaultRoleID == "") != (c.VaultSecretIDFile == ""):
		return errors.New("vault_role_id and vault_secret_id_file go together")
	case c.VaultSecretIDWrapped && c.VaultSecretIDFile == "":
		return errors.New("vault_secret_id_wrapped is of vault_secret_id_file, which is missing")
	}
	return nil
}

// CheckFiles refuses what the server could not start with, before anything is opened: so
// a wrong file is said as such. The files are read as the server reads them.
func (c *Config) CheckFiles() error {
	_, err1 := c.certificate()
	_, err2 := c.clientCAs()
	_, err3 := registration.ReadIssuers(c.RegistrationStatementIssuers)
	_, err4 := c.passphrase()
	_, err5 := releaselog.ReadWitnesses(c.LogWitnesses, c.LogWitnessesWanted, c.LoopbackIssuer())
	_, err6 := releaselog.ReadAnchors(c.LogAnchor)
	_, err7 := federating.Read(c.FederationEntity, c.Issuer)
	_, err8 := registering.ReadRules(c.FederationApps, registration.Rules{Catalogue: consent.Load(), Loopback: c.LoopbackIssuer()})
	_, err9 := provincial.Read(c.RegionalProvider, c.FederationEntity, c.Issuer)
	_, err10 := upstreaming.Read(c.Upstreams, c.Issuer, c.LoopbackIssuer())
	_, err11 := provincial.ReadProviders(c.RegionalChoices, c.FederationEntity, c.Issuer)
	var unread error
	for _, f := range []struct{ name, path string }{{"vault_ca", c.VaultCA}, {"vault_token_file", c.VaultTokenFile}, {"vault_secret_id_file", c.VaultSecretIDFile}} {
		if f.path == "" || c.Keystore != "vault" {
			continue
		}
		if _, err := os.ReadFile(f.path); err != nil {
			unread = errors.Join(unread, fmt.Errorf("reading %s: %w", f.name, err))
		}
	}
	return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11, unread)
}

// OnLoopback reports whether a host is this machine.
func OnLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
