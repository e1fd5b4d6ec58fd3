package endsession

import (
	"hopnhat/authz"
	"hopnhat/keys/seal"
)

// BrowserKey makes browser states, the opaque value of Session Management §4.2. A script
// may read one and every site may learn that it changed, so it is a MAC of the session's
// id, which opens nothing and leads back to nothing. It is the key of [seal.BrowserStates].
type BrowserKey struct{ seal.Key }

// BrowserState is the value of the cookie that the frame of session management
// reads while a session lives.
func (e *Endpoint) BrowserState(session authz.SessionID) string {
	return e.o.Browser.MACText(string(session))
}
