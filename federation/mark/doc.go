// Package mark reads trust marks and decides whether one counts: signed statements of an
// issuer that an entity meets a set of criteria (OpenID Federation 1.0 §7). A verdict
// carries a trail, as that of a chain does. The functions are pure: marks, the chain of
// their issuer and the time go in, a verdict comes out, and nothing asks the network.
package mark
