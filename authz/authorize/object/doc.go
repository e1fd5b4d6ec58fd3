// Package object reads request objects (RFC 9101, JAR): by value or fetched from where the
// app registered that they may be, decrypted if they are encrypted to us, and verified
// with the app's keys. What comes out is the form that the checks of authz/request see.
package object
