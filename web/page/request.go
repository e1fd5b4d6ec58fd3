package page

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"

	"hopnhat/authz"
	"hopnhat/web/view"
)

// DetachStrings copies the strings of a request. The adaptor's strings lie in buffers that
// the next request is read into: if one is kept, for example as the key of a map, it
// changes to what another caller sent, and one app would be taken for another. Fiber's
// setting Immutable does not reach through the adaptor.
func DetachStrings(r *http.Request) {
	for _, text := range []*string{
		&r.Method, &r.Proto, &r.Host, &r.RequestURI, &r.URL.Scheme, &r.URL.Opaque, &r.URL.Host,
		&r.URL.Path, &r.URL.RawPath, &r.URL.RawQuery, &r.URL.Fragment,
	} {
		*text = strings.Clone(*text)
	}
	header := make(http.Header, len(r.Header))
	for name, values := range r.Header {
		detached := make([]string, len(values))
		for i, value := range values {
			detached[i] = strings.Clone(value)
		}
		header[strings.Clone(name)] = detached
	}
	r.Header = header
	for i, value := range r.TransferEncoding {
		r.TransferEncoding[i] = strings.Clone(value)
	}
}

// httpRequest is the request as net/http's, for readers of cookies and headers.
func httpRequest(c *fiber.Ctx) (*http.Request, error) {
	r, err := adaptor.ConvertRequest(c, false)
	if err != nil {
		return nil, err
	}
	DetachStrings(r)
	return r, nil
}

// typed are fields that people fill in by hand or paste into. The handler of such a field
// says what is wrong with it on its own page, where any other parameter that is no text
// leads to a page of errors.
var typed = []string{"number", "code", "user_code", "password", "policy"}

// checkText refuses parameters that are no text ([authz.CheckText]). No form of ours
// sends them, and a database that is asked for one answers with a failure of its own.
func checkText(c *fiber.Ctx) error {
	odd := false
	look := func(name, value []byte) {
		odd = odd || authz.CheckText(string(name)) != nil || !slices.Contains(typed, string(name)) && authz.CheckText(string(value)) != nil
	}
	c.Context().QueryArgs().VisitAll(look)
	if !odd && c.Method() == fiber.MethodPost {
		c.Request().PostArgs().VisitAll(look)
	}
	if odd {
		return Fault(view.ErrorBadRequest)
	}
	return nil
}
