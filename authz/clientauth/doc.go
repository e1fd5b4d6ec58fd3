// Package clientauth finds out which client is calling and which key it holds:
// client authentication (OpenID Connect Core §9, RFC 7523) and proof of
// possession (RFC 9449, DPoP). It answers with a client or a refusal and
// changes nothing, save that a proof or an assertion is remembered as used.
package clientauth
