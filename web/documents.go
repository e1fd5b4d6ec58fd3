package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync/atomic"

	"github.com/gofiber/fiber/v2"

	"hopnhat/web/page"
	"hopnhat/web/static"
	"hopnhat/web/view"
)

// metadataCache is the Cache-Control of documents that change with a release of ours.
const metadataCache = "public, max-age=300"

// document is bytes that are served as they are, with their digest as ETag.
type document struct {
	body []byte
	etag string
}

func newDocument(body []byte) document {
	sum := sha256.Sum256(body)
	return document{body, `"` + hex.EncodeToString(sum[:8]) + `"`}
}

func (d document) send(c *fiber.Ctx, cache string) error {
	c.Set(fiber.HeaderETag, d.etag)
	c.Set(fiber.HeaderCacheControl, cache)
	c.Set(fiber.HeaderAccessControlAllowOrigin, "*")
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	if c.Get(fiber.HeaderIfNoneMatch) == d.etag {
		return c.SendStatus(fiber.StatusNotModified)
	}
	return c.Send(d.body)
}

// documents are what programs fetch: metadata and keys.
type documents struct {
	published Published
	// fetched is called with the client_id and the address of a request for the JWK Set; it
	// may be nil.
	fetched func(client, address string)
	address func(*fiber.Ctx) string
	meta    document
	// resources are the documents of RFC 9728, by path.
	resources map[string][]byte
	// keysCache is the Cache-Control of the JWK Set.
	keysCache string
	keys      atomic.Pointer[document]
}

func newDocuments(o Options, address func(*fiber.Ctx) string) *documents {
	d := &documents{
		published: o.Published, fetched: o.KeysFetched, address: address,
		keysCache: fmt.Sprintf("public, max-age=%d, must-revalidate", int(o.KeysMaxAge.Seconds())),
	}
	if o.Published != nil {
		d.meta, d.resources = newDocument(o.Published.Metadata()), o.Published.ResourceMetadata()
	}
	return d
}

func (d *documents) metadata(c *fiber.Ctx) error { return d.meta.send(c, metadataCache) }

// maxClientID bounds the client_id of a request for the JWK Set.
const maxClientID = 128

// jwks serves the JWK Set. The set is a few kilobytes made from memory; its
// bytes are kept until they differ.
func (d *documents) jwks(c *fiber.Ctx) error {
	body, err := d.published.JWKS()
	if err != nil {
		return err
	}
	set := d.keys.Load()
	if set == nil || string(set.body) != string(body) {
		fresh := newDocument(body)
		set = &fresh
		d.keys.Store(set)
	}
	if d.fetched != nil {
		client := c.Query("client_id")
		if len(client) > maxClientID {
			client = ""
		}
		d.fetched(client, d.address(c))
	}
	return set.send(c, d.keysCache)
}

// asset serves a file of a page.
func asset(c *fiber.Ctx) error {
	f, ok := static.Find(c.Path())
	if !ok {
		return page.Fault(view.ErrorNotFound)
	}
	c.Set(fiber.HeaderContentType, f.Type)
	c.Set(fiber.HeaderCacheControl, static.CacheControl)
	return c.Send(f.Body)
}

// checkSession is the frame of Session Management §3.2: a page of one script, which
// any app may show, since it says "unchanged" only to an app that knows a session_state
// that was made for its own origin.
func (s *Server) checkSession(c *fiber.Ctx) error {
	c.Response().Header.Del("X-Frame-Options")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *")
	c.Set(fiber.HeaderCacheControl, metadataCache)
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.SendString(`<!doctype html><html lang="vi" data-cookie="` + s.frame.BrowserStateCookie() + `">` +
		`<head><meta charset="utf-8"><title>Phiên đăng nhập</title>` +
		`<script src="` + static.Path("session.js") + `"></script></head><body></body></html>` + "\n")
}
