// Package authz is the vocabulary of authorization at the national provider:
// who asks (Client), about whom (Subject), for what (Scope, Release), on which
// legal basis (Basis), at which level (Level), and the errors that callers act
// on (Error).
//
// It holds words and small pure rules. What does something lives one level
// below: authz/provider answers the protocol, authz/consent keeps consents,
// authz/broker releases records. It knows no SQL, no HTTP and no framework.
package authz
