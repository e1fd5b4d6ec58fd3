// Package provider answers the protocol: pushed authorization requests,
// authorization, token, UserInfo, introspection, revocation, logout and
// metadata. It is the cage of fosite, which is the grant engine behind the
// authorization and token endpoints (docs/decisions.md D3): no type of fosite leaves this
// package.
//
// It never renders a page and never reads a cookie: the browser's session comes
// in through [Sessions], and where a page is needed the answer says which
// ([Next]).
//
// The life of what it handles: a request is checked and kept as a [Pending]
// authorization; when the person has answered, a [Grant] begins with a code,
// lives through access and refresh tokens, and ends by expiry or revocation.
package provider
