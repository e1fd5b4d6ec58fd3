// Package jose makes and reads JSON Web Signatures (RFC 7515) with an explicit
// list of algorithms and the exact `typ` for each kind of token (RFC 8725). It
// is the cage of go-jose: no type of it leaves this package.
package jose
