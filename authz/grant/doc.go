// Package grant has the words of an approval and the promises of its storage: the
// [Pending] request that waits for a person, the [Grant] she gives to one client, the
// [Handle] that our pages know a pending request by, and the refresh token.
//
// The life of a grant: it begins with a code that is good once, lives through access and
// refresh tokens, may be continued by another grant under the same grant_id, and ends by
// expiry or revocation. Whatever ends it ends its tokens.
package grant
