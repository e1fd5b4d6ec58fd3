// Package ekyc holds the plan of OpenID Connect for Identity Assurance for providers:
// what is asked for in verified_claims, and what comes. The modules carry the names of
// the public certification modules; what each does is written from the specifications
// it cites.
package ekyc
