// Package redeem is the token endpoint, RFC 6749 §3.2: a table of grants, one file a
// grant, each read from top to bottom: what is presented, the rules in their order, the
// tokens, what is spent.
//
// Nothing is spent before it is signed, so a request that failed for want of keys can be
// made again; what is spent is one commit. The rules are ours, each with its clause; the
// engine of authz/redeem/engine then agrees to what they let through (docs/decisions.md
// D3).
package redeem
