// Package signin is the way of a person through a sign-in: the start page, the
// authorization endpoint, the two steps of a sign-in, consent, and the answer to a
// request of another device. Its pages never decide what comes next and never lead to
// one another: each does its part and sends the browser back to the authorization
// endpoint, which asks [hopnhat/authz/interaction] again.
package signin
