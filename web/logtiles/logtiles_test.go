package logtiles

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

type room struct{ role bool }

func (room) Newest(_ context.Context, log audit.Tree) ([]byte, error) {
	return []byte("head of " + log), nil
}

func (room) NewestKey(log audit.Tree) string { return "key of " + string(log) }

func (room) ShardFile(_ context.Context, log audit.Tree, shard, path string) ([]byte, error) {
	if shard != "2026q4" && (log != audit.ConsentTree || shard != "2026q3") {
		return nil, authz.ErrNotFound
	}
	if path == "tile/0/001" {
		return nil, fs.ErrNotExist
	}
	return []byte("file " + path), nil
}

func (room) Auditor(token string, _ time.Time) (authz.Subject, bool) { return "a", token == "good" }

func (r room) HasRole(_ context.Context, who authz.Subject, role authz.Role) (bool, error) {
	return r.role && who == "a" && role == authz.Auditor, nil
}

// TestFiles: who is let in, and to what.
func TestFiles(t *testing.T) {
	const base = "/log/shards/2026q4/"
	for _, row := range []struct {
		name, path, authorization string
		role                      bool
		status                    int
		cache                     string
	}{
		{"the checkpoint", base + "checkpoint", "Bearer good", true, 200, "no-store"},
		{"a full tile", base + "tile/0/000", "Bearer good", true, 200, "private, max-age=31536000, immutable"},
		{"a partial tile", base + "tile/0/x001/234.p/17", "bearer good", true, 200, "no-store"},
		{"an entry bundle", base + "tile/entries/000", "Bearer good", true, 200, "private, max-age=31536000, immutable"},
		{"a file of the consent log", "/log/consent/shards/2026q3/checkpoint", "Bearer good", true, 200, "no-store"},
		{"the consent log without a token", "/log/consent/shards/2026q3/checkpoint", "", true, 418, ""},
		{"a shard of the consent log that is none of the release log", "/log/shards/2026q3/checkpoint", "Bearer good", true, 404, ""},
		{"a tile that is not there", base + "tile/0/001", "Bearer good", true, 404, ""},
		{"another shard", "/log/shards/2020q1/checkpoint", "Bearer good", true, 404, ""},
		{"a file beside them", base + "checkpoint.cosigned", "Bearer good", true, 404, ""},
		{"the state of the writer", base + ".state/x", "Bearer good", true, 404, ""},
		{"a way out", base + "tile/0/..%2f..%2fcheckpoint", "Bearer good", true, 404, ""},
		{"a group of zeroes before the number", base + "tile/0/x000/001", "Bearer good", true, 404, ""},
		{"the key of the consent log", "/log/consent/key", "", false, 200, ""},
		{"a bad token", base + "checkpoint", "Bearer bad", true, 401, ""},
		{"another scheme", base + "checkpoint", "Basic good", true, 401, ""},
		{"the role was taken, or she is locked", base + "checkpoint", "Bearer good", false, 401, ""},
		{"no token", base + "checkpoint", "", true, 418, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := room{row.role}
			app := fiber.New(fiber.Config{ErrorHandler: func(c *fiber.Ctx, err error) error {
				var f *fiber.Error
				if errors.As(err, &f) {
					return c.SendStatus(f.Code)
				}
				return c.SendStatus(http.StatusNotFound) // a fault, which is a page
			}})
			for _, log := range []audit.Tree{audit.ReleaseTree, audit.ConsentTree} {
				files := Files{Logs: r, Tree: log, Tokens: r, Roles: r, Now: time.Now}
				app.Get(PathsOf(log).Shards, files.Handler(func(c *fiber.Ctx) error { return c.SendStatus(http.StatusTeapot) }))
				app.Get(PathsOf(log).Key, files.Key)
			}
			request := httptest.NewRequest(http.MethodGet, row.path, http.NoBody)
			if row.authorization != "" {
				request.Header.Set("Authorization", row.authorization)
			}
			answer, err := app.Test(request)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != row.status || row.cache != "" && answer.Header.Get("Cache-Control") != row.cache {
				t.Errorf("%d, %v, %q", answer.StatusCode, answer.Header, body)
			}
			if row.status == http.StatusUnauthorized && answer.Header.Get("WWW-Authenticate") == "" {
				t.Error("RFC 6750 §3: no challenge")
			}
		})
	}
}
