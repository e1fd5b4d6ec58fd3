// Package registrar lets apps in that a federation vouches for (OpenID Federation 1.0 §12). It
// stands before the registered clients: whoever looks for one by an entity identifier gets
// what the newest verified chain makes of it, and nothing once the chain has ended or trust
// was withdrawn. A stranger causes no request to anybody: what is not resolved beforehand
// comes as a chain in the app's own request, and is verified within a budget.
//
// A registration begins with the first use of a chain, with a row and an event; it is renewed
// by each newer chain, changed with an event where the metadata are others, and it ends with
// the chain, or with an event when the federation trusts the app no more.
package registrar
