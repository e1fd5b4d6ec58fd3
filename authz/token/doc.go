// Package token mints and verifies what the provider signs or seals for others: access
// tokens (RFC 9068), those of the front channel, which only we can read, ID tokens (OpenID
// Connect Core §2), logout tokens and notices. It chooses whom a token is for ([Targets])
// and what it is bound to ([Possession]), and has the claims about a person released that
// go into one ([PersonClaims]).
//
// A token says what was agreed when it was made. Whether it still holds is asked of the
// grant it refers to, each time it is presented ([Verifier.Live], docs/decisions.md D6).
package token
