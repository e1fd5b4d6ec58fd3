// Package registration turns what an app says of itself, client metadata in the
// standards' names, into an [authz.Client], and a client back into metadata. The
// rules are those of the app's row in the table of profiles, whoever brings the
// metadata: an operator's file or a request to the registration endpoint.
//
// It is pure: what must be fetched or stored is fetched and stored by others.
package registration
