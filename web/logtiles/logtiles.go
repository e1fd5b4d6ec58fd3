// Package logtiles serves the newest checkpoints and the keys of the two logs of a site to
// anybody, and their files to auditors: checkpoint, tiles and entry bundles of each shard, as
// https://c2sp.org/tlog-tiles has them. An entry is a leaf, which tells the type of an event
// and nothing else of it.
package logtiles

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/tiles"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// Paths are where one of the logs is: the files of a shard are below Shards, whose last segment
// but these is the shard; Key and Checkpoint are of the shard that takes entries.
type Paths struct{ Shards, Key, Checkpoint string }

// PathsOf are those of a log.
func PathsOf(log audit.Tree) Paths {
	below := "/log"
	if log == audit.ConsentTree {
		below = "/log/consent"
	}
	return Paths{below + "/shards/:shard/*", below + "/key", below + "/checkpoint"}
}

// Logs have the files of the shards. authz.ErrNotFound and fs.ErrNotExist say that there is none.
type Logs interface {
	ShardFile(ctx context.Context, log audit.Tree, shard, path string) ([]byte, error)
	// Newest and NewestKey are checkpoint and key of the shard that takes entries.
	Newest(ctx context.Context, log audit.Tree) ([]byte, error)
	NewestKey(log audit.Tree) string
}

// Tokens knows whose a token is ([hopnhat/authz/audit/reader]).
type Tokens interface {
	Auditor(token string, now time.Time) (auditor authz.Subject, ok bool)
}

// Roles reports whether a person has a role and is not locked.
type Roles interface {
	HasRole(ctx context.Context, who authz.Subject, role authz.Role) (bool, error)
}

// Files serves those of one log.
type Files struct {
	Logs   Logs
	Tree   audit.Tree
	Tokens Tokens
	Roles  Roles
	Now    func() time.Time
}

// Handler lets in who has a token of an auditor (RFC 6750 §2.1), and leaves every request
// without one to the session of a browser.
func (f Files) Handler(browser fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		scheme, token, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
		if scheme == "" {
			return browser(c)
		}
		auditor, ok := f.Tokens.Auditor(token, f.Now())
		if ok && strings.EqualFold(scheme, "Bearer") {
			has, err := f.Roles.HasRole(c.UserContext(), auditor, authz.Auditor)
			if err != nil {
				return err
			}
			if has {
				return f.send(c.UserContext(), c)
			}
		}
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="release log", error="invalid_token"`) // RFC 6750 §3
		c.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
		return c.Status(fiber.StatusUnauthorized).SendString("the token is not one of an auditor, or has ended\n")
	}
}

// Key tells anybody the key of the shard that takes entries.
func (f Files) Key(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	return c.SendString(f.Logs.NewestKey(f.Tree) + "\n")
}

// Checkpoint tells anybody the newest tree head of that shard.
func (f Files) Checkpoint(v *page.Visit) error {
	raw, err := f.Logs.Newest(v.Context, f.Tree)
	if err != nil {
		return err
	}
	v.C.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	return v.C.Send(raw)
}

// Show sends a file to an auditor who is signed in.
func (f Files) Show(v *page.Visit) error { return f.send(v.Context, v.C) }

func (f Files) send(ctx context.Context, c *fiber.Ctx) error {
	path := c.Params("*")
	if !tiles.Known(path) {
		return page.Fault(view.ErrorNotFound)
	}
	raw, err := f.Logs.ShardFile(ctx, f.Tree, c.Params("shard"), path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, authz.ErrNotFound):
		return page.Fault(view.ErrorNotFound)
	case err != nil:
		return err
	}
	c.Set(fiber.HeaderContentType, "application/octet-stream")
	c.Set(fiber.HeaderCacheControl, "no-store")
	switch {
	case path == tiles.Checkpoint:
		c.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	case !tiles.Partial(path):
		c.Set(fiber.HeaderCacheControl, "private, max-age=31536000, immutable")
	}
	return c.Send(raw)
}
