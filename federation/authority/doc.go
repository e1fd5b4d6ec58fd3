// Package authority publishes what an entity of the federation publishes: its own
// configuration (OpenID Federation 1.0 §9), and as a trust anchor or an intermediate what it
// states about its subordinates, who they are, the trust marks that it granted, and its keys
// of the past (§8). It signs with the keys of use keys.EntityStatement. What is signed is
// kept and signed anew when a quarter of its life is over, so that a stranger who asks again
// and again costs no signature.
package authority
