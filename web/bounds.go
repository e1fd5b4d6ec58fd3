package web

import (
	"bytes"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// Limits in number. Their sizes are bounded by the server's buffers; but
// parsing a small part costs a hundred times what sending it costs.
const (
	maxHeaders = 96
	maxCookies = 64
	maxPairs   = 1024 // parameters of a query or a form: a consent page may have 500 ticks
)

// spelled reports whether an encoded path stands for a text. What it holds is the key
// of something in a database.
func spelled(path string) bool {
	plain, err := url.PathUnescape(path)
	return err == nil && authz.CheckText(plain) == nil
}

// bounded refuses, before anything is parsed, requests of very many parts, and
// compressed bodies: no page and no endpoint of ours needs one, and a short compressed
// body can become a very long one.
func bounded(c *fiber.Ctx) error {
	header := &c.Request().Header
	refuse := func(err error) error {
		// The page that says so must not take it apart either.
		header.DelAllCookies()
		header.SetRequestURI(c.Path())
		c.Request().ResetBody()
		return err
	}
	raw := header.RawHeaders()
	cookies := 0
	for line := range bytes.Lines(raw) {
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte(fiber.HeaderCookie)) {
			cookies += 1 + bytes.Count(value, []byte(";"))
		}
	}
	form := bytes.HasPrefix(bytes.ToLower(header.ContentType()), []byte(fiber.MIMEApplicationForm))
	switch {
	case bytes.Count(raw, []byte("\n")) > maxHeaders, cookies > maxCookies:
		return refuse(page.Fault(view.ErrorTooLarge))
	case len(header.ContentEncoding()) > 0, bytes.HasPrefix(bytes.ToLower(header.ContentType()), []byte("multipart/")):
		return refuse(fiber.ErrUnsupportedMediaType) // RFC 9110 §15.5.16
	case bytes.Count(header.RequestURI(), []byte("&")) > maxPairs, form && bytes.Count(c.Request().Body(), []byte("&")) > maxPairs:
		return refuse(page.Fault(view.ErrorTooLarge))
	case bytes.IndexByte(c.Request().URI().PathOriginal(), '%') >= 0 && !spelled(c.Path()):
		return refuse(page.Fault(view.ErrorNotFound))
	}
	return c.Next()
}
