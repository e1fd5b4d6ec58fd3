package suite

import (
	"net/http"
	"net/url"
)

// RS256 is a client's own key with the algorithm that profiles of FAPI rule out:
// where it is an RSA key nothing but the algorithm is wrong.
func (c *Client) RS256() Key {
	if c.Key.Algorithm == "PS256" {
		key := c.Key
		key.Algorithm = "RS256"
		return key
	}
	c.run.Note("the client's key is no RSA key, so that the key is wrong too; a client of PS256 makes this test sharper")
	return c.run.Key("RS256", c.ID)
}

// AssertingRS256 makes a client sign its assertions with [Client.RS256].
func AssertingRS256(r *Run, c *Client) {
	key := c.RS256()
	c.Authentication = func(_ http.Header, form url.Values) {
		own := *c
		own.Key, own.Authentication = key, nil
		form.Set("client_assertion", own.SignAssertion())
	}
}
