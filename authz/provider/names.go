package provider

import (
	"hopnhat/authz/authorize"
	"hopnhat/authz/authorize/object"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/endsession"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/token"
)

// Names of rooms that were split off, until their users say them there.
type (
	Grant   = grant.Grant
	Pending = grant.Pending
	Grants  = grant.Store

	Demand    = token.Demand
	Released  = token.Released
	Withdrawn = token.Withdrawn

	SignedIn = authorize.SignedIn
	Waiting  = authorize.Waiting
	Approval = authorize.Approval
	Finished = authorize.Finished
	Next     = response.Next
	FormPost = response.FormPost
	Logout   = endsession.Logout
)

// Errors of rooms that were split off.
var (
	ErrGone     = authorize.ErrGone
	ErrUserCode = authorize.ErrUserCode
	ErrForeign  = object.ErrForeign
	ErrTooMany  = protocol.ErrTooMany
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

// OnAlias reports whether a path may be called at the host that asks for client
// certificates.
func (p *Provider) OnAlias(path string) bool { return protocol.OnAlias(path) }

// ReservedScopes are those of this server, which no resource of an agency may take.
func ReservedScopes() []string { return token.ReservedScopes() }
