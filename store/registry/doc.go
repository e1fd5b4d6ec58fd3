// Package registry is the national database that the broker stands in front of:
// fourteen registers in a database of its own, with credentials of its own. Package
// nation fills it for demonstrations and tests.
//
// A subject is an internal id, of a person or of an organisation; numbers are
// dated identifiers of it, re-issuable, never a key. A register is a table and
// an attribute a column of its declared type, so that a release reads exactly
// the columns that were granted. What may be read is decided by others; this
// package reads what it is told to, and nothing beside it.
package registry
