// Package federation holds the words of OpenID Federation 1.0: entities, the statements
// that they sign about themselves and about each other, and what those statements hold.
// It parses one statement and judges what can be judged of it alone (§3.2). What a
// chain of statements proves is decided in package trust, and what is left of an entity's
// metadata in package metadata. Nothing here asks the network.
package federation
