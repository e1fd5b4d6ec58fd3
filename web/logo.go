package web

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

	"hopnhat/authz"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// Fetcher gets what is at an address that an app registered, no longer than limit.
type Fetcher interface {
	Fetch(ctx context.Context, address string, limit int64) ([]byte, error)
}

// Limits of logos.
const (
	maxLogo     = 64 << 10 // bytes that are fetched
	maxLogoSide = 512      // dots
	maxLogoOut  = 512 << 10
	maxLogos    = 500 // kept at a time
	logoFetches = 4   // at a time
	logoLife    = 10 * time.Minute
	logoTime    = 5 * time.Second
)

// logos are the pictures of apps whose agency was verified (logo_uri, RFC 7591 §2).
// They are fetched by us and drawn anew: a page of ours loads nothing from elsewhere,
// nobody learns from a picture who signs in where, and what is shown is dots. An app
// that nobody vouches for has none: its picture would be the emblem of somebody else.
type logos struct {
	fetcher Fetcher
	clients page.Clients
	now     func() time.Time
	fetches chan struct{}

	mu   sync.Mutex
	kept map[authz.ClientID]*logo
}

// logo is one that is kept, empty where there is none to be had.
type logo struct {
	ready chan struct{} // closed once png is there
	png   []byte
	until time.Time
}

func newLogos(fetcher Fetcher, clients page.Clients, now func() time.Time) *logos {
	return &logos{fetcher: fetcher, clients: clients, now: now, fetches: make(chan struct{}, logoFetches), kept: map[authz.ClientID]*logo{}}
}

// of is the logo of an app; of any number of calls at once one fetches it.
func (l *logos) of(ctx context.Context, id authz.ClientID) ([]byte, error) {
	l.mu.Lock()
	one := l.kept[id]
	mine := one == nil || !l.now().Before(one.until)
	if mine {
		if len(l.kept) >= maxLogos {
			clear(l.kept)
		}
		one = &logo{ready: make(chan struct{}), until: l.now().Add(logoLife)}
		l.kept[id] = one
	}
	l.mu.Unlock()
	if mine {
		var keep bool
		if one.png, keep = l.fetch(ctx, id); !keep {
			l.mu.Lock()
			if l.kept[id] == one {
				delete(l.kept, id)
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
func (l *logos) fetch(ctx context.Context, id authz.ClientID) (drawn []byte, keep bool) {
	client, err := l.clients.Client(ctx, id)
	if err != nil || page.LogoPath(client) == "" {
		return nil, false
	}
	select {
	case l.fetches <- struct{}{}:
		defer func() { <-l.fetches }()
	case <-ctx.Done():
		return nil, false
	}
	raw, err := l.fetcher.Fetch(ctx, client.LogoURI, maxLogo)
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
	if head.Width < 1 || head.Height < 1 || head.Width > maxLogoSide || head.Height > maxLogoSide {
		return nil, fmt.Errorf("a %s of %d by %d dots; at most %d by %d are shown", form, head.Width, head.Height, maxLogoSide, maxLogoSide)
	}
	picture, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading a %s: %w", form, err)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("drawing a %s anew: %w", form, err)
	}
	if out.Len() > maxLogoOut {
		return nil, errors.New("a picture that is too long")
	}
	return out.Bytes(), nil
}

func (s *Server) logo(c *fiber.Ctx) error {
	id, err := url.PathUnescape(c.Params("id"))
	if err != nil || len(id) > 256 || authz.CheckText(id) != nil || s.logos == nil {
		return page.Fault(view.ErrorNotFound)
	}
	ctx, cancel := context.WithTimeout(context.Background(), logoTime)
	defer cancel()
	drawn, err := s.logos.of(ctx, authz.ClientID(id))
	if err != nil || len(drawn) == 0 {
		return c.SendStatus(fiber.StatusNotFound)
	}
	c.Set(fiber.HeaderContentType, "image/png")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'")
	c.Set(fiber.HeaderCacheControl, fmt.Sprintf("public, max-age=%d", int(logoLife.Seconds())))
	return c.Send(drawn)
}
