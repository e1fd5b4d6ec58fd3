// Package trust decides whether a chain of statements proves that an entity belongs to the
// federation of a trust anchor, and what its metadata are there (OpenID Federation 1.0 §4,
// §10). A verdict carries a trail: each check, its section, and what it saw. The functions
// are pure: statements, anchors and time go in, a verdict comes out, and nothing asks the
// network.
package trust
