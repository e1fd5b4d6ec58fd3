// Package fapi2 holds the plans of FAPI 2.0 Security Profile Final and FAPI 2.0
// Message Signing Final for authorization servers. The modules carry the names of the
// public certification modules; what each does is written from the specifications it
// cites.
//
// A plan has a part for each pair of client authentication and sender constraint, each
// with OpenID Connect and with plain OAuth. The clients are registered beforehand; the
// variant in the configuration says which pair they are for. What depends on the pair
// is put into the client and the request here, once ([client], [ask], [push],
// [obtain]), so that the modules themselves are rows: one request, one thing changed
// in it, one outcome.
package fapi2
