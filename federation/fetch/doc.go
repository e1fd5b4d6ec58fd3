// Package fetch gets entity statements over HTTPS: the configuration that an entity
// publishes (OpenID Federation 1.0 §9), and what its superiors state about it (§8.1). From
// an entity it goes up by authority_hints to the trust anchors (§10.1), within bounds on
// depth, hints, requests, bytes and time. What is collected is judged in package trust.
//
// Whoever names an entity causes requests to addresses that the entity chose: call this
// for operators and for what is refreshed in the background, never for a stranger.
package fetch
