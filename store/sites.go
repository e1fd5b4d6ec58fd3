package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"hopnhat/authz"
	"hopnhat/store/handle"
)

// SiteLease is how long a site stays with a node that shows nothing of itself any
// more. A node shows itself each 2 s. Whoever has the site writes its release log.
const SiteLease = 30 * time.Second

// ErrSiteTaken means that another node has the site.
var ErrSiteTaken = errors.New("another node serves this site")

// Node is a node of a site: a state folder, at one start.
type Node struct {
	// Place is machine and path, for people; machines that were copied share it.
	Place string
	// Folder is the random name of the folder, which is the same at each start.
	Folder string
	// Run is the random name of the start. Of two copies of one folder the later takes
	// the site, and the earlier is told by its next beat.
	Run string
	// Address is host:port where other nodes of the site reach its log, empty if none may.
	Address string
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

// clock is the time of the database, so that nodes whose clocks differ agree how long ago
// one showed itself. SQLite is in this process and has no other clock.
func (db Sites) clock(ctx context.Context) (time.Time, error) {
	now := db.Now()
	if db.Dialect() == PostgreSQL {
		if err := db.Beats().QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
			return time.Time{}, handle.Wrap("reading the clock of the database", err)
		}
	}
	return now.UTC(), nil
}

// TakeSite makes a node the one of its site, unless another one is and lives:
// ErrSiteTaken says which. A folder that starts again has its site at once.
func (db Sites) TakeSite(ctx context.Context, site string, n Node) error {
	now, err := db.clock(ctx)
	if err != nil {
		return err
	}
	err = Heads{db: db.Handle}.one(ctx, "taking a site", `INSERT INTO sites (site, node, address, seen_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (site) DO UPDATE SET node = excluded.node, address = excluded.address, seen_at = excluded.seen_at
		WHERE substr(sites.node, 1, ?) = ? OR sites.seen_at < ?`,
		site, n.text(), n.Address, now, utf8.RuneCountInString(n.folder()), n.folder(), now.Add(-SiteLease))
	if !errors.Is(err, authz.ErrConflict) {
		return err
	}
	other, err := db.Holder(ctx, site)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s is served by %s, seen %s ago; nodes of one site share its release log, and need log_listen at each; otherwise each node needs a site of its own: set `site`. If that node is gone, its site is free %s after it was last seen",
		ErrSiteTaken, site, other.Place, now.Sub(other.SeenAt).Round(time.Second), SiteLease)
}

// Holder is the node that has a site.
type Holder struct {
	Place   string // machine and path
	Address string // where other nodes reach its log, empty if none may
	SeenAt  time.Time
}

// Holder reads which node has a site; the zero Holder if none has.
func (db Sites) Holder(ctx context.Context, site string) (Holder, error) {
	var node, address string
	var seen time.Time
	err := db.Beats().QueryRowContext(ctx, db.Bind("SELECT node, address, seen_at FROM sites WHERE site = ?"), site).Scan(&node, &address, &seen)
	if errors.Is(err, sql.ErrNoRows) {
		return Holder{}, nil
	}
	return Holder{placeOf(node), address, seen.UTC()}, handle.Wrap("reading which node serves a site", err)
}

// LeaveSite lets another node have the site at once.
func (db Sites) LeaveSite(ctx context.Context, site string, n Node) error {
	return handle.Wrap("leaving a site", db.Writer(ctx).Exec("DELETE FROM sites WHERE site = ? AND node = ?", site, n.text()).Error)
}

// Beat is one small write by the node that has a site, which shows that it lives, and
// that what is written here is kept. It uses a connection of its own, which no load takes
// away, and is not counted in [DB.Stats]: it belongs to no request.
func (db Sites) Beat(ctx context.Context, site string, n Node) error {
	seen, args := "?", []any{db.Now().UTC(), site, n.text()}
	if db.Dialect() == PostgreSQL {
		seen, args = "clock_timestamp()", args[1:]
	}
	err := Heads{db: db.Handle}.one(ctx, "writing to the database",
		"UPDATE sites SET seen_at = "+seen+" WHERE site = ? AND node = ?", args...)
	if errors.Is(err, authz.ErrConflict) {
		return fmt.Errorf("%w: %w", authz.ErrUnavailable, ErrSiteTaken)
	}
	return err
}

// Attend is the Beat of a node that does not have the site.
func (db Sites) Attend(ctx context.Context, site string, n Node) error {
	return Heads{db: db.Handle}.one(ctx, "writing to the database", `INSERT INTO site_nodes (node, site, seen_at, address) VALUES (?, ?, ?, ?)
		ON CONFLICT (node) DO UPDATE SET site = excluded.site, seen_at = excluded.seen_at, address = excluded.address`,
		n.folder(), site, db.Now().UTC(), n.Address)
}

// Peers are where the nodes of a site are reached that do not write its log, those that
// showed themselves last before the others.
func (db Sites) Peers(ctx context.Context, site string) ([]string, error) {
	const doing = "listing the nodes of a site"
	rows, err := db.Beats().QueryContext(ctx, db.Bind("SELECT address FROM site_nodes WHERE site = ? AND address <> '' ORDER BY seen_at DESC LIMIT 16"), site)
	if err != nil {
		return nil, handle.Wrap(doing, err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var address string
		if err := rows.Scan(&address); err != nil {
			return nil, handle.Wrap(doing, err)
		}
		all = append(all, address)
	}
	return all, handle.Wrap(doing, rows.Err())
}
