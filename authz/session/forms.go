package session

import "hopnhat/keys/seal"

// Forms makes and checks the anti-forgery tokens of forms, and seals what pages say
// to each other through a browser.
type Forms struct{ tokens, seals seal.Key }

// NewForms takes the key of [seal.Forms].
func NewForms(key seal.Key) *Forms { return &Forms{key, key.Under(seal.FormSeals)} }

// Token is bound to the browser's binding cookie and to what the form does.
func (f *Forms) Token(binding, purpose string) string {
	return f.tokens.MACText(purpose + "\x00" + binding)
}

// Genuine compares in constant time; an empty binding is never genuine.
func (f *Forms) Genuine(binding, purpose, token string) bool {
	return binding != "" && f.tokens.GenuineText(token, purpose+"\x00"+binding)
}

// Seal encrypts what travels through a browser for one purpose; only the browser
// with the same binding brings it back.
func (f *Forms) Seal(binding, purpose string, plain []byte) string {
	return f.seals.Seal(plain, purpose+"\x00"+binding)
}

// Open opens what [Forms.Seal] sealed.
func (f *Forms) Open(binding, purpose, sealed string) (plain []byte, ok bool) {
	if binding == "" {
		return nil, false
	}
	return f.seals.Open(sealed, purpose+"\x00"+binding)
}
