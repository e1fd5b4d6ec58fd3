package suite

import (
	"net/http"
	"net/url"
)

// RS256 is a client's own key with the algorithm that profiles of FAPI rule out:
// where it is an RSA key nothing but the algorithm is wrong.
func (r *Run) RS256(c *Client) Key {
	if c.Key.Algorithm == "PS256" {
		key := c.Key
		key.Algorithm = "RS256"
		return key
	}
	r.Note("the client's key is no RSA key, so that the key is wrong too; a client of PS256 makes this test sharper")
	return r.Key("RS256", c.ID)
}

// AssertingRS256 makes a client sign its assertions with [Run.RS256].
func AssertingRS256(r *Run, c *Client) {
	key := r.RS256(c)
	c.Authentication = func(_ http.Header, form url.Values) {
		own := *c
		own.Key, own.Authentication = key, nil
		form.Set("client_assertion", r.SignAssertion(&own))
	}
}
