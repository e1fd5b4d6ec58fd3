package provider

import (
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/redeem"
	"hopnhat/authz/token"
)

// Names of rooms that were split off, until their users say them there.
type (
	Grant   = grant.Grant
	Pending = grant.Pending
	Grants  = grant.Store

	Parties  = redeem.Parties
	Evidence = grant.Evidence

	Demand    = token.Demand
	Released  = token.Released
	Releases  = token.Releases
	Resources = token.Resources
	Access    = token.Access
	Withdrawn = token.Withdrawn
)

// The paths of the endpoints below the issuer.
const (
	AuthorizePath     = protocol.AuthorizePath
	TokenPath         = protocol.TokenPath
	PARPath           = protocol.PARPath
	UserInfoPath      = protocol.UserInfoPath
	IntrospectionPath = protocol.IntrospectionPath
	RevocationPath    = protocol.RevocationPath
	EndSessionPath    = protocol.EndSessionPath
	CheckSessionPath  = protocol.CheckSessionPath
	JWKSPath          = protocol.JWKSPath
	DeviceGrantPath   = protocol.DeviceGrantPath
	BackchannelPath   = protocol.BackchannelPath
	BrokerPath        = protocol.BrokerPath
	GrantsPath        = protocol.GrantsPath
)

// ErrTooMany means that an address makes us keep too much.
var ErrTooMany = protocol.ErrTooMany

// OnAlias reports whether a path may be called at the host that asks for client
// certificates.
func (p *Provider) OnAlias(path string) bool { return protocol.OnAlias(path) }

// ReservedScopes are those of this server, which no resource of an agency may take.
func ReservedScopes() []string { return token.ReservedScopes() }

func newSalt() []byte { return grant.NewSalt() }
