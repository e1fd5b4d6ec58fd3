// Package streams reads the evidence in the large: millions of rows in a few statements a
// second, for whoever holds it against the log ([hopnhat/authz/audit/reconcile]). Its
// statements belong to no request and are not counted ([handle.Handle.Background]); each
// takes a bounded number of rows.
package streams

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
	"hopnhat/store/sqldb"
)

// Source reads the tables of the evidence. It is safe for concurrent use.
type Source struct {
	*handle.Handle
	// Seals check the MACs of rows.
	Seals *rowseal.Keys
	// Pause, if not nil, is called after each statement with how long that and the checking
	// of its rows took: who shares a machine waits in it. An error ends the stream.
	Pause func(ctx context.Context, worked time.Duration) error
	// Upgrading reports whether the release before may still note places, which carry no
	// MAC; nil: it does not.
	Upgrading func(ctx context.Context) (bool, error)
}

// chunk is how many rows a statement takes.
const chunk = 4096

// columns are those of an event e; placed selects places p with their events.
func (s Source) columns() string { return evidence.Columns(s.Dialect(), "e") }

func (s Source) placed() string {
	return "SELECT " + evidence.PlaceColumns(s.Dialect(), "p") + ", " + s.columns() + " FROM event_places p LEFT JOIN events e ON e.id = p.event_id"
}

// raw is one row as the database gives it.
type raw struct {
	index     int64
	event     string
	late      bool
	noted     evidence.Moment
	placeMAC  []byte
	id        pgtype.Text
	at        evidence.Moment
	kind      pgtype.Text
	client    pgtype.Text
	pseudonym pgtype.Text
	purpose   pgtype.Text
	registry  pgtype.Text
	permit    sql.NullBool
	consent   pgtype.Text
	visible   evidence.Moment
	canonical []byte
	salt      []byte
	sequence  pgtype.Int8
	mac       []byte
	key       pgtype.Text
}

func (r *raw) targets(placed bool) []any {
	of := []any{
		&r.id, &r.at, &r.kind, &r.client, &r.pseudonym, &r.purpose, &r.registry, &r.permit, &r.consent, &r.visible,
		&r.canonical, &r.salt, &r.sequence, &r.mac, &r.key,
	}
	if placed {
		of = append([]any{&r.index, &r.event, &r.late, &r.noted, &r.placeMAC}, of...)
	}
	return of
}

func (r *raw) sealed() rowseal.Row {
	s := rowseal.Row{
		ID: r.id.String, At: r.at.Time, Type: r.kind.String, Client: r.client.String, Pseudonym: r.pseudonym.String,
		Purpose: r.purpose.String, Registry: r.registry.String, Permit: r.permit.Bool, Consent: r.consent.String,
		Sequence: r.sequence.Int64, Canonical: r.canonical, Salt: r.salt, MAC: r.mac, Key: r.key.String,
	}
	if !r.visible.IsZero() {
		s.VisibleFrom = &r.visible.Time
	}
	return s
}

// check makes of a row what is compared, with its place in a shard if origin is not empty. An
// error is of the keyring.
func (s Source) check(ctx context.Context, origin string, r *raw) (reconcile.Row, error) {
	out := reconcile.Row{Index: uint64(r.index), Event: r.id.String, Gone: !r.id.Valid}
	if origin != "" {
		out.Event = r.event
		proved, err := s.Seals.ProvesPlace(ctx, rowseal.Place{
			Origin: origin, Index: uint64(r.index), Event: r.event, Late: r.late, Noted: r.noted.Time,
		}, r.placeMAC)
		if err != nil {
			return out, err
		}
		out.Unproven, out.Forged = !proved, !proved && len(r.placeMAC) > 0
	}
	if out.Gone {
		return out, nil
	}
	sealed := r.sealed()
	fault, err := s.Seals.Fault(ctx, sealed)
	if err != nil {
		return out, err
	}
	if out.Unsealed = fault == audit.FaultUnsealed; fault != "" && !out.Unsealed {
		out.Fault = string(fault)
		return out, nil
	}
	out.Pseudonym, out.Number, out.Client, out.At = sealed.Pseudonym, sealed.Sequence, authz.ClientID(sealed.Client), sealed.At
	out.Kind = audit.Type(sealed.Type)
	var id string
	if len(r.salt) == len(audit.Salt{}) {
		id, out.Leaf, err = commitment.LeafOf(r.canonical, audit.Salt(r.salt))
	}
	if err != nil || id != r.id.String {
		out.Leaf, out.Fault = nil, string(audit.FaultUnreadable)
	}
	return out, nil
}

// readAll reads rows side by side, on as many cores as there are.
func (s Source) readAll(ctx context.Context, origin string, rows []raw) ([]reconcile.Row, error) {
	out, failed := make([]reconcile.Row, len(rows)), make([]error, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	each := (len(rows) + len(failed) - 1) / len(failed)
	for w := range failed {
		from, to := min(w*each, len(rows)), min((w+1)*each, len(rows))
		all.Go(func() {
			for i := from; i < to && failed[w] == nil; i++ {
				out[i], failed[w] = s.check(ctx, origin, &rows[i])
			}
		})
	}
	all.Wait()
	return out, errors.Join(failed...)
}

// raws are the rows of statements that were looked at, to be used again.
var raws = sync.Pool{New: func() any { rows := make([]raw, 0, chunk); return &rows }}

// query runs one statement and reads its rows, with their places in a shard if origin is not
// empty.
func (s Source) query(ctx context.Context, origin, query string, args ...any) ([]reconcile.Row, error) {
	began := time.Now()
	kept := raws.Get().(*[]raw)
	rows := (*kept)[:0]
	defer func() { clear(rows); *kept = rows[:0]; raws.Put(kept) }()
	var one raw
	into := one.targets(origin != "")
	err := s.each(ctx, s.Bind(query), args, func(row sqldb.Row) error {
		one = raw{} // what is bytes is made anew for each row
		err := row.Scan(into...)
		rows = append(rows, one)
		return err
	})
	if err != nil {
		return nil, handle.Wrap("reading evidence", err)
	}
	out, err := s.readAll(ctx, origin, rows)
	if err != nil {
		return nil, fmt.Errorf("reading evidence: %w", err)
	}
	return out, s.pause(ctx, time.Since(began))
}

// each reads the rows of a statement.
func (s Source) each(ctx context.Context, query string, args []any, row func(sqldb.Row) error) error {
	if s.Dialect() == handle.PostgreSQL {
		return sqldb.Pool{DB: s.Background()}.Each(ctx, query, args, row)
	}
	rows, err := s.Background().QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s Source) pause(ctx context.Context, worked time.Duration) error {
	if s.Pause == nil {
		return ctx.Err()
	}
	return s.Pause(ctx, worked)
}

// Rows are the places of a shard from one on, up to another, each with its event. While a
// chunk is looked at the next one is read. However far beyond the end of the shard somebody
// put places, no more statements are made than there are rows for.
func (s Source) Rows(ctx context.Context, origin string, from, to uint64) iter.Seq2[reconcile.Row, error] {
	return func(yield func(reconcile.Row, error) bool) {
		caller := ctx
		ctx, stop := context.WithCancel(ctx)
		chunks := make(chan read, 1)
		go func() {
			defer close(chunks)
			for at, event, more := from, "", true; more; {
				var next read
				next.rows, next.err = s.query(ctx, origin, s.placed()+" WHERE p.origin = ? AND (p.idx, p.event_id) > (?, ?) AND p.idx < ?"+
					" ORDER BY p.idx, p.event_id LIMIT ?", origin, int64(at), event, int64(to), chunk)
				if more = len(next.rows) == chunk; more {
					at, event = next.rows[chunk-1].Index, next.rows[chunk-1].Event
				}
				select {
				case chunks <- next:
				case <-ctx.Done():
					return
				}
				if next.err != nil {
					return
				}
			}
		}()
		defer func() {
			stop()
			for range chunks { // until nothing is read any more
			}
		}()
		for some := range chunks {
			if some.err != nil {
				yield(reconcile.Row{}, some.err)
				return
			}
			for _, row := range some.rows {
				if !yield(row, nil) {
					return
				}
			}
		}
		if err := caller.Err(); err != nil { // rows that were not read are not missing
			yield(reconcile.Row{}, fmt.Errorf("reading evidence: %w", err))
		}
	}
}

// read is a chunk of rows, or why there is none.
type read struct {
	rows []reconcile.Row
	err  error
}

// skew is how far the clocks of two nodes may differ.
const skew = 5 * time.Minute

// Beyond are places of a shard from one on that were noted before a time that is
// [reconcile.Within] ago, or in a time to come: of a shard that nobody writes all of them, and
// at most a chunk.
func (s Source) Beyond(ctx context.Context, origin string, from uint64, before time.Time) iter.Seq2[reconcile.Row, error] {
	return s.once(func() ([]reconcile.Row, error) {
		return s.query(ctx, origin, s.placed()+
			" WHERE p.origin = ? AND p.idx >= ? AND (p.noted_at < ? OR p.noted_at > ?) ORDER BY p.idx LIMIT ?", origin, int64(from), before.UTC(),
			before.Add(reconcile.Within+skew).UTC(), chunk)
	})
}

func (s Source) once(read func() ([]reconcile.Row, error)) iter.Seq2[reconcile.Row, error] {
	return func(yield func(reconcile.Row, error) bool) {
		rows, err := read()
		if err != nil {
			yield(reconcile.Row{}, err)
			return
		}
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// Unplaced are the events of a stretch of ids that have no place in any log, whatever a hint
// in their row says: those after one id, up to the one that [Source.Stretch] gave.
func (s Source) Unplaced(ctx context.Context, after, upTo string) iter.Seq2[reconcile.Row, error] {
	return s.once(func() ([]reconcile.Row, error) {
		return s.query(ctx, "", "SELECT "+s.columns()+" FROM events e WHERE e.id > ? AND e.id <= ? AND NOT EXISTS"+
			" (SELECT 1 FROM event_places p WHERE p.event_id = e.id AND "+evidence.LivePlace+") ORDER BY e.id", after, upTo)
	})
}

// Stretch is the id of an event so many after one; empty if there are none after it.
func (s Source) Stretch(ctx context.Context, after string, events int) (string, error) {
	var last sql.NullString
	err := s.Background().QueryRowContext(ctx, s.Bind("SELECT max(id) FROM (SELECT id FROM events WHERE id > ? ORDER BY id LIMIT ?) AS t"),
		after, events).Scan(&last)
	return last.String, handle.Wrap("reading evidence", err)
}

// Origins are the shards that places name, known here or not.
func (s Source) Origins(ctx context.Context) ([]string, error) {
	return evidence.Origins(ctx, s.Handle)
}

// tail is how many of the newest places are looked at for those that are young.
const tail = 50_000

// Settled is the end of what is compared of a shard of a recorded size: no leaf before it is
// younger than a time, as far as the database says. A young leaf may have its place yet to
// be noted.
func (s Source) Settled(ctx context.Context, origin string, size uint64, since time.Time) (uint64, error) {
	var recorded sql.NullTime
	err := s.Background().QueryRowContext(ctx, s.Bind("SELECT recorded_at FROM log_shards WHERE origin = ?"), origin).Scan(&recorded)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, handle.Wrap("reading when a shard was recorded", err)
	}
	if recorded.Valid && recorded.Time.Before(since) {
		return size, nil
	}
	before := false
	if s.Upgrading != nil {
		if before, err = s.Upgrading(ctx); err != nil {
			return 0, err
		}
	}
	rows, err := s.Background().QueryContext(ctx, s.Bind("SELECT "+evidence.PlaceColumns(s.Dialect(), "t")+
		" FROM (SELECT * FROM event_places WHERE origin = ? AND idx < ? ORDER BY idx DESC LIMIT ?) AS t ORDER BY t.idx"), origin, int64(size), tail)
	if err != nil {
		return 0, handle.Wrap("reading the newest places", err)
	}
	defer rows.Close()
	// What no server noted holds nothing back.
	end := uint64(0)
	for rows.Next() {
		var index int64
		var mac []byte
		var noted evidence.Moment
		p := rowseal.Place{Origin: origin}
		if err := rows.Scan(&index, &p.Event, &p.Late, &noted, &mac); err != nil {
			return 0, handle.Wrap("reading the newest places", err)
		}
		p.Index, p.Noted = uint64(index), noted.Time
		proved, err := s.Seals.ProvesPlace(ctx, p, mac)
		if err != nil {
			return 0, fmt.Errorf("reading the newest places: %w", err)
		}
		if !proved && !before {
			continue
		}
		if !p.Noted.Before(since) {
			return p.Index, nil
		}
		end = p.Index + 1
	}
	return end, handle.Wrap("reading the newest places", rows.Err())
}

// Roles are persons and roles they have.
func (s Source) Roles(ctx context.Context) (all [][2]string, err error) {
	rows, err := s.Background().QueryContext(ctx, "SELECT subject, role FROM roles ORDER BY role, subject")
	if err != nil {
		return nil, handle.Wrap("reading what stands", err)
	}
	defer rows.Close()
	for rows.Next() {
		var one [2]string
		if err := rows.Scan(&one[0], &one[1]); err != nil {
			return nil, handle.Wrap("reading what stands", err)
		}
		all = append(all, one)
	}
	return all, handle.Wrap("reading what stands", rows.Err())
}

// KnowsShard reports whether a shard is recorded, of whichever site.
func (s Source) KnowsShard(ctx context.Context, origin string) (bool, error) {
	var n int
	err := s.Background().QueryRowContext(ctx, s.Bind("SELECT count(*) FROM log_shards WHERE origin = ?"), origin).Scan(&n)
	return n > 0, handle.Wrap("looking for a shard", err)
}

// Erased tells which events were erased: their erasure was ordered by a tombstone that is
// genuine and names them.
func (s Source) Erased(ctx context.Context, events []string) (map[string]bool, error) {
	if len(events) == 0 {
		return nil, nil
	}
	args := make([]any, len(events))
	for i, id := range events {
		args[i] = id
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(events)), ", ")
	erased := map[string]bool{}
	err := s.genuine(ctx, false, "SELECT "+s.columns()+" FROM event_erasures x JOIN events e ON e.id = x.tombstone WHERE x.event_id IN ("+marks+")",
		args, func(e audit.Event, _ audit.Salt) {
			if e.Type == audit.Erased {
				erased[e.Detail.Object] = true
			}
		})
	return erased, err
}

// genuine reads the events of a statement, those of them that are genuine. Those of the
// release before carry no MAC; where it wrote none of the kind, such a row is nobody's.
func (s Source) genuine(
	ctx context.Context, before bool, query string, args []any, visit func(audit.Event, audit.Salt),
) error {
	found, err := s.Background().QueryContext(ctx, s.Bind(query), args...)
	if err != nil {
		return handle.Wrap("reading evidence", err)
	}
	defer found.Close()
	for found.Next() {
		var r raw
		if err := found.Scan(r.targets(false)...); err != nil {
			return handle.Wrap("reading evidence", err)
		}
		read, err := s.Seals.Read(ctx, r.sealed())
		if err != nil {
			return fmt.Errorf("reading evidence: %w", err)
		}
		if read.Fault == "" || before && read.Fault == audit.FaultUnsealed {
			visit(read.Event, read.Salt)
		}
	}
	return handle.Wrap("reading evidence", found.Err())
}

// Said is what events say of roles, apps and APIs, in the order of their times.
func (s Source) Said(ctx context.Context) iter.Seq2[reconcile.Said, error] {
	return func(yield func(reconcile.Said, error) bool) {
		for after := ""; ; {
			var page []reconcile.Said
			read := 0
			began := time.Now()
			err := s.genuine(ctx, true, "SELECT "+s.columns()+" FROM events e WHERE e.type = ? AND "+evidence.NoSignIn+
				" AND e.id > ? ORDER BY e.id LIMIT ?",
				[]any{string(audit.Administered), after, 512}, func(e audit.Event, salt audit.Salt) {
					page = append(page, reconcile.Said{
						Action: audit.Action(e.Detail.Action), Event: e.ID, Object: e.Detail.Object, Pseudonym: e.Person.Pseudonym,
						At: e.When.Decided, Salt: salt, Digest: e.Payload.Digest,
					})
				})
			if err == nil {
				read, after, err = s.page(ctx, after)
			}
			if err == nil {
				err = s.pause(ctx, time.Since(began))
			}
			if err != nil {
				yield(reconcile.Said{}, err)
				return
			}
			for _, one := range page {
				if !yield(one, nil) {
					return
				}
			}
			if read < 512 {
				return
			}
		}
	}
}

// page is how many events of administration follow an id in a page, and the last of them.
func (s Source) page(ctx context.Context, after string) (n int, last string, err error) {
	var id sql.NullString
	err = s.Background().QueryRowContext(ctx, s.Bind("SELECT count(*), max(id) FROM (SELECT id FROM events WHERE type = ? AND "+evidence.NoSignIn+" AND id > ?"+
		" ORDER BY id LIMIT ?) AS t"), string(audit.Administered), after, 512).Scan(&n, &id)
	return n, id.String, handle.Wrap("reading evidence", err)
}
