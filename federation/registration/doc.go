// Package registration decides what a verified chain makes of an app (OpenID Federation 1.0
// §12): the client that it is here, by the profile and the marks that this provider asks
// for, or a refusal with its section. The functions are pure; when a chain is looked at and
// what is kept of it is package registrar.
package registration
