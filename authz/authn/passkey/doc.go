// Package passkey is the credentials of WebAuthn by which people sign in: how one is added
// while its person is signed in, how she signs in with it, and how it is removed.
//
// A passkey is a key pair whose private half stays with an authenticator, which uses it for
// our host alone and only after it has verified the person, by a biometric or a PIN. So it is
// two factors at once, and nobody can pass on what it signs. What of the two it was we are
// not told without an attestation, so a passkey reaches authentication level 2.
//
// Each ceremony begins with a challenge that this package makes and keeps nowhere: it proves
// itself by a MAC, names by it the browser and the purpose, is good for ten minutes and is
// spent by the answer that was right. What the browser sends back is checked by functions of
// values ([Party]); the library go-webauthn, which is caged here, reads CBOR and COSE and
// checks signatures and attestation statements.
package passkey
