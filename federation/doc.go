// Package federation holds the words of OpenID Federation 1.0: entities and their types,
// metadata, metadata policies and constraints. One statement is read in package statement;
// what a chain of them proves is decided in package trust, and what is left of an entity's
// metadata in package metadata.
package federation
