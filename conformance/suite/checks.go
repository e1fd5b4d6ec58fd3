package suite

import (
	"encoding/json"
	"mime"
	"net/url"
	"regexp"
	"strings"
)

// plain reports whether a text is of the characters of error and error_description:
// RFC 6749 §4.1.2.1, §5.2; RFC 6750 §3. RFC 7591 §3.2.2 says ASCII.
func plain(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c < 0x20 || c > 0x7e || c == '"' || c == '\\' })
}

// Checks are what holds of every answer, whatever the module is about.
type Checks struct{ Journal }

// CheckError looks at what an error says of itself, in the parameters of a response. Every
// error that comes to a client is looked at, whatever the module is about; one that
// comes inside a JWT is handed over by the code that opened it.
func (c *Checks) CheckError(parameters url.Values) {
	if parameters.Get("error") != "" {
		c.checkText("RFC 6749 §4.1.2.1", parameters.Get("error"), parameters.Get("error_description"))
	}
}

// checkText checks the characters of an error.
func (c *Checks) checkText(clause, code, description string) {
	c.Expect(plain(code), clause, "error is of the characters allowed", code)
	c.Expect(plain(description), clause, "error_description is of the characters allowed", description)
}

// quoted is an attribute of a challenge, RFC 9110 §11.2 with a quoted string.
var quoted = regexp.MustCompile(`([A-Za-z_]+)\s*=\s*"((?:\\.|[^"\\])*)"`)

// checkErrors looks at the errors of an answer that a program reads: its body and its
// challenges.
func (c *Checks) checkErrors(e Exchange) {
	if e.Status < 400 {
		return
	}
	if media, _, err := mime.ParseMediaType(e.Response.Get("Content-Type")); err == nil && media == "application/json" {
		var body Claims
		if json.Unmarshal([]byte(e.Answer), &body) == nil && body.Text("error") != "" {
			c.checkText("RFC 6749 §5.2", body.Text("error"), body.Text("error_description"))
		}
	}
	for _, challenge := range e.Response.Values("WWW-Authenticate") {
		for _, m := range quoted.FindAllStringSubmatch(challenge, -1) {
			switch name := strings.ToLower(m[1]); name {
			case "error", "error_description", "error_uri", "scope":
				c.Expect(plain(m[2]), "RFC 6750 §3", name+" of the challenge is of the characters allowed", challenge)
			}
		}
	}
}
