package page

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"hopnhat/web/view"
)

// formToken is what the token of every form is made for.
const formToken = "form"

// CheckForm refuses a form that is not ours: its token must be bound to this browser,
// and a browser that says where it comes from must say: from us. "null" is what a
// browser says of a page that hides where it is, which ours do not (Referrer-Policy).
func (v *Visit) CheckForm() error {
	if origin := v.C.Get(fiber.HeaderOrigin); origin != "" && origin != v.frame.Issuer {
		return Fault(view.ErrorForm)
	}
	if site := v.C.Get("Sec-Fetch-Site"); site == "cross-site" {
		return Fault(view.ErrorForm)
	}
	if !v.Genuine(formToken, v.Field("csrf")) {
		return Fault(view.ErrorForm)
	}
	return nil
}

// CheckSignInForm is [Visit.CheckForm] for a form that needs no session. Tabs that a
// browser opened at once, without a cookie yet, share one binding, that of the last: a
// browser that says itself that the form comes from a page of ours is believed without
// the token.
func (v *Visit) CheckSignInForm() error {
	err := v.CheckForm()
	if err != nil && v.fromUs() {
		return nil
	}
	return err
}

// CheckFormOr is [Visit.CheckForm] for a form of a page that can be shown again: one
// from before a sign-out leads there, and changes nothing.
func (v *Visit) CheckFormOr(page string) error {
	err := v.CheckForm()
	if err != nil && v.fromUs() {
		return Redirect(page)
	}
	return err
}

// fromUs reports whether the browser says itself that a form comes from a page of ours.
func (v *Visit) fromUs() bool {
	return len(v.Binding) == bindingLength && v.C.Get(fiber.HeaderOrigin) == v.frame.Issuer && v.C.Get("Sec-Fetch-Site") != "cross-site"
}

// Field is a field of the form that was posted. The query of a POST's address is no
// part of its form.
func (v *Visit) Field(name string) string { return string(v.C.Request().PostArgs().Peek(name)) }

// Param is a parameter of the query, or of the form where one was posted.
func (v *Visit) Param(name string) string {
	if v.C.Method() == http.MethodPost {
		return v.Field(name)
	}
	return v.C.Query(name)
}

// Token is a MAC over a text, for this browser only.
func (v *Visit) Token(purpose string) string { return v.frame.Forms.Token(v.Bind(), purpose) }

// Genuine reports whether a token was made by [Visit.Token] for this browser and purpose.
func (v *Visit) Genuine(purpose, token string) bool {
	return v.frame.Forms.Genuine(v.Binding, purpose, token)
}

// Seal encrypts a text that travels through this browser for one purpose.
func (v *Visit) Seal(purpose string, plain []byte) string {
	return v.frame.Forms.Seal(v.Binding, purpose, plain)
}

// Open opens what [Visit.Seal] sealed; ok is false for a text of another browser or
// purpose.
func (v *Visit) Open(purpose, sealed string) (plain []byte, ok bool) {
	return v.frame.Forms.Open(v.Binding, purpose, sealed)
}
