// Package counters keeps what the writer of a log counted ([counts.Counter]). Rows are added and
// never changed; each carries a MAC. A row without one that holds counts for nothing, and keeps no
// true one from being added.
package counters

import (
	"context"
	"fmt"
	"time"

	"hopnhat/authz/audit/counts"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
)

// Book is the counters of a database. Its statements belong to no request.
type Book struct {
	*handle.Handle
	// Events has the keys of the MACs.
	Events evidence.Book
}

// Add adds a counter; one that is there already stays.
func (b Book) Add(ctx context.Context, c counts.Counter) error {
	const doing = "keeping a counter of the log"
	c.At = c.At.UTC().Truncate(time.Microsecond)
	said, err := c.Text()
	if err != nil {
		return handle.Wrap(doing, err)
	}
	mac, err := b.Events.Keys().SealMark(ctx, c.Mark(said))
	if err != nil {
		return handle.Wrap(doing, err)
	}
	_, err = b.Beats().ExecContext(ctx, b.Bind("INSERT INTO log_counters (origin, first_idx, end_idx, counted_at, counted, mac)"+
		" VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"), c.Origin, int64(c.First), int64(c.End), c.At, said, handle.Blob(mac))
	return handle.Wrap(doing, err)
}

// page is how many counters one statement reads, each of [counts.Longest] at most.
const page = 32

// columns are those of a counter. What is no time, no number or longer than any counter is read as
// something else, by which the MAC is wrong.
func (b Book) columns() string {
	if b.Dialect() == handle.PostgreSQL {
		return fmt.Sprintf("first_idx, end_idx, CASE WHEN isfinite(counted_at) THEN counted_at ELSE timestamptz 'epoch' END,"+
			" CASE WHEN octet_length(counted) <= %d THEN counted ELSE '' END, mac", counts.Longest)
	}
	return fmt.Sprintf("CAST(first_idx AS integer), CAST(end_idx AS integer), counted_at,"+
		" CASE WHEN length(CAST(counted AS blob)) <= %d THEN CAST(counted AS text) ELSE '' END, CAST(mac AS blob)", counts.Longest)
}

// row is one as the database gives it.
type row struct {
	counts.Counter
	mac []byte
	// genuine says that a server wrote it so.
	genuine bool
}

func (b Book) read(ctx context.Context, origin, condition string, args ...any) ([]row, error) {
	const doing = "reading the counters of the log"
	found, err := b.Background().QueryContext(ctx, b.Bind("SELECT "+b.columns()+" FROM log_counters WHERE origin = ? AND "+condition),
		append([]any{origin}, args...)...)
	if err != nil {
		return nil, handle.Wrap(doing, err)
	}
	defer found.Close()
	var rows []row
	for found.Next() {
		var first, end int64
		var at evidence.Moment
		var said string
		r := row{Counter: counts.Counter{Origin: origin}}
		if err := found.Scan(&first, &end, &at, &said, &r.mac); err != nil {
			return nil, handle.Wrap(doing, err)
		}
		r.First, r.End, r.At = uint64(first), uint64(end), at.UTC()
		proved, err := b.Events.Keys().ProvesMark(ctx, r.Mark(said), r.mac)
		if err != nil {
			return nil, handle.Wrap(doing, err)
		}
		r.genuine = proved && r.Read(said) == nil
		rows = append(rows, r)
	}
	return rows, handle.Wrap(doing, found.Err())
}

// Walk tells of the counters of a shard whose first place is in a stretch, in their order, and
// whether each is genuine, until it is told that there were enough.
func (b Book) Walk(ctx context.Context, origin string, from, to uint64, visit func(c counts.Counter, genuine bool) (more bool)) error {
	for at, mac := int64(from), []byte{}; ; {
		rows, err := b.read(ctx, origin, "(first_idx, mac) > (?, ?) AND first_idx < ? ORDER BY first_idx, mac LIMIT ?",
			at, handle.Blob(mac), int64(to), page)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if !visit(r.Counter, r.genuine) {
				return nil
			}
			at, mac = int64(r.First), r.mac
		}
		if len(rows) < page {
			return nil
		}
	}
}

// End is the end of the last genuine counter of a shard; there says that there is one.
func (b Book) End(ctx context.Context, origin string) (end uint64, there bool, err error) {
	condition, args := "first_idx >= 0 ORDER BY first_idx DESC, mac DESC LIMIT ?", []any{page}
	for {
		rows, err := b.read(ctx, origin, condition, args...)
		if err != nil {
			return 0, false, err
		}
		for _, r := range rows {
			if r.genuine {
				return r.End, true, nil
			}
		}
		if len(rows) < page {
			return 0, false, nil
		}
		last := rows[page-1]
		condition = "(first_idx, mac) < (?, ?) ORDER BY first_idx DESC, mac DESC LIMIT ?"
		args = []any{int64(last.First), handle.Blob(last.mac), page}
	}
}
