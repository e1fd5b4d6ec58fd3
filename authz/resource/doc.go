// Package resource knows the agencies' APIs that tokens can be for (RFC 8707):
// which there are, what scopes mean something to them, how their tokens are
// signed.
package resource
