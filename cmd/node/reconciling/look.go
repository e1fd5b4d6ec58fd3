// Package reconciling holds the evidence of a site against itself: all the time in the
// background of the node that writes the log, in small steps that go on where the last one
// stopped, and at once for an operator. What is compared is package reconcile's to say, and
// what becomes of a finding package incident's.
package reconciling

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/audit/trees"
	"hopnhat/store/streams"
)

// Entries reads the leaves of a shard.
type Entries interface {
	// Entries reads up to n leaves from a place on; fewer only at the end.
	Entries(ctx context.Context, from uint64, n int) ([][]byte, error)
}

// Evidence is what is looked at.
type Evidence struct {
	Source streams.Source
	// Heads are the recorded heads of the site's shards.
	Heads func(ctx context.Context) ([]trees.Head, error)
	// Leaves reads a shard of the site.
	Leaves func(ctx context.Context, origin string) (Entries, error)
	// Standing are the roles, apps and APIs as they stand.
	Standing func(ctx context.Context) ([]reconcile.Standing, error)
	// Agreements are consents after an id with their newest events, and the id to go on after,
	// empty at the end; nil: consents are not looked at.
	Agreements func(ctx context.Context, after string) (all []reconcile.Agreement, last string, err error)
	// Links are to links with people at other providers as Agreements.
	Links func(ctx context.Context, after string) (all []reconcile.Link, last string, err error)
	// Enrolments tells of a page of enrolments and trust marks after a place those that are not as
	// their newest events say, and the place to go on after, empty at the end; nil: they are not
	// looked at.
	Enrolments func(ctx context.Context, after string, tell func(reconcile.Finding)) (last string, err error)
	// Counters are what the writer of the log counted; nil: nothing is held against that. Until
	// Early, entries are there that nobody counted, of the release before.
	Counters Counters
	Early    func(ctx context.Context) (time.Time, error)
	Now      func() time.Time
}

// Leaf reads the leaf at a place of a shard of the site.
func (e Evidence) Leaf(ctx context.Context, origin string, index uint64) ([]byte, error) {
	shard, err := e.Leaves(ctx, origin)
	if err != nil {
		return nil, err
	}
	found, err := shard.Entries(ctx, index, 1)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("shard %s ends before place %d", origin, index)
	}
	return found[0], nil
}

// stage is a part of a look.
type stage string

// The stages, in their order.
const (
	shards   stage = ""         // leaves and rows
	beyond   stage = "beyond"   // places outside of every shard
	unplaced stage = "unplaced" // rows without a place
	numbers  stage = "numbers"
	standing stage = "standing" // roles, apps, APIs
	consents stage = "consents"
	links    stage = "links" // with people at other providers
	enrolled stage = "enrolments"
	doubles  stage = "doubles" // leaves that seem to have no row
	finished stage = "finished"
)

// Cursor is where a look goes on. The zero Cursor is the beginning.
type Cursor struct {
	Stage  stage            `json:"stage,omitempty"`
	Origin string           `json:"origin,omitempty"`
	Index  uint64           `json:"index,omitempty"`
	After  string           `json:"after,omitempty"`
	Bare   []reconcile.Leaf `json:"bare,omitempty"`
	// Of the shard: the end of the places that are counted, and whether it was told that some are
	// not. Doubts are counters to be judged at the end.
	Covered uint64  `json:"covered,omitempty"`
	Gap     bool    `json:"gap,omitempty"`
	Doubts  []Doubt `json:"doubts,omitempty"`
	// Rows is how many rows and leaves were compared.
	Rows uint64 `json:"rows,omitempty"`
	// Since is when the look before this one began.
	Since time.Time `json:"since,omitzero"`
}

// parse reads a cursor; one that cannot be read is the beginning.
func parse(text string) (c Cursor) {
	if json.Unmarshal([]byte(text), &c) != nil {
		return Cursor{}
	}
	return c
}

func (c Cursor) text() (string, error) {
	raw, err := json.Marshal(c)
	return string(raw), err
}

// Done reports whether the look is over.
func (c Cursor) Done() bool { return c.Stage == finished }

// stretch is how many places one step compares, and how many rows without a place it looks
// for.
const stretch = 1 << 15

// mostBare bounds the leaves that wait for the end of a look; more than so many are told of
// at once.
const mostBare = 4096

// Step goes on from a cursor by one step, and returns where the next one goes on. What it
// finds is told before it returns; after an error the step is made again.
func (e Evidence) Step(ctx context.Context, c Cursor, tell func(reconcile.Finding)) (Cursor, error) {
	switch c.Stage {
	case shards:
		return e.shard(ctx, c, tell)
	case beyond:
		return e.beyond(ctx, c, tell)
	case unplaced:
		return e.unplaced(ctx, c, tell)
	case numbers:
		last, err := e.Source.Numbers(ctx, c.After, tell)
		if err != nil {
			return c, err
		}
		if c.After = last; last == "" {
			c.Stage = standing
		}
		return c, nil
	case consents:
		return e.consents(ctx, c, tell)
	case links:
		return e.links(ctx, c, tell)
	case enrolled:
		return e.enrolments(ctx, c, tell)
	case standing:
		c.Stage, c.After = consents, ""
		return c, reconcile.Again(func(tell func(reconcile.Finding)) error {
			things, err := e.Standing(ctx)
			if err != nil {
				return err
			}
			return reconcile.Explained(things, e.Source.Said(ctx), tell)
		}, tell)
	default:
		return e.doubles(ctx, c, tell)
	}
}

// shard compares a stretch of a shard.
func (e Evidence) shard(ctx context.Context, c Cursor, tell func(reconcile.Finding)) (Cursor, error) {
	heads, err := e.Heads(ctx)
	if err != nil {
		return c, err
	}
	slices.SortFunc(heads, func(a, b trees.Head) int { return strings.Compare(a.Origin, b.Origin) })
	at := slices.IndexFunc(heads, func(h trees.Head) bool { return h.Origin >= c.Origin })
	if at < 0 {
		c.Stage, c.Origin, c.Index = beyond, "", 0
		return c, nil
	}
	head := heads[at]
	if head.Origin != c.Origin {
		c.Origin, c.Index, c.Covered, c.Gap = head.Origin, 0, 0, false
	}
	if head.Altered { // what it says of the shard is nobody's
		tell(reconcile.Finding{Kind: reconcile.StateForged, Origin: head.Origin, Object: commitment.Bounded("head of " + head.Origin)})
		c.Origin, c.Index = head.Origin+"\x00", 0
		return c, nil
	}
	end, err := e.Source.Settled(ctx, head.Origin, head.Size, e.Now().Add(-reconcile.Within))
	if err != nil {
		return c, err
	}
	to := min(end, c.Index+stretch)
	if c.Index < to {
		from := c.Index
		if c, err = e.compare(ctx, c, to, tell); err != nil {
			return c, err
		}
		c.Rows += c.Index - from
	}
	if c.Index >= end {
		// Places beyond the end of an open shard were noted too early.
		if !head.Closed {
			young := e.Source.Beyond(ctx, head.Origin, head.Size, e.Now().Add(-reconcile.Within))
			if err := reconcile.Beyond(head.Origin, young, tell); err != nil {
				return c, err
			}
		}
		c.Origin, c.Index = head.Origin+"\x00", 0
	}
	return c, nil
}

func (e Evidence) compare(ctx context.Context, c Cursor, to uint64, tell func(reconcile.Finding)) (Cursor, error) {
	log, err := e.Leaves(ctx, c.Origin)
	if err != nil {
		return c, fmt.Errorf("opening the shard %s: %w", c.Origin, err)
	}
	c, plan, to, err := e.plan(ctx, c, to, tell)
	if err != nil {
		return c, err
	}
	counted := newTallies(plan)
	bare, next, err := reconcile.Shard{
		Origin: c.Origin, From: c.Index, To: to,
		Rows: e.Source.Rows(ctx, c.Origin, c.Index, to), Leaves: leaves(ctx, log, c.Index, to),
		Erased: func(events []string) (map[string]bool, error) { return e.Source.Erased(ctx, events) },
		Counts: counted.count,
	}.Compare(tell)
	if err != nil {
		return c, err
	}
	c = counted.judge(c, next, bare, tell)
	for _, leaf := range bare {
		// One whose place is there, without the row, is no double.
		if leaf.Event != "" || len(c.Bare) >= mostBare {
			reconcile.Bare([]reconcile.Leaf{leaf}, tell)
			continue
		}
		c.Bare = append(c.Bare, leaf)
	}
	c.Index = next
	return c, nil
}

// leaves are those of a shard from a place on, up to another.
func leaves(ctx context.Context, log Entries, from, to uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for from < to {
			some, err := log.Entries(ctx, from, int(min(to-from, 4096)))
			if err != nil {
				yield(nil, err)
				return
			}
			if len(some) == 0 {
				return
			}
			for _, leaf := range some {
				if !yield(leaf, nil) {
					return
				}
			}
			from += uint64(len(some))
		}
	}
}

// beyond looks for places in shards that there never were.
func (e Evidence) beyond(ctx context.Context, c Cursor, tell func(reconcile.Finding)) (Cursor, error) {
	origins, err := e.Source.Origins(ctx)
	if err != nil {
		return c, err
	}
	for _, origin := range origins {
		known, err := e.Source.KnowsShard(ctx, origin)
		if err != nil {
			return c, err
		}
		if known {
			continue
		}
		if err := reconcile.Beyond(origin, e.Source.Beyond(ctx, origin, 0, e.Now().Add(-reconcile.Within)), tell); err != nil {
			return c, err
		}
	}
	c.Stage, c.After = unplaced, ""
	return c, nil
}

func (e Evidence) unplaced(ctx context.Context, c Cursor, tell func(reconcile.Finding)) (Cursor, error) {
	upTo, err := e.Source.Stretch(ctx, c.After, stretch)
	if err != nil {
		return c, err
	}
	if upTo == "" {
		c.Stage, c.After = numbers, ""
		return c, nil
	}
	if err := reconcile.Unplaced(e.Source.Unplaced(ctx, c.After, upTo), e.Now(), tell); err != nil {
		return c, err
	}
	c.After = upTo
	return c, nil
}

// consents holds a page of consents against their newest events.
func (e Evidence) consents(ctx context.Context, c Cursor, tell func(reconcile.Finding)) (Cursor, error) {
	if e.Agreements == nil {
		c.Stage, c.After = links, ""
		return c, nil
	}
	var last string
	err := reconcile.Again(func(tell func(reconcile.Finding)) error {
		all, next, err := e.Agreements(ctx, c.After)
		last = next
		reconcile.Agreements(all, tell)
		return err
	}, tell)
	if err != nil {
		return c, err
	}
	if c.After = last; last == "" {
		c.Stage = links
	}
	return c, nil
}

// enrolments holds a page of enrolments or of trust marks against their newest events.
func (e Evidence) enrolments(ctx context.Context, c Cursor, tell func(reconcile.Finding)) (Cursor, error) {
	if e.Enrolments == nil {
		c.Stage, c.After = doubles, ""
		return c, nil
	}
	var last string
	err := reconcile.Again(func(tell func(reconcile.Finding)) (err error) {
		last, err = e.Enrolments(ctx, c.After, tell)
		return err
	}, tell)
	if err != nil {
		return c, err
	}
	if c.After = last; last == "" {
		c.Stage = doubles
	}
	return c, nil
}

// doubles sorts out leaves that seem to have no row: where there are any, all rows are read
// once more.
func (e Evidence) doubles(ctx context.Context, c Cursor, tell func(reconcile.Finding)) (Cursor, error) {
	rest := c.Bare
	if len(rest) > 0 {
		origins, err := e.Source.Origins(ctx)
		if err != nil {
			return c, err
		}
		for _, origin := range origins {
			if rest, err = reconcile.Doubles(rest, e.Source.Rows(ctx, origin, 0, math.MaxInt64)); err != nil {
				return c, err
			}
		}
	}
	reconcile.Bare(rest, tell)
	settled(c.Doubts, rest, tell)
	c.Stage, c.Bare, c.Doubts = finished, nil, nil
	return c, nil
}

// Range is Step for a part of one shard: from a place on, up to another, or to the end where
// that is zero. Nothing else is looked at.
func (e Evidence) Range(ctx context.Context, c Cursor, origin string, from, to uint64, tell func(reconcile.Finding)) (Cursor, error) {
	if c.Origin == "" {
		c.Origin, c.Index, c.Gap = origin, from, true // a counter may begin before it
	}
	heads, err := e.Heads(ctx)
	if err != nil {
		return c, err
	}
	at := slices.IndexFunc(heads, func(h trees.Head) bool { return h.Origin == origin })
	switch {
	case at < 0:
		return c, fmt.Errorf("no shard of this site is called %q", origin)
	case heads[at].Altered:
		return c, fmt.Errorf("shard %s: %w", origin, trees.ErrAltered)
	}
	end, err := e.Source.Settled(ctx, origin, heads[at].Size, e.Now().Add(-reconcile.Within))
	if err != nil {
		return c, err
	}
	if to > 0 {
		end = min(end, to)
	}
	if c.Index >= end {
		return e.doubles(ctx, c, tell)
	}
	before := c.Index
	c, err = e.compare(ctx, c, min(end, c.Index+stretch), tell)
	c.Rows += c.Index - before
	return c, err
}
