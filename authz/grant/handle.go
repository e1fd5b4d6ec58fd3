package grant

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"hopnhat/authz"
)

// Handle is the name of a pending authorization on our pages: its id and our MAC. Only
// the authorization endpoint gives it out, so that a request_uri which was not opened in
// time (RFC 9126 §4) opens no page either.
type Handle string

// HandleKey makes and checks handles. It is derived from the keyring and the same on
// every node.
type HandleKey []byte

// Handle is the handle of a pending authorization.
func (k HandleKey) Handle(id authz.AuthorizationID) Handle {
	m := hmac.New(sha256.New, k)
	m.Write([]byte(id))
	return Handle(string(id) + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:16]))
}

// Open is the id in a handle of ours; ok is false for any other text.
func (k HandleKey) Open(handle Handle) (id authz.AuthorizationID, ok bool) {
	name, _, _ := strings.Cut(string(handle), ".")
	id = authz.AuthorizationID(name)
	return id, len(id) == 43 && hmac.Equal([]byte(k.Handle(id)), []byte(handle))
}
