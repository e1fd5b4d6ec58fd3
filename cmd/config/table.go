package config

import (
	"slices"
	"strings"
	"time"

	"hopnhat/authz/provider"
	"hopnhat/cmd/node"
	"hopnhat/keys"
	"hopnhat/store/sqldb"
)

const (
	day      = 24 * time.Hour
	maxBurst = 1_000_000_000
)

// Sets of readers: a server, also that of the demonstration; those that open the database,
// and those that open the keys.
var (
	server    = []Reader{Server}
	openers   = []Reader{Server, Demo, Init, Clients, Resource, Accounts, Keys, Audit, Log, Federation}
	keyrings  = []Reader{Server, Init, Clients, Resource, Accounts, Keys, Vault, Audit, Log, Federation}
	everybody = []Reader{Server, Demo, Init, Migrate, Registry, Clients, Resource, Accounts, Keys, Vault, Audit, Log, Federation}
	ledgers   = []Reader{Server, Audit, Log, Federation}
	writers   = []Reader{Server, Clients, Resource, Accounts, Keys, Audit, Log, Federation} // of the log
)

// Table is every key of the configuration.
var Table = []Key{
	{"issuer", required(text("URL", "https://host without path and trailing slash; http only on localhost", provider.CheckIssuer)), Public, []Reader{Server, Clients, Resource, Audit, Log, Federation}, "issuer identifier: https URL of a host of its own, without path and trailing slash; http only on localhost", func(c *node.Config) any { return &c.Issuer }},
	{"listen", required(text("address", "host:port", address)), Public, server, "address to listen on, host:port", func(c *node.Config) any { return &c.Listen }},
	{"roles", required(text("list of roles", "of provider, broker, portal, log and federation, separated by commas", roleList)), Public, server, "what this node does, separated by commas: provider (sign-in, consent, tokens), broker (releases), portal (pages of citizens, auditors and operators), log (writes the release log), federation (what an entity of a federation publishes, see federation_entity); it answers 421 for the rest", func(c *node.Config) any { return &c.Roles }},
	{"state", required(path("folder")), Public, everybody, "folder for everything that is not given elsewhere", func(c *node.Config) any { return &c.State }},
	{"database", text("database", "postgres:// URL or the path of a SQLite file", sqldb.Check), Password, append(slices.Clone(openers), Migrate), "PostgreSQL URL or SQLite file of identities, grants, consents and evidence; PgBouncer may stand in between, in any mode", func(c *node.Config) any { return &c.Database }},
	{"registry", text("database", "postgres:// URL or the path of a SQLite file", sqldb.Check), Password, []Reader{Server, Demo, Migrate, Registry, Accounts}, "PostgreSQL URL or SQLite file of the national registers, with credentials of its own", func(c *node.Config) any { return &c.Registry }},
	{"site", required(text("name", "1 to 63 letters, digits, dots, dashes and underscores", siteName)), Public, openers, "name of this node's site, part of the log's origin; nodes of one site write one release log, see log_listen", func(c *node.Config) any { return &c.Site }},
	{"log_origin", text("name", "a name such as id.example.vn/release/dc1", originName), Public, ledgers, "name of the release log in its checkpoints", func(c *node.Config) any { return &c.LogOrigin }},
	{"log_folder", path("folder"), Public, ledgers, "folder of the release log; a node that takes over and has the same folder goes on with its shard", func(c *node.Config) any { return &c.LogFolder }},
	{"log_anchor", path("file"), Public, writers, "file with checkpoints of the release log and of the consent log that were kept elsewhere, one behind the other: a log that does not hold their trees is not written; see docs/ledger.md", func(c *node.Config) any { return &c.LogAnchor }},
	{"log_listen", text("address", "host:port", address), Public, server, "address to listen on, host:port, for the other nodes of the site, which append to the release log that this one writes; a node with it takes over when the writer is gone", func(c *node.Config) any { return &c.LogListen }},
	{"log_address", text("address", "host:port", address), Public, server, "host:port under which the other nodes of the site reach log_listen; without it log_listen", func(c *node.Config) any { return &c.LogAddress }},
	{"log_witnesses", path("file"), Public, server, "file of witnesses of the release log and the consent log (C2SP tlog-witness): a line each with verifier key and https URL; the node that writes the log has them cosign its checkpoints", func(c *node.Config) any { return &c.LogWitnesses }},
	{"log_witnesses_wanted", number(1, 16), Public, server, "how many of the witnesses have to cosign a checkpoint before proofs carry it", func(c *node.Config) any { return &c.LogWitnessesWanted }},
	{"keystore", choice("file", "vault"), Public, keyrings, "file, or vault for HashiCorp Vault Transit", func(c *node.Config) any { return &c.Keystore }},
	{"keys", path("folder"), Public, keyrings, "folder of the file keystore", func(c *node.Config) any { return &c.Keys }},
	{"passphrase_file", path("file"), OfSecret, keyrings, "file with the keystore's passphrase, which may not be empty; without this key a machine secret is made", func(c *node.Config) any { return &c.PassphraseFile }},
	{"vault_address", text("list of URLs", "https://host:port, separated by commas; http only on loopback", vaultServers), Public, keyrings, "URL of Vault; of several servers of one cluster all, the nearest first, separated by commas", func(c *node.Config) any { return &c.VaultAddress }},
	{"vault_token_file", path("file"), OfSecret, keyrings, "file with a Vault token that an agent keeps", func(c *node.Config) any { return &c.VaultTokenFile }},
	{"vault_role_id", text("name", "a role id", nil), Public, keyrings, "AppRole role id, instead of a token", func(c *node.Config) any { return &c.VaultRoleID }},
	{"vault_secret_id_file", path("file"), OfSecret, keyrings, "file with the AppRole secret id", func(c *node.Config) any { return &c.VaultSecretIDFile }},
	{"vault_secret_id_wrapped", truth(), Public, keyrings, "the file holds a response-wrapping token that gives the secret id once: true or false", func(c *node.Config) any { return &c.VaultSecretIDWrapped }},
	{"vault_namespace", text("name", "a namespace", nil), Public, keyrings, "Vault namespace, if any", func(c *node.Config) any { return &c.VaultNamespace }},
	{"vault_ca", path("file"), Public, keyrings, "PEM file that Vault's certificate must chain to", func(c *node.Config) any { return &c.VaultCA }},
	{"signing_algs", required(text("list of algorithms", strings.Join(algorithms(), ", ")+", separated by commas; ES256 must be one", signingAlgorithms)), Public, keyrings, "algorithms of token keys, separated by commas; ES256 must be one", func(c *node.Config) any { return &c.SigningAlgs }},
	{"tls_certificate", path("file"), Public, server, "PEM file with the server's certificate and its chain; read again when it changes; without it plain HTTP, for loopback or behind a proxy", func(c *node.Config) any { return &c.TLSCertificate }},
	{"tls_key", path("file"), OfSecret, server, "PEM file with the certificate's key", func(c *node.Config) any { return &c.TLSKey }},
	{"mtls_listen", text("address", "host:port", address), Public, server, "address of a second listener, host:port, which asks clients for certificates (RFC 8705)", func(c *node.Config) any { return &c.MTLSListen }},
	{"mtls_issuer_alias", text("URL", "https://host or https://host:port", bareHost), Public, server, "https URL under which clients reach mtls_listen, without path", func(c *node.Config) any { return &c.MTLSIssuerAlias }},
	{"mtls_client_ca", path("file"), Public, server, "PEM file with the CAs that issue certificates of clients with tls_client_auth", func(c *node.Config) any { return &c.MTLSClientCA }},
	{"trusted_proxies", text("list of networks", "addresses and networks such as 10.0.0.0/8, separated by commas", networkList), Public, server, "addresses and networks of our proxies, separated by commas; each adds to X-Forwarded-For whom it heard, and at mtls_listen sets Client-Cert (RFC 9440)", func(c *node.Config) any { return &c.TrustedProxies }},
	{"registration", choice("off", "iat", "open"), Public, server, "how apps register themselves: off, iat (with an initial access token), or open, which a provider on a loopback host may be", func(c *node.Config) any { return &c.Registration }},
	{"registration_burst", number(1, maxBurst), Public, server, "registrations one address may make at once; one more each 3 s", func(c *node.Config) any { return &c.RegistrationBurst }},
	{"federation_entity", path("file"), Public, []Reader{Server, Federation}, "JSON file of what this server is in a federation (OpenID Federation 1.0): its name, its superiors, whether it has subordinates, its trust marks; without it, it is in none", func(c *node.Config) any { return &c.FederationEntity }},
	{"federation_burst", number(1, maxBurst), Public, server, "requests one address may make at once to the endpoints of a federation; a hundred more each second", func(c *node.Config) any { return &c.FederationBurst }},
	{"regional_provider", path("file"), Public, server, "JSON file of the province that this server is the provider of, which goes on when the centre is out of reach: see docs/cutoff.md", func(c *node.Config) any { return &c.RegionalProvider }},
	{"regional_choices", path("file"), Public, server, "JSON file of the providers of provinces that people may choose, which are handed what those people sign in with: see docs/cutoff.md", func(c *node.Config) any { return &c.RegionalChoices }},
	{"registration_statement_issuers", path("file"), Public, server, "JSON file of who may make software statements: an object of issuers, each with its JWK Set", func(c *node.Config) any { return &c.RegistrationStatementIssuers }},
	{"federation_apps", path("file"), Public, server, "JSON file of trust anchors with their keys, and of what apps may do that one of them vouches for: see docs/federation.md", func(c *node.Config) any { return &c.FederationApps }},
	{"upstreams", path("file"), Public, server, "JSON file of other providers by which people sign in: see docs/upstream.md", func(c *node.Config) any { return &c.Upstreams }},
	{"op_policy_uri", text("URL", "https URL of a page", webPage), Public, server, "URL of how apps may use what they get, for the metadata", func(c *node.Config) any { return &c.OPPolicyURI }},
	{"op_tos_uri", text("URL", "https URL of a page", webPage), Public, server, "URL of the terms apps agree to, for the metadata", func(c *node.Config) any { return &c.OPTosURI }},
	{"log_level", choice("debug", "info", "warn", "error"), Public, []Reader{Server, Demo}, "debug, info, warn or error", func(c *node.Config) any { return &c.LogLevel }},
	{"access_log", truth(), Public, server, "write a line at level info for each answer: route, status, size, time and request id, nothing of the person: true or false", func(c *node.Config) any { return &c.AccessLog }},
	{"metrics_networks", text("list of networks", "addresses and networks such as 10.0.0.0/8, separated by commas", networkList), Public, server, "addresses and networks that may read /metrics, separated by commas, beside this machine; a request that a proxy passed on may not", func(c *node.Config) any { return &c.MetricsNetworks }},
	{"session_idle", duration(time.Minute, 30*day), Public, server, "a session ends after this time without use", func(c *node.Config) any { return &c.SessionIdle }},
	{"session_absolute", duration(time.Minute, 30*day), Public, server, "a session ends after this time in any case", func(c *node.Config) any { return &c.SessionAbsolute }},
	{"access_token_life", duration(time.Second, 5*time.Minute), Public, server, "life of access and ID tokens, at most 5m", func(c *node.Config) any { return &c.AccessTokenLife }},
	{"jwks_cache", duration(2*time.Second, 7*day), Public, []Reader{Server, Keys}, "how long a new key is published before it signs; relying parties may cache the JWK Set for half of it", func(c *node.Config) any { return &c.JWKSCache }},
	{"key_overlap", duration(time.Second, 366*day), Public, []Reader{Server, Keys}, "how long a key that signs no more stays published: no less than access_token_life", func(c *node.Config) any { return &c.KeyOverlap }},
	{"key_rotate_every", duration(time.Minute, 10*366*day), Public, []Reader{Server, Keys, Vault}, "age at which a key gets a successor", func(c *node.Config) any { return &c.KeyRotateEvery }},
	{"grant_life", duration(time.Minute, 10*366*day), Public, server, "life of grants and their refresh tokens", func(c *node.Config) any { return &c.GrantLife }},
	{"address_burst", number(1, maxBurst), Public, server, "sign-in attempts one address may make at once; one more each 2 s", func(c *node.Config) any { return &c.AddressBurst }},
	{"argon2_kib", number(64, 1<<20), Public, []Reader{Server, Accounts}, "memory of one password hash, KiB", func(c *node.Config) any { return &c.Argon2KiB }},
	{"reconcile_share", number(1, 100), Public, server, "share of one core, in percent, that the writer of the log takes to hold the evidence against it, all the time", func(c *node.Config) any { return &c.ReconcileShare }},
	{"database_conns", number(0, 10_000), Public, server, "connections to PostgreSQL; 0 takes four a core", func(c *node.Config) any { return &c.DatabaseConns }},
}

// follows says what a key is where nothing sets it and it has no default of its own, see
// [node.Config.Complete].
var follows = map[string]string{
	"database":   "hopnhat.db in the state folder",
	"registry":   "registry.db in the state folder",
	"log_origin": "the issuer's host, /release/ and the site",
	"log_folder": "tlog in the state folder",
	"keys":       "keys in the state folder",
}

func algorithms() (names []string) {
	for _, alg := range keys.OpenIDSignatures {
		names = append(names, string(alg))
	}
	return names
}

// find is the row of a key.
func find(name string) (Key, bool) {
	i := slices.IndexFunc(Table, func(k Key) bool { return k.Name == name })
	if i < 0 {
		return Key{}, false
	}
	return Table[i], true
}

// Names are all keys, in the order of the table.
func Names() (names []string) {
	for _, k := range Table {
		names = append(names, k.Name)
	}
	return names
}
