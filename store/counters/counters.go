// Package counters keeps what the writer of a log counted ([counts.Counter]). Rows are added and
// never changed; each carries a MAC. A row without one that holds counts for nothing, keeps no
// true one from being added, and hides none: the n-th counter of a shard has a tag that nobody
// else knows.
package counters

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
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
	there := 0
	err = b.Beats().QueryRowContext(ctx, b.Bind("SELECT count(*) FROM log_counters WHERE origin = ? AND first_idx = ? AND mac = ?"),
		c.Origin, int64(c.First), handle.Blob(mac)).Scan(&there)
	if err != nil || there > 0 {
		return handle.Wrap(doing, err)
	}
	for range 3 { // another node may add one at the same time
		n, err := b.last(ctx, c.Origin)
		if err != nil {
			return err
		}
		tag, err := b.Events.Keys().CounterTag(ctx, c.Origin, n+1)
		if err != nil {
			return handle.Wrap(doing, err)
		}
		done, err := b.Beats().ExecContext(ctx, b.Bind("INSERT INTO log_counters (origin, first_idx, end_idx, counted_at, counted, mac, tag)"+
			" VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"), c.Origin, int64(c.First), int64(c.End), c.At, said, handle.Blob(mac), tag)
		if err != nil {
			return handle.Wrap(doing, err)
		}
		if rows, err := done.RowsAffected(); err != nil || rows > 0 {
			return handle.Wrap(doing, err)
		}
	}
	return fmt.Errorf("%s: others are added to %s all the time: %w", doing, c.Origin, authz.ErrConflict)
}

// page is how many counters one statement reads, each of [counts.Longest] at most.
const page = 32

// columns are those of a counter. What is no time, no number or longer than any counter is read as
// something else, by which the MAC is wrong.
func (b Book) columns() string {
	if b.Dialect() == handle.PostgreSQL {
		return fmt.Sprintf("first_idx, end_idx, CASE WHEN isfinite(counted_at) THEN counted_at ELSE timestamptz 'epoch' END,"+
			" CASE WHEN octet_length(counted) <= %d THEN counted ELSE '' END, mac, COALESCE(tag, 0)", counts.Longest)
	}
	return fmt.Sprintf("CAST(first_idx AS integer), CAST(end_idx AS integer), counted_at,"+
		" CASE WHEN length(CAST(counted AS blob)) <= %d THEN CAST(counted AS text) ELSE '' END, CAST(mac AS blob), CAST(COALESCE(tag, 0) AS integer)", counts.Longest)
}

// row is one as the database gives it.
type row struct {
	counts.Counter
	mac []byte
	tag int64
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
		if err := found.Scan(&first, &end, &at, &said, &r.mac, &r.tag); err != nil {
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
// whether each is genuine, until it is told that there were enough. Where one is not, it is told
// of, and from there on the genuine ones are found by their tags: however many others
// somebody added, they are not read.
func (b Book) Walk(ctx context.Context, origin string, from, to uint64, visit func(c counts.Counter, genuine bool) (more bool)) error {
	told := map[string]bool{} // MACs of those from which the tags go on
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
			if !r.genuine {
				return b.walkTagged(ctx, origin, uint64(at), to, told, visit)
			}
			if int64(r.First) != at {
				clear(told)
			}
			at, mac, told[string(r.mac)] = int64(r.First), r.mac, true
		}
		if len(rows) < page {
			return nil
		}
	}
}

// walkTagged is [Book.Walk] of genuine counters alone, but those that were told of.
func (b Book) walkTagged(
	ctx context.Context, origin string, from, to uint64, told map[string]bool, visit func(c counts.Counter, genuine bool) (more bool),
) error {
	last, err := b.last(ctx, origin)
	if err != nil {
		return err
	}
	// Counters are added in the order of their places, but where two nodes counted at once: so
	// one page more is read.
	low, high := int64(0), last+1 // what is at low begins before from
	for high-low > page {
		some, err := b.tagged(ctx, origin, spread(low, high))
		if err != nil {
			return err
		}
		before := low
		for n, r := range some {
			if r.First < from {
				before = max(before, n)
			} else {
				high = min(high, n)
			}
		}
		if len(some) == 0 { // none of them is there
			break
		}
		low = min(before, high-1)
	}
	for n := max(low-page, 0) + 1; n <= last; n += page {
		some, err := b.tagged(ctx, origin, numbers(n, page))
		if err != nil {
			return err
		}
		here := false
		order := func(x, y int64) int { return cmp.Or(cmp.Compare(some[x].First, some[y].First), cmp.Compare(x, y)) }
		for _, n := range slices.SortedFunc(maps.Keys(some), order) {
			r := some[n]
			here = here || r.First < to
			if r.First >= from && r.First < to && !told[string(r.mac)] && !visit(r.Counter, true) {
				return nil
			}
		}
		if !here && len(some) > 0 {
			return nil
		}
	}
	return nil
}

// End is the end of the last genuine counter of a shard; there says that there is one. It is
// among the last ones, or is found by its tag.
func (b Book) End(ctx context.Context, origin string) (end uint64, there bool, err error) {
	rows, err := b.read(ctx, origin, "first_idx >= 0 ORDER BY first_idx DESC, mac DESC LIMIT ?", page)
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
	for n, err := b.last(ctx, origin); err != nil || n > 0; n -= page {
		if err != nil {
			return 0, false, err
		}
		some, err := b.tagged(ctx, origin, numbers(max(n-page, 0)+1, page))
		if err != nil {
			return 0, false, err
		}
		for _, r := range some {
			end, there = max(end, r.End), true
		}
		if there {
			break
		}
	}
	return end, there, nil
}

// tagged are genuine counters of a shard by their numbers.
func (b Book) tagged(ctx context.Context, origin string, numbers []int64) (map[int64]row, error) {
	of, args := map[int64]int64{}, make([]any, len(numbers))
	for i, n := range numbers {
		tag, err := b.Events.Keys().CounterTag(ctx, origin, n)
		if err != nil {
			return nil, err
		}
		of[tag], args[i] = n, tag
	}
	rows, err := b.read(ctx, origin, "tag IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(args)), ", ")+")", args...)
	found := make(map[int64]row, len(rows))
	for _, r := range rows {
		if r.genuine {
			found[of[r.tag]] = r
		}
	}
	return found, err
}

// last is how many counters of a shard have tags: up to that number each has one.
func (b Book) last(ctx context.Context, origin string) (int64, error) {
	// high doubles until it is not there, and then what lies between is divided.
	low, high := int64(0), int64(1)<<40
	var ask []int64
	for n := int64(1); n < high; n *= 2 {
		ask = append(ask, n)
	}
	for {
		there, err := b.which(ctx, origin, ask)
		if err != nil {
			return 0, err
		}
		for _, n := range ask {
			if there[n] {
				low = max(low, n)
			}
		}
		for _, n := range ask {
			if n > low {
				high = min(high, n)
			}
		}
		if high-low <= 1 {
			return low, nil
		}
		ask = spread(low, high)
	}
}

// which of some counters of a shard there are.
func (b Book) which(ctx context.Context, origin string, numbers []int64) (map[int64]bool, error) {
	const doing = "reading the counters of the log"
	of, args := map[int64]int64{}, []any{origin}
	for _, n := range numbers {
		tag, err := b.Events.Keys().CounterTag(ctx, origin, n)
		if err != nil {
			return nil, err
		}
		of[tag], args = n, append(args, tag)
	}
	rows, err := b.Background().QueryContext(ctx, b.Bind("SELECT tag FROM log_counters WHERE origin = ? AND tag IN ("+
		strings.TrimSuffix(strings.Repeat("?, ", len(numbers)), ", ")+")"), args...)
	if err != nil {
		return nil, handle.Wrap(doing, err)
	}
	defer rows.Close()
	there := map[int64]bool{}
	for rows.Next() {
		var tag int64
		if err := rows.Scan(&tag); err != nil {
			return nil, handle.Wrap(doing, err)
		}
		there[of[tag]] = true
	}
	return there, handle.Wrap(doing, rows.Err())
}

// spread are a page of numbers between two at most, all if they are few.
func spread(low, high int64) []int64 {
	var all []int64
	step := max((high-low)/page, 1)
	for n := low + step; n < high && len(all) < page; n += step {
		all = append(all, n)
	}
	return all
}

// numbers are so many from one on.
func numbers(first int64, n int) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = first + int64(i)
	}
	return all
}
