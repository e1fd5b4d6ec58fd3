// Package store keeps what the nation's identities, grants, consents and
// evidence are made of, in PostgreSQL (production) or SQLite (embedded). One
// file holds one aggregate; an exported method is one promise.
//
// A method finds its transaction in the context: inside [handle.Handle.Tx] all calls join
// one transaction, outside each is a transaction of its own. Rows are not domain
// types. A race is settled by a condition in the statement and the row count.
//
// # Order of locks
//
// A transaction on PostgreSQL that locks rows of more than one of these tables does so in
// this order, so that no two wait for each other and no three in a circle: sign_in_attempts,
// authorizations, decoupled_requests, clients, consents, sessions, grants, accounts, factors,
// event_numbers.
//
// An approval holds the client (FOR SHARE), writes the consents, holds session and account,
// finishes its request and inserts the grant, the last three by one statement; on another
// device it finishes the request first. That the request comes last is no circle: who else
// finishes one that a browser answers, a person who declines, holds no more than what an
// approval holds too (FOR SHARE), and the second of two approvals waits for the first before
// it. A release holds consent, grant and account by one statement, which takes the person's
// next number last ([evidence.Book.NextNumber], [evidence.Book.RecordNext]); what is limited
// was counted before, and a client makes it wait only while it is settled
// ([evidence.Book.SettleClient]), alone. A sign-out and a
// lock take sessions, grants, account; a sign-in counts the attempt, holds the session of its
// browser, with its grants if it ends, then account and factors, by one statement; a new
// session nobody else sees yet. A withdrawal takes one consent. The clock that ends consents
// takes those that nobody holds (SKIP LOCKED) and then the names of their apps (FOR SHARE);
// saving an app takes no consent. An app is ended in one transaction and its grants in others.
//
// Sessions or grants that one transaction locks (all of a person, of an app, of a line that a
// code goes on from) it locks in the order of their ids ([handle.Dialect.InOrder]). Budgets of
// attempts, whose rows need not be there yet, are counted behind a gate (package signins). What
// deletes rows that have expired passes over those that somebody holds.
//
// GORM lives here and in package handle, and nowhere else.
package store
