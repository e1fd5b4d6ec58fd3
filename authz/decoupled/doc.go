// Package decoupled is the approval of a sign-in on another device than the one
// that asks for it: a television or a counter asks, the person answers on her own
// phone. The device grant (RFC 8628) and CIBA (OpenID Connect Client-Initiated
// Backchannel Authentication Core 1.0) are two doors to it.
//
// The life of a request: requested → shown to a person → confirmed by her, who
// picked the code that the asking device shows → approved | denied, or expired.
// What an approval gives is an ordinary grant, whose code is what the device
// holds, so it is redeemed once by the same statement as any code.
//
// It leaves to others: who the client is and what it may ask (authz/provider,
// authz/request), what has to happen before an approval, such as sign-in, level
// and consent (authz/interaction), and the pages (web).
package decoupled
