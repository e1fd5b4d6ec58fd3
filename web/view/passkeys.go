package view

import "hopnhat/web/view/ways"

// Passkeys is where a person adds and removes the passkeys by which she signs in.
type Passkeys struct{ ways.PasskeyList }

func (Passkeys) page() string { return "Passkeys" }

// PasskeyWay is the way to sign in with a passkey beside a form. Field posted to Form.Action by
// the script of the page: credential.
type PasskeyWay struct {
	Form Form
	// Options is what the script asks for a passkey by.
	Options string
	// Offered says that the browser may offer passkeys in the field of the number.
	Offered bool
}

// ServerName is how this server calls itself in a language.
func ServerName(lang Lang) string { return catalogue[lang]["brand.name"] }
