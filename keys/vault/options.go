package vault

import (
	"time"

	"hopnhat/keys"
)

// Options says where Vault is and how to get in.
type Options struct {
	// Addresses are the URLs of one Vault cluster, the nearest first.
	Addresses []string
	Namespace string
	// CACert is a PEM file that the servers' certificates must chain to; no other
	// authority is trusted then. Empty trusts the system's.
	CACert string

	// TokenFile holds a token that an agent keeps fresh; or:
	TokenFile string
	// RoleID of an AppRole with a file that holds its secret id, as it is or, if
	// SecretIDWrapped, response-wrapped: a token that gives the secret id once.
	RoleID, SecretIDFile string
	SecretIDWrapped      bool
	// AppRoleMount is where AppRole is mounted, "approle" if empty.
	AppRoleMount string

	// Mount of the transit engine, "transit" if empty; Prefix of the key names,
	// "hopnhat-" if empty.
	Mount, Prefix string
	// Algorithms of the token keys; ES256 alone if empty.
	Algorithms []keys.Algorithm
	// Timeout of one call, 5 s if zero.
	Timeout time.Duration
}

func (o *Options) defaults() {
	for _, d := range []struct {
		field *string
		value string
	}{{&o.Mount, "transit"}, {&o.Prefix, "hopnhat-"}, {&o.AppRoleMount, "approle"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
}

// kinds are Transit's names of what we keep.
var kinds = map[keys.Algorithm]string{
	keys.ES256: "ecdsa-p256", keys.EdDSA: "ed25519", keys.PS256: "rsa-2048", keys.RS256: "rsa-2048", keys.RSAOAEP256: "rsa-3072",
}

func kindOf(spec keys.Spec) string {
	switch spec.Kind {
	case keys.Deriving:
		return "hmac"
	case keys.Wrapping:
		return "aes256-gcm96"
	}
	return kinds[spec.Algorithm]
}
