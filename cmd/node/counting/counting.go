// Package counting has the writer of a log count what it wrote: every few seconds it seals how
// many events of each hour, app and kind stand at the places that were recorded since
// ([counts.Counter]). Reconciliation holds the rows against that.
package counting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/counts"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/audit/trees"
)

// Book keeps counters ([hopnhat/store/counters]).
type Book interface {
	Add(ctx context.Context, c counts.Counter) error
	End(ctx context.Context, origin string) (end uint64, there bool, err error)
}

// Job counts for one site. [Job.Note] is safe for concurrent use.
type Job struct {
	Book Book
	// Heads are the recorded heads of the site's shards.
	Heads func(ctx context.Context) ([]trees.Head, error)
	// Rows are the events at places of a shard from one on, n at most.
	Rows func(ctx context.Context, origin string, first uint64, n int) (map[uint64]audit.Recorded, error)
	// Open reads the copies of events.
	Open counts.Open
	// Writes reports whether this node writes the log: only there it counts. Explained returns an
	// error while entries have no row: they are counted when that is decided.
	Writes    func() bool
	Explained func() error
	Now       func() time.Time

	memory counts.Memory
	ends   map[string]uint64 // of the shards, as far as they are counted
}

// Note notes an entry that was given a place.
func (j *Job) Note(at audit.Place, e audit.Entry) { j.memory.Note(at, e) }

// Every is how long what was written waits to be counted.
const Every = 10 * time.Second

// Run counts until ctx ends.
func (j *Job) Run(ctx context.Context) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			j.tell(j.Step(last))
			return
		case <-tick.C:
			j.tell(j.Step(ctx))
		}
	}
}

func (j *Job) tell(err error) {
	if err != nil {
		slog.Warn("what the log holds could not be counted; it is tried again", "error", err)
	}
}

// Step counts what was recorded and is not counted yet.
func (j *Job) Step(ctx context.Context) error {
	if !j.Writes() {
		j.ends = nil // another node goes on
		return nil
	}
	if j.Explained() != nil {
		return nil
	}
	heads, err := j.Heads(ctx)
	if err != nil {
		return err
	}
	if j.ends == nil {
		j.ends = map[string]uint64{}
	}
	var failed error
	for _, head := range heads {
		if !head.Altered {
			failed = errors.Join(failed, j.shard(ctx, head))
		}
	}
	return failed
}

// young is the size up to which a shard that was never counted is counted from its beginning.
const young = 1 << 16

func (j *Job) shard(ctx context.Context, head trees.Head) error {
	end, known := j.ends[head.Origin]
	if !known {
		var there bool
		var err error
		if end, there, err = j.Book.End(ctx, head.Origin); err != nil {
			return err
		}
		if !there && head.Size > young {
			c := counts.Counter{Origin: head.Origin, End: head.Size, Way: counts.Before, At: j.Now()}
			if err := j.Book.Add(ctx, c); err != nil {
				return err
			}
			end = head.Size
		}
		j.ends[head.Origin] = end
	}
	if end >= head.Size {
		if head.Closed {
			j.memory.Forget(head.Origin, math.MaxUint64)
		}
		return nil
	}
	newest, err := j.newest(ctx, head)
	if err != nil {
		return err
	}
	for end < head.Size {
		c := counts.Counter{Origin: head.Origin, First: end, End: min(end+counts.Most, head.Size), At: j.Now()}
		for said := counts.Longest + 1; said > counts.Longest; {
			if err := j.count(ctx, &c, newest); err != nil {
				return fmt.Errorf("counting the places %d to %d of %s: %w", c.First, c.End, c.Origin, err)
			}
			text, err := c.Text()
			if err != nil {
				return err
			}
			if said = len(text); said > counts.Longest { // each has an app of its own, with a long name
				c.End = c.First + (c.End-c.First)/2
			}
		}
		if err := j.Book.Add(ctx, c); err != nil {
			delete(j.ends, head.Origin) // it may be there all the same: that is read
			return err
		}
		end = c.End
		j.ends[head.Origin] = end
		j.memory.Forget(head.Origin, end)
	}
	return nil
}

// lately is how many of the last places of a shard are looked at for the newest event.
const lately = 64

// newest is when the newest of the last events of a shard was decided; zero if none is there.
func (j *Job) newest(ctx context.Context, head trees.Head) (at time.Time, err error) {
	n := min(head.Size, lately)
	rows, err := j.Rows(ctx, head.Origin, head.Size-n, int(n))
	for _, r := range rows {
		if genuine(r) && r.Event.When.Decided.After(at) {
			at = r.Event.When.Decided
		}
	}
	return at, err
}

// genuine reports whether a server wrote the row, and noted its place. What the release before
// wrote carries no MAC and is counted as unknown.
func genuine(r audit.Recorded) bool { return r.Fault == "" && !r.Unproven }

// count counts a stretch: what was noted when it was written, and the rest by its rows. Counters
// are made every few seconds, so a stretch over a long time had one that is gone.
func (j *Job) count(ctx context.Context, c *counts.Counter, newest time.Time) error {
	n := int(c.End - c.First)
	tags := j.memory.Tags(ctx, c.Origin, c.First, c.End, j.Open)
	c.Way = counts.Written
	if len(tags) < n {
		c.Way = counts.Rows
		rows, err := j.Rows(ctx, c.Origin, c.First, n)
		if err != nil {
			return err
		}
		for at, r := range rows {
			if _, noted := tags[at]; noted || !genuine(r) {
				continue
			}
			e := r.Event
			tags[at] = counts.Of(e.When.Decided, e.Asked.Client, e.Type)
			if !r.Late && e.When.Decided.Before(newest.Add(-reconcile.Within)) {
				c.Way = counts.Anew
			}
		}
	}
	c.Counted = counts.Tally{}
	for _, tag := range tags {
		c.Counted[tag]++
	}
	c.Unknown = uint64(n - len(tags))
	return nil
}
