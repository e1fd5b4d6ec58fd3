// Package metadata decides what is left of an entity's metadata in a federation: it checks
// and merges the metadata policies of a chain from the top down (OpenID Federation 1.0
// §6.1.4.1), and applies what a superior supplies, which entity types are allowed, and the
// merged policy (§6.1.4.2). Each step is returned with the value before and after it. All
// of it is pure: equal input gives equal output, whatever the time.
package metadata
