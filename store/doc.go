// Package store keeps what the nation's identities, grants, consents and
// evidence are made of, in PostgreSQL (production) or SQLite (embedded). One
// file holds one aggregate; an exported method is one promise.
//
// A method finds its transaction in the context: inside [handle.Handle.Tx] all calls join
// one transaction, outside each is a transaction of its own. Rows are not domain
// types. A race is settled by a condition in the statement and the row count.
//
// GORM lives here and in package handle, and nowhere else.
package store
