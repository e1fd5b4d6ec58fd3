// Package engine is the one cage of fosite (docs/decisions.md D3): no type of it leaves.
//
// fosite is the grant engine for code, PKCE, refresh and client credentials. It decides
// nothing first: authz/redeem and authz/request have checked what is presented, by rules
// with their clauses, and the engine agrees or refuses as well. Its storage calls do not
// reach the database: they see the one grant that was read, and what it would write is
// written by its caller, once, after everything was checked and signed. Its hazards are F1
// to F13 of docs/decisions.md.
package engine
