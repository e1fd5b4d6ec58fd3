package protocol

import (
	"slices"
	"strings"

	"hopnhat/authz/clientauth"
)

// The paths of the endpoints below the issuer.
const (
	AuthorizePath     = "/authorize"
	TokenPath         = "/token"
	PARPath           = "/par"
	UserInfoPath      = "/userinfo"
	IntrospectionPath = "/introspect"
	RevocationPath    = "/revoke"
	EndSessionPath    = "/logout"
	CheckSessionPath  = "/check-session"
	JWKSPath          = "/jwks"
	DeviceGrantPath   = "/device_authorization"
	BackchannelPath   = "/bc-authorize"
	BrokerPath        = "/broker/v1"
	GrantsPath        = "/grants"
)

// URLs are the absolute URLs of the endpoints.
type URLs struct {
	// Issuer is the issuer identifier; MutualTLSAlias is the URL of the host that asks
	// for client certificates (RFC 8705 §5), empty if there is none.
	Issuer, MutualTLSAlias string

	Authorize, Token, PAR, UserInfo, Introspect, Revoke, Logout, CheckSession, JWKS, Broker, Grants, Device, Backchannel string
}

// At gives the URLs of an issuer.
func At(issuer, mutualTLSAlias string) URLs {
	return URLs{
		Issuer: issuer, MutualTLSAlias: mutualTLSAlias,
		Authorize: issuer + AuthorizePath, Token: issuer + TokenPath, PAR: issuer + PARPath,
		UserInfo: issuer + UserInfoPath, Introspect: issuer + IntrospectionPath, Revoke: issuer + RevocationPath,
		Logout: issuer + EndSessionPath, CheckSession: issuer + CheckSessionPath, JWKS: issuer + JWKSPath,
		Broker: issuer + BrokerPath, Grants: issuer + GrantsPath,
		Device: issuer + DeviceGrantPath, Backchannel: issuer + BackchannelPath,
	}
}

// IsOwnResource reports whether a resource is an endpoint of this server.
func (u *URLs) IsOwnResource(id string) bool {
	return id == u.UserInfo || id == u.Broker || id == u.Grants
}

// Here is the URL of an endpoint at the host where a request came in, by its connection:
// the issuer's, or the alias for mutual TLS (RFC 8705 §5). A DPoP proof names the one it
// was sent to.
func (u *URLs) Here(c clientauth.Connection, path string) string {
	if c.MutualTLS {
		return u.MutualTLSAlias + path
	}
	return u.Issuer + path
}

// Aliases are the endpoints at the host that asks for client certificates (RFC 8705 §5),
// by their names in the metadata; nil if there is none.
func (u *URLs) Aliases() map[string]string {
	if u.MutualTLSAlias == "" {
		return nil
	}
	out := map[string]string{}
	for name, path := range aliasPaths {
		out[name] = u.MutualTLSAlias + path
	}
	return out
}

// aliasPaths are the endpoints that take client authentication or tokens, by their
// names in the metadata.
var aliasPaths = map[string]string{
	"token_endpoint":                        TokenPath,
	"pushed_authorization_request_endpoint": PARPath,
	"introspection_endpoint":                IntrospectionPath,
	"revocation_endpoint":                   RevocationPath,
	"userinfo_endpoint":                     UserInfoPath,
	"device_authorization_endpoint":         DeviceGrantPath,
	"backchannel_authentication_endpoint":   BackchannelPath,
	"grant_management_endpoint":             GrantsPath,
}

// OnAlias reports whether a path may be called at the host that asks for client
// certificates: those of mtls_endpoint_aliases, and the broker's.
func OnAlias(path string) bool {
	if strings.HasPrefix(path, BrokerPath+"/") || strings.HasPrefix(path, GrantsPath+"/") {
		return true
	}
	for _, one := range aliasPaths {
		if path == one {
			return true
		}
	}
	return false
}

// AssertionAudiences are the URLs of endpoints that authenticate clients, at both hosts.
func (u *URLs) AssertionAudiences(endpoints ...string) []string {
	all := slices.Clone(endpoints)
	if u.MutualTLSAlias != "" {
		for _, here := range endpoints {
			all = append(all, u.MutualTLSAlias+strings.TrimPrefix(here, u.Issuer))
		}
	}
	return all
}
