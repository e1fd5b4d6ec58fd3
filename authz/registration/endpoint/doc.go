// Package endpoint is where apps register and manage themselves: RFC 7591 and
// OpenID Connect Dynamic Registration 1.0 at the registration endpoint, RFC 7592 at
// each app's own URL below it. What may be registered is decided by
// authz/registration; this package authenticates, fetches, keeps and answers.
//
// A registration begins with an initial access token that an agency's officer
// made, which carries what the app may be; it lives through updates, each with a
// new registration access token; and it ends by DELETE, which ends the app's
// grants, and stays in the record.
package endpoint
