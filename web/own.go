package web

import (
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
)

// own copies the strings of a request. The adaptor's strings lie in buffers that the
// next request is read into: if one is kept, for example as the key of a map, it changes
// to what another caller sent, and one app would be taken for another. Fiber's setting
// Immutable does not reach through the adaptor.
func own(r *http.Request) {
	for _, text := range []*string{
		&r.Method, &r.Proto, &r.Host, &r.RequestURI, &r.URL.Scheme, &r.URL.Opaque, &r.URL.Host, &r.URL.Path, &r.URL.RawPath, &r.URL.RawQuery, &r.URL.Fragment,
	} {
		*text = strings.Clone(*text)
	}
	header := make(http.Header, len(r.Header))
	for name, values := range r.Header {
		kept := make([]string, len(values))
		for i, value := range values {
			kept[i] = strings.Clone(value)
		}
		header[strings.Clone(name)] = kept
	}
	r.Header = header
	for i, value := range r.TransferEncoding {
		r.TransferEncoding[i] = strings.Clone(value)
	}
}

// asHTTP is the request as net/http's, for what reads cookies and headers.
func asHTTP(c *fiber.Ctx) (*http.Request, error) {
	r, err := adaptor.ConvertRequest(c, false)
	if err != nil {
		return nil, err
	}
	own(r)
	return r, nil
}
