// Package protocol is what the endpoints of the protocol have in common: their paths and
// URLs, how a form is read, and how an answer or an error is written.
package protocol
