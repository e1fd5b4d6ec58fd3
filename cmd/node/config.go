package node

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hopnhat/keys"
)

// Config is everything that can be set of a node. Each field has the name of its key in
// the configuration: KeyOverlap is key_overlap. What a key means to operators, its range
// and its secrecy stand in the table of keys of cmd/hopnhat; what values must be together
// stands in [Config.Complete]. Fields that end in File, TLSCertificate, TLSKey,
// MTLSClientCA, VaultCA, RegistrationStatementIssuers, FederationEntity, RegionalProvider,
// RegionalChoices, FederationApps and Upstreams are paths of files.
type Config struct {
	// Who the node is and where it listens.
	Issuer string // issuer identifier (OpenID Connect Discovery §3)
	Listen string // host:port
	Roles  string // list of roles, see [Roles]
	Site   string // part of the log's origin and of each event
	State  string // folder of all files that are not named elsewhere

	// Databases: a PostgreSQL URL, or the path of a SQLite file.
	Database      string
	DatabaseConns int // 0 takes four a core
	Registry      string

	LogOrigin  string // name of the release log, without the shard
	LogFolder  string // folder of its shards
	LogAnchor  string // file of checkpoints that were kept elsewhere
	LogListen  string // host:port for the other nodes of the site
	LogAddress string // host:port under which they reach it

	LogWitnesses       string // file of witnesses of the log
	LogWitnessesWanted int    // how many of them have to cosign

	FederationEntity string // file of what this server is in a federation
	RegionalProvider string // file of the province that this server is the provider of
	RegionalChoices  string // file of the provinces that people may choose
	FederationBurst  int    // requests to its endpoints by one address at once
	Upstreams        string // file of other providers by which people sign in

	// Keys.
	Keystore             string // file or vault
	Keys                 string // folder of the file keystore
	PassphraseFile       string // empty: a machine secret stands for the passphrase
	VaultAddress         string // list of URLs
	VaultTokenFile       string
	VaultRoleID          string
	VaultSecretIDFile    string
	VaultSecretIDWrapped bool
	VaultNamespace       string
	VaultCA              string
	SigningAlgs          string // list of algorithms of token keys
	JWKSCache            time.Duration
	KeyOverlap           time.Duration
	KeyRotateEvery       time.Duration
	// Transport.
	TLSCertificate  string
	TLSKey          string
	MTLSListen      string // host:port of the listener that asks for certificates (RFC 8705)
	MTLSIssuerAlias string
	MTLSClientCA    string
	TrustedProxies  string // list of addresses and networks
	// Registration of apps by themselves (RFC 7591).
	Registration                 string // off, iat or open
	RegistrationBurst            int
	RegistrationStatementIssuers string
	FederationApps               string // file of rules for apps of federations
	// Pages of the operator that the metadata names.
	OPPolicyURI string
	OPTosURI    string
	// What operators see.
	LogLevel        string
	AccessLog       bool
	MetricsNetworks string // list of addresses and networks

	// Lives, and bounds on strangers.
	SessionIdle     time.Duration
	SessionAbsolute time.Duration
	AccessTokenLife time.Duration
	GrantLife       time.Duration
	AddressBurst    int
	Argon2KiB       int
	// ReconcileShare is how much of one core reconciliation takes, in percent.
	ReconcileShare int
}

// Defaults suit a laptop; paths below the state folder are filled in by [Config.Complete].
func Defaults() Config {
	return Config{
		Issuer: "http://localhost:8440", Listen: "127.0.0.1:8440", Roles: roleNames(), State: "state", Site: "dc1",
		Keystore: "file", SigningAlgs: "ES256,RS256", LogWitnessesWanted: 1,
		JWKSCache: 10 * time.Minute, KeyOverlap: time.Hour, KeyRotateEvery: 30 * 24 * time.Hour,
		Registration: "iat", RegistrationBurst: 20, FederationBurst: 5000, LogLevel: "info",
		SessionIdle: 30 * time.Minute, SessionAbsolute: 12 * time.Hour,
		AccessTokenLife: 5 * time.Minute, GrantLife: 30 * 24 * time.Hour,
		AddressBurst: 20, Argon2KiB: leastArgon2KiB, ReconcileShare: 5,
	}
}

// Complete fills in the paths that follow from the state folder and the log's name, and
// refuses values that are good alone and contradict each other.
func (c *Config) Complete() error {
	for _, p := range []struct {
		field *string
		name  string
	}{{&c.Database, "hopnhat.db"}, {&c.Registry, "registry.db"}, {&c.Keys, "keys"}, {&c.LogFolder, "tlog"}} {
		if *p.field == "" {
			*p.field = filepath.Join(c.State, p.name)
		}
	}
	if c.LogOrigin == "" {
		host := strings.TrimPrefix(strings.TrimPrefix(c.Issuer, "https://"), "http://")
		c.LogOrigin = strings.ReplaceAll(host, ":", "-") + "/release/" + c.Site
	}
	if c.LogAddress == "" && c.LogListen != "" {
		c.LogAddress = c.LogListen
	}
	return errors.Join(c.checkTLS(), c.agree())
}

// List splits a value that has several parts, separated by commas or spaces.
func List(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// Networks reads a list of addresses and networks; a single address is a network of one.
func Networks(list string) (out []netip.Prefix, err error) {
	for _, text := range List(list) {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			one, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", text)
			}
			network = netip.PrefixFrom(one, one.BitLen())
		}
		out = append(out, network.Masked())
	}
	return out, nil
}

// SecretFile reads a secret from a file; an empty path is an empty secret.
func SecretFile(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(raw), "\r\n"), nil
}

// algorithms are those of token keys.
func (c *Config) algorithms() (out []keys.Algorithm) {
	for _, alg := range List(c.SigningAlgs) {
		out = append(out, keys.Algorithm(alg))
	}
	return out
}
