// Package exporting makes an auditor's export of any number of events, at the machine of the
// log's folder: what the console does for a few hundred in a browser. It reads pages of the
// database in the order of the places in the log, and holds one segment at a time.
//
// What it shows is evidence before it is shown: the export itself, with its reason, and for
// each person of a segment that the export holds something about her.
package exporting

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/store/evidence"
)

// Rows are the events of the database.
type Rows interface {
	Origins(ctx context.Context) ([]string, error)
	PlacedIn(ctx context.Context, q audit.Query, before, origin string, after evidence.After, limit int) (
		found []audit.Recorded, next evidence.After, more bool, err error)
	Unplaced(ctx context.Context, q audit.Query, after, before string, limit int) ([]audit.Recorded, error)
	Get(ctx context.Context, id string) (audit.Recorded, error)
}

// Writer writes evidence ([audit.Scribe]).
type Writer interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Exporter makes exports.
type Exporter struct {
	Rows Rows
	// Shard is the prover of a shard.
	Shard func(ctx context.Context, origin string) (proof.Prover, error)
	// Sign signs a manifest, with the keys that Keys names.
	Sign  func(text string) ([]byte, error)
	Keys  []string
	Write Writer
	Now   func() time.Time
	// Most is how many bytes an export has at most; zero: what a verifier reads.
	Most int64
	// Progress, if not nil, is told how many events were written, and of which shard.
	Progress func(events int, origin string)
}

// Bounds of an export.
const (
	page = 500
	// window is how many entries a segment spans at most: all between its events are in it.
	window = 1000
	// maxWaiting bounds the events without a place: where there are more, the log is behind.
	maxWaiting = 10_000
)

// ErrBehind means that too many events have no place in the log yet.
var ErrBehind = fmt.Errorf("more than %d events have no place in the log yet; see that a server writes it, and export again", maxWaiting)

// Export writes the events of a query to out. look is the act of the export, with its reason, by
// whom and for whom; files are empty files of its own.
func (x Exporter) Export(
	ctx context.Context, q audit.Query, look audit.Act, out io.Writer, files [3]io.ReadWriteSeeker,
) (id string, c proof.Coverage, err error) {
	query, err := q.Canonical()
	if err != nil {
		return "", c, err
	}
	// The export's own events come after, and are not of it.
	before := authz.NewID()
	written, err := x.Write.Write(ctx, look)
	if err != nil {
		return "", c, err
	}
	id = written[0].Event.ID
	waiting, err := x.waiting(ctx, q, before)
	if err != nil {
		return id, c, err
	}
	origins, err := x.Rows.Origins(ctx)
	if err != nil {
		return id, c, err
	}
	e := export{Exporter: x, stream: proof.NewStream(query, x.Now(), files), q: q, before: before, look: look, id: id, waiting: waiting}
	e.stream.Most = x.Most
	for _, origin := range origins {
		if err := e.shard(ctx, origin); err != nil {
			return id, c, err
		}
	}
	if err := e.unplaced(ctx); err != nil {
		return id, c, err
	}
	c, err = e.stream.Finish(out, x.Sign, x.Keys...)
	return id, c, err
}

// waiting are the ids of the events that have no place: they are of the export as such, also
// where they get one meanwhile.
func (x Exporter) waiting(ctx context.Context, q audit.Query, before string) (map[string]bool, error) {
	ids := map[string]bool{}
	for after := ""; ; {
		found, err := x.Rows.Unplaced(ctx, q, after, before, page)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			ids[r.Event.ID], after = true, r.Event.ID
		}
		if len(ids) > maxWaiting {
			return nil, ErrBehind
		}
		if len(found) < page {
			return ids, nil
		}
	}
}

// export is one that is being made.
type export struct {
	Exporter
	stream *proof.Stream
	q      audit.Query
	before string
	look   audit.Act
	id     string

	waiting map[string]bool
	late    []audit.Recorded // of those that waited, the ones that have a place by now
	events  int
}

// shard writes the events of one shard, a segment at a time.
func (e *export) shard(ctx context.Context, origin string) error {
	var log proof.Prover
	var segment []audit.Recorded
	end := uint64(0) // of what is written
	flush := func() error {
		if len(segment) == 0 {
			return nil
		}
		if log == nil {
			var err error
			if log, err = e.Shard(ctx, origin); err != nil {
				return fmt.Errorf("reading shard %s: %w", origin, err)
			}
		}
		if err := e.told(ctx, segment); err != nil {
			return err
		}
		var placed []proof.Placed
		for _, r := range segment {
			record, faulty := recordOf(r)
			if faulty == "" && r.Index < end {
				faulty = proof.Misplaced // another event was shown at its place
			}
			if faulty != "" {
				if err := e.stream.Faulty(proof.Faulty{ID: r.Event.ID, Why: faulty}); err != nil {
					return err
				}
				continue
			}
			placed = append(placed, proof.Placed{ID: r.Event.ID, Origin: origin, Index: r.Index, Record: record})
		}
		if err := e.stream.Segment(ctx, log, origin, placed); err != nil {
			return err
		}
		if len(placed) > 0 {
			end = placed[len(placed)-1].Index + 1
		}
		e.events += len(segment)
		if segment = segment[:0]; e.Progress != nil {
			e.Progress(e.events, origin)
		}
		return nil
	}
	for after, more := (evidence.After{}), true; more; {
		var found []audit.Recorded
		var err error
		if found, after, more, err = e.Rows.PlacedIn(ctx, e.q, e.before, origin, after, page); err != nil {
			return err
		}
		for _, r := range found {
			if e.waiting[r.Event.ID] {
				e.late = append(e.late, r)
				continue
			}
			if len(segment) > 0 && r.Index-segment[0].Index >= window {
				if err := flush(); err != nil {
					return err
				}
			}
			segment = append(segment, r)
		}
	}
	return flush()
}

// unplaced writes the events that had no place when the export began.
func (e *export) unplaced(ctx context.Context) error {
	write := func(found []audit.Recorded) error {
		if err := e.told(ctx, found); err != nil {
			return err
		}
		for _, r := range found {
			record, faulty := recordOf(r)
			var err error
			if faulty != "" {
				err = e.stream.Faulty(proof.Faulty{ID: r.Event.ID, Why: faulty})
			} else {
				err = e.stream.Unlogged(record)
			}
			if err != nil {
				return err
			}
			delete(e.waiting, r.Event.ID)
		}
		return nil
	}
	for chunk := range slices.Chunk(e.late, page) {
		if err := write(chunk); err != nil {
			return err
		}
	}
	for after := ""; len(e.waiting) > 0; {
		found, err := e.Rows.Unplaced(ctx, e.q, after, e.before, page)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			after = found[len(found)-1].Event.ID
		}
		full := len(found) == page
		found = slices.DeleteFunc(found, func(r audit.Recorded) bool { return !e.waiting[r.Event.ID] })
		if err := write(found); err != nil {
			return err
		}
		if !full {
			break
		}
	}
	// The others got their places where their shard was read already, or were erased.
	for _, id := range slices.Sorted(maps.Keys(e.waiting)) {
		one, err := e.Rows.Get(ctx, id)
		if errors.Is(err, authz.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := write([]audit.Recorded{one}); err != nil {
			return err
		}
	}
	return nil
}

// recordOf is an event as a file carries it, or the word for why it is no evidence.
func recordOf(r audit.Recorded) (proof.Record, string) {
	if r.Fault != "" {
		return proof.Record{}, string(r.Fault)
	}
	canonical, err := r.Event.Canonical()
	if err != nil {
		return proof.Record{}, string(audit.FaultUnreadable)
	}
	return proof.Record{Event: canonical, Salt: r.Salt}, ""
}

// told records for each person of some events that the export holds something about her: what she
// may see of it by now is counted, and where that is nothing the record is hidden as that is.
func (e *export) told(ctx context.Context, found []audit.Recorded) error {
	looks := map[string]*audit.Act{}
	var order []string
	for _, r := range found {
		pseudonym := r.Event.Person.Pseudonym
		if pseudonym == "" || r.Fault != "" { // of such a row its id alone is shown
			continue
		}
		look := looks[pseudonym]
		if look == nil {
			one := e.look
			one.Person.Pseudonym, one.Visibility, one.Detail = pseudonym, r.Event.Visibility, audit.Detail{Object: e.id}
			one.Data.Query = ""
			looks[pseudonym], order, look = &one, append(order, pseudonym), &one
		}
		if from, ever := r.Event.Visibility.SeenFrom(r.Event.When.Decided); ever && !e.Now().Before(from) {
			look.Visibility = audit.Visibility{Sight: audit.Visible}
			look.Detail.Count++
		}
	}
	if len(order) == 0 {
		return nil
	}
	acts := make([]audit.Act, len(order))
	for i, pseudonym := range order {
		acts[i] = *looks[pseudonym]
	}
	_, err := e.Write.Write(ctx, acts...)
	return err
}
