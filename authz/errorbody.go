package authz

import (
	"errors"
	"net/url"
	"strings"
)

// ErrorBody is a refusal as JSON: RFC 6749 §5.2, RFC 7591 §3.2.2.
type ErrorBody struct {
	Error       Code   `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// Body is the refusal as the JSON of an endpoint that an app calls.
func (e *Error) Body() ErrorBody { return ErrorBody{e.Code, e.safeDescription()} }

// Parameters is the refusal as the parameters of a response that the browser
// carries, RFC 6749 §4.1.2.1.
func (e *Error) Parameters() url.Values {
	v := url.Values{"error": {string(e.Code)}}
	if text := e.safeDescription(); text != "" {
		v.Set("error_description", text)
	}
	return v
}

// Attribute is one of a challenge beside the error: its name, and a text that a
// quoted string can hold as it is (RFC 9110 §5.6.4).
type Attribute struct{ Name, Value string }

// ErrNoToken is the cause of a refusal to a request without a token, or with a scheme
// that the resource does not know. RFC 6750 §3.1: it is told the schemes, and no error.
var ErrNoToken = errors.New("no access token was presented")

// Challenge is the refusal as the WWW-Authenticate header of a resource: RFC 6750
// §3, RFC 9449 §7.1.
func (e *Error) Challenge(scheme string, more ...Attribute) string {
	var b strings.Builder
	b.WriteString(scheme)
	separator := " "
	if strings.Contains(scheme, " ") { // it has attributes already
		separator = ", "
	}
	if !errors.Is(e, ErrNoToken) {
		more = append([]Attribute{{"error", string(e.Code)}, {"error_description", e.safeDescription()}}, more...)
	}
	for _, a := range more {
		b.WriteString(separator + a.Name + `="` + a.Value + `"`)
		separator = ", "
	}
	return b.String()
}

// safeDescription is the description as it may be sent. This is the one place that lets one
// out, in each of the forms above.
func (e *Error) safeDescription() string { return Describable(e.Description) }

// inDescription writes what our own texts have in other characters.
var inDescription = strings.NewReplacer(
	"§§", "sections ", "§", "section ", `"`, "'", `\`, "/", "“", "'", "”", "'", "‘", "'", "’", "'",
	"–", "-", "—", "-", "…", "...", "\u00a0", " ", "≤", "<=", "≥", ">=", "→", "->", "\t", " ", "\r\n", " ", "\n", " ",
)

// Describable makes a text fit for error_description: RFC 6749 §4.1.2.1 and §5.2
// allow %x20-21, %x23-5B and %x5D-7E, RFC 6750 §3 the same, and RFC 7591 §3.2.2
// ASCII. What has no other spelling becomes a question mark.
func Describable(text string) string {
	if describable(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if !describable(string(r)) {
			return '?'
		}
		return r
	}, inDescription.Replace(text))
}

func describable(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) < 0
}
