package federating

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"hopnhat/authz/authn"
	"hopnhat/authz/outbound"
	"hopnhat/federation/authority"
	"hopnhat/federation/bundle/follow"
	"hopnhat/federation/bundle/order"
	"hopnhat/federation/bundle/shelf"
	"hopnhat/federation/resolver"
	"hopnhat/federation/trust"
	"hopnhat/keys/durable"
)

// Bounds on how often a bundle is made: more often costs the disk, and less often makes what is
// carried too old.
const (
	minEvery = 5 * time.Minute
	maxEvery = 24 * time.Hour
)

// bundleBurst is how often one address may ask for bundles at once, bundleInterval after how long
// it may once more: one who gets a long bundle asks for each 4 MB of it.
const (
	bundleBurst    = 100
	bundleInterval = time.Second
)

// retryEvery is after how long it is tried again to make a bundle that could not be made, or that
// was not due.
const retryEvery = time.Minute

// bundles is how bundles are made and got.
type bundles struct {
	every time.Duration // zero: none are made
	from  []string
}

func (f form) bundles(e *Entity) (b bundles, err error) {
	if f.BundleEvery != "" {
		b.every, err = time.ParseDuration(f.BundleEvery)
		itself := slices.ContainsFunc(e.Anchors, func(a trust.Anchor) bool { return a.ID == e.ID() })
		switch {
		case err != nil || b.every < minEvery || b.every > maxEvery:
			return b, fmt.Errorf("bundle_every: %q is no time from %s to %s, such as 1h", f.BundleEvery, minEvery, maxEvery)
		case !itself:
			return b, errors.New("bundle_every: a bundle vouches for what leads to the one that signs it: name this entity in anchors")
		}
	}
	for _, address := range f.BundleFrom {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
			return b, fmt.Errorf("bundle_from: %q is no https address, such as https://neo.example.vn%s", address, authority.BundlePath)
		}
	}
	if b.from = f.BundleFrom; len(b.from) > 0 && len(e.Anchors) == 0 {
		return b, errors.New("bundle_from: a bundle is taken in by the keys of anchors: name them in anchors")
	}
	return b, nil
}

// carry lets the server make bundles and get those of others, as its file says.
func (s *Server) carry(e *Entity, p Parts) error {
	places := order.Order{Folder: p.State, Book: p.Bundles}
	for _, name := range []string{follow.FileName, order.FileName, resolver.FileName} {
		if err := durable.Tidy(filepath.Join(p.State, name)); err != nil {
			return err
		}
	}
	if e.bundles.every > 0 {
		made, err := shelf.New(shelf.Options{
			Folder: filepath.Join(p.State, shelf.FolderName), Issuer: e.ID(), Ring: p.Ring, Order: places, Now: time.Now,
			Callers: authn.NewAddresses(bundleBurst, bundleInterval, time.Now),
		})
		if err != nil {
			return err
		}
		s.handlers[authority.BundlePath] = made.ServeHTTP
		s.making = &making{made, s.resolver, e.bundles.every}
	}
	if len(e.bundles.from) > 0 {
		s.following = &follow.Follower{
			From: e.bundles.from, Anchors: e.Anchors, Out: outbound.NewWithin(e.Bounds), Order: places, Resolver: s.resolver, Now: time.Now,
		}
	}
	return nil
}

// making makes bundles in the background.
type making struct {
	shelf    *shelf.Shelf
	resolver *resolver.Resolver
	every    time.Duration
}

// run makes one where the last is old enough, until ctx ends.
func (m *making) run(ctx context.Context) {
	for {
		pause := time.NewTimer(retryEvery)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		if err := m.due(ctx, time.Now()); err != nil {
			slog.ErrorContext(ctx, "a bundle of the federation could not be made; it is tried again", "error", err)
		}
	}
}

// due makes a bundle if the last is old enough and somebody is trusted.
func (m *making) due(ctx context.Context, now time.Time) error {
	last, err := m.shelf.Made()
	if err != nil || now.Before(last.Add(m.every)) && !last.After(now) { // a clock may have gone back
		return err
	}
	content, trusted, err := m.resolver.Content()
	if err != nil || trusted == 0 {
		return err
	}
	return m.shelf.Make(ctx, content)
}
