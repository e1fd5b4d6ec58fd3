// Package ciba holds the plan of FAPI-CIBA for OpenID providers: Client-Initiated
// Backchannel Authentication by poll and by ping, with signed requests and
// certificate-bound tokens. The modules carry the names of the public certification
// modules; what each does is written from the specifications it cites.
//
// The person answers through the provider's own pages: the configuration says under
// extra, ciba, where the requests that wait for somebody are listed, and steps fill in
// the form ([approve]).
package ciba
