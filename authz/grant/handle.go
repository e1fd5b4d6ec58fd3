package grant

import (
	"hopnhat/authz"
	"hopnhat/keys/seal"
)

// Handle is the name of a pending authorization on our pages: its id and our MAC. Only
// the authorization endpoint gives it out, so that a request_uri which was not opened in
// time (RFC 9126 §4) opens no page either.
type Handle string

// HandleKey makes and checks handles. It is the key of [seal.Handles].
type HandleKey struct{ seal.Key }

// Handle is the handle of a pending authorization.
func (k HandleKey) Handle(id authz.AuthorizationID) Handle { return Handle(k.Sign(string(id))) }

// Open is the id in a handle of ours; ok is false for any other text.
func (k HandleKey) Open(handle Handle) (id authz.AuthorizationID, ok bool) {
	name, ok := k.Signed(string(handle))
	return authz.AuthorizationID(name), ok && len(name) == 43
}
