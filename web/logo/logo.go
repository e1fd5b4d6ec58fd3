// Package logo serves the pictures of apps (logo_uri, RFC 7591 §2), fetched by us and
// drawn anew.
package logo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // a form that logos come in
	_ "image/jpeg" // another
	"image/png"
	"net/url"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/sync/semaphore"

	"hopnhat/authz"
	"hopnhat/authz/recent"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// Fetcher gets what is at an address that an app registered, no longer than limit.
type Fetcher interface {
	Fetch(ctx context.Context, address string, limit int64) ([]byte, error)
}

// Limits of logos.
const (
	maxFetched = 64 << 10 // bytes that are fetched
	maxSide    = 512      // dots
	maxDrawn   = 512 << 10
	maxLogos   = 500 // in memory at a time
	maxFetches = 4   // at a time
	life       = 10 * time.Minute
	deadline   = 5 * time.Second
)

// Logos are the pictures of apps whose agency was verified. A page of ours loads nothing
// from elsewhere, nobody learns from a picture who signs in where, and what is shown is
// dots. An app that nobody vouches for has none: its picture would be the emblem of
// somebody else. It is safe for concurrent use.
type Logos struct {
	fetcher Fetcher
	clients page.Clients
	fetches *semaphore.Weighted

	mu    sync.Mutex // of one look at byApp and the change that follows
	byApp *recent.Map[authz.ClientID, *logo]
}

// logo is one that was fetched, empty where there is none to be had.
type logo struct {
	ready chan struct{} // closed once png is there
	png   []byte
}

// New serves logos of registered apps.
func New(fetcher Fetcher, clients page.Clients, now func() time.Time) *Logos {
	return &Logos{
		fetcher: fetcher, clients: clients, fetches: semaphore.NewWeighted(maxFetches),
		byApp: recent.New[authz.ClientID, *logo](maxLogos, life, now),
	}
}

// of is the logo of an app; of any number of calls at once one fetches it.
func (l *Logos) of(ctx context.Context, id authz.ClientID) ([]byte, error) {
	l.mu.Lock()
	one, now, ok := l.byApp.Get(id)
	if !ok {
		one = &logo{ready: make(chan struct{})}
		l.byApp.Put(id, one, now)
	}
	l.mu.Unlock()
	if !ok {
		var keep bool
		if one.png, keep = l.fetch(ctx, id); !keep {
			l.mu.Lock()
			if last, _, ok := l.byApp.Get(id); ok && last == one {
				l.byApp.Forget(id)
			}
			l.mu.Unlock()
		}
		close(one.ready)
	}
	select {
	case <-one.ready:
		return one.png, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fetch gets and draws one; keep reports whether what came of it, a logo or none, holds
// for others too. Apps that are not there would crowd out those that are, and that
// nobody got to asking says nothing of the app.
func (l *Logos) fetch(ctx context.Context, id authz.ClientID) (drawn []byte, keep bool) {
	client, err := l.clients.Client(ctx, id)
	if err != nil || page.LogoPath(client) == "" {
		return nil, false
	}
	if l.fetches.Acquire(ctx, 1) != nil {
		return nil, false
	}
	defer l.fetches.Release(1)
	raw, err := l.fetcher.Fetch(ctx, client.LogoURI, maxFetched)
	if err != nil {
		return nil, true
	}
	drawn, err = drawnAnew(raw)
	if err != nil {
		return nil, true
	}
	return drawn, true
}

// drawnAnew reads a picture and writes it as PNG, so that nothing is left of what it
// came in but the dots.
func drawnAnew(raw []byte) ([]byte, error) {
	head, form, err := image.DecodeConfig(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading a picture: %w", err)
	}
	if head.Width < 1 || head.Height < 1 || head.Width > maxSide || head.Height > maxSide {
		return nil, fmt.Errorf("a %s of %d by %d dots; at most %d by %d are shown", form, head.Width, head.Height, maxSide, maxSide)
	}
	picture, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading a %s: %w", form, err)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("drawing a %s anew: %w", form, err)
	}
	if out.Len() > maxDrawn {
		return nil, errors.New("a picture that is too long")
	}
	return out.Bytes(), nil
}

// Serve answers /logo/:id.
func (l *Logos) Serve(c *fiber.Ctx) error {
	id, err := url.PathUnescape(c.Params("id"))
	if err != nil || len(id) > 256 || authz.CheckText(id) != nil {
		return page.Fault(view.ErrorNotFound)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	drawn, err := l.of(ctx, authz.ClientID(id))
	if err != nil || len(drawn) == 0 {
		return c.SendStatus(fiber.StatusNotFound)
	}
	c.Set(fiber.HeaderContentType, "image/png")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'")
	c.Set(fiber.HeaderCacheControl, fmt.Sprintf("public, max-age=%d", int(life.Seconds())))
	return c.Send(drawn)
}
