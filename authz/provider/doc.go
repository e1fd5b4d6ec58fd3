// Package provider is the protocol as one thing: it wires the rooms that answer it
// (authz/authorize, authz/redeem, authz/endsession, with authz/token, authz/grant and
// authz/protocol below them), and answers what is left between them: metadata, keys,
// UserInfo, introspection, revocation, the grant management API, and the check of the
// broker's tokens.
package provider
