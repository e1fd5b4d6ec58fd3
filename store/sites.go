package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"hopnhat/authz"
)

// SiteLease is how long a site stays with a node that shows nothing of itself any
// more. A node shows itself each 2 s.
const SiteLease = 30 * time.Second

// ErrSiteTaken means that another node serves the site.
var ErrSiteTaken = errors.New("another node serves this site")

// Node is who serves a site: a state folder, at one start.
type Node struct {
	// Place is machine and path, for people; machines that were copied share it.
	Place string
	// Folder is the random name of the folder, which is the same at each start.
	Folder string
	// Run is the random name of the start. Of two copies of one folder the later takes
	// the site, and the earlier is told by its next beat.
	Run string
}

func (n Node) folder() string { return n.Place + "#" + n.Folder + "#" }
func (n Node) text() string   { return n.folder() + n.Run }

// placeOf is the place in the text of a node.
func placeOf(text string) string {
	for range 2 {
		if i := strings.LastIndexByte(text, '#'); i >= 0 {
			text = text[:i]
		}
	}
	return text
}

// TakeSite makes a node the one of its site, unless another one is and lives:
// ErrSiteTaken says which. A folder that starts again has its site at once.
func (db Sites) TakeSite(ctx context.Context, site string, n Node) error {
	now := db.now().UTC()
	res := db.writer(ctx).Exec(`INSERT INTO sites (site, node, seen_at) VALUES (?, ?, ?)
		ON CONFLICT (site) DO UPDATE SET node = excluded.node, seen_at = excluded.seen_at WHERE substr(sites.node, 1, ?) = ? OR sites.seen_at < ?`,
		site, n.text(), now, utf8.RuneCountInString(n.folder()), n.folder(), now.Add(-SiteLease))
	if res.Error != nil {
		return wrap("taking a site", res.Error)
	}
	if res.RowsAffected > 0 {
		return nil
	}
	var other struct {
		Node   string    `gorm:"column:node"`
		SeenAt time.Time `gorm:"column:seen_at"`
	}
	if err := db.reader(ctx).Raw("SELECT node, seen_at FROM sites WHERE site = ?", site).Scan(&other).Error; err != nil {
		return wrap("reading who serves a site", err)
	}
	return fmt.Errorf("%w: %s is served by %s, seen %s ago; each node needs a site of its own, since each writes its own release log: set `site`. If that node is gone, its site is free %s after it was last seen",
		ErrSiteTaken, site, placeOf(other.Node), now.Sub(other.SeenAt.UTC()).Round(time.Second), SiteLease)
}

// LeaveSite lets another node have the site at once.
func (db Sites) LeaveSite(ctx context.Context, site string, n Node) error {
	return wrap("leaving a site", db.writer(ctx).Exec("DELETE FROM sites WHERE site = ? AND node = ?", site, n.text()).Error)
}

// Beat is one small write by the node of a site, which shows that it lives, and that
// what is written here is kept. It uses a connection of its own, which no load takes
// away, and is not counted in [DB.Stats]: it belongs to no request.
func (db Sites) Beat(ctx context.Context, site string, n Node) error {
	query := "UPDATE sites SET seen_at = ? WHERE site = ? AND node = ?"
	if db.dialect == PostgreSQL {
		query = "UPDATE sites SET seen_at = $1 WHERE site = $2 AND node = $3"
	}
	res, err := db.beats.ExecContext(ctx, query, db.now().UTC(), site, n.text())
	if err != nil {
		return unavailable("writing to the database", err)
	}
	if found, err := res.RowsAffected(); err != nil {
		return unavailable("writing to the database", err)
	} else if found == 0 {
		return fmt.Errorf("%w: %w", authz.ErrUnavailable, ErrSiteTaken)
	}
	return nil
}
