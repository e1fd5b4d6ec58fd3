package reconciling

import (
	"context"
	"time"

	"hopnhat/authz/audit/counts"
	"hopnhat/authz/audit/reconcile"
)

// Counters reads what the writer of the log counted ([hopnhat/store/counters]).
type Counters interface {
	Walk(ctx context.Context, origin string, from, to uint64, visit func(c counts.Counter, genuine bool) (more bool)) error
}

// Doubt is a counter that counts more than there are rows, where some leaves may stand in the log
// twice: that is known at the end of a look.
type Doubt struct {
	Origin string           `json:"origin"`
	First  uint64           `json:"first"`
	End    uint64           `json:"end"`
	Lacks  []reconcile.Lack `json:"lacks"`
}

func (d Doubt) counter() counts.Counter {
	return counts.Counter{Origin: d.Origin, First: d.First, End: d.End}
}

// mostDoubts bounds the counters that wait for the end of a look; more are told of at once.
const mostDoubts = 64

// plan gives the counters of a stretch of a shard, and its end where that is the end of one. What
// is not counted is told of, and counters that no server made, or that were made long after.
func (e Evidence) plan(ctx context.Context, c Cursor, to uint64, tell func(reconcile.Finding)) (Cursor, []counts.Counter, uint64, error) {
	if e.Counters == nil {
		return c, nil, to, nil
	}
	var early time.Time
	if e.Early != nil {
		var err error
		if early, err = e.Early(ctx); err != nil {
			return c, nil, to, err
		}
	}
	at := max(c.Index, c.Covered)
	var plan []counts.Counter
	gap := func(before uint64) {
		if at < before && !c.Gap && !e.Now().Before(early) {
			c.Gap = true
			reconcile.Uncounted(c.Origin, at, tell)
		}
	}
	forged, whole := false, true
	err := e.Counters.Walk(ctx, c.Origin, c.Index, to, func(one counts.Counter, genuine bool) bool {
		if !genuine {
			forged = true
			return true
		}
		if one.First < at { // made twice, since nobody knew whether it was
			at = max(at, one.End)
			return true
		}
		gap(one.First)
		if (one.Way == counts.Anew || one.Way == counts.Before) && !one.At.Before(early) {
			reconcile.CountedLate(one, tell)
		}
		if one.Way != counts.Before && one.End > to {
			whole = false
			at = one.First
			return false
		}
		if one.Way != counts.Before {
			plan = append(plan, one)
		}
		at = one.End
		return true
	})
	if err != nil {
		return c, nil, to, err
	}
	if forged {
		tell(reconcile.Finding{Kind: reconcile.StateForged, Origin: c.Origin, Object: "counters of " + c.Origin})
	}
	switch {
	case whole:
		gap(to)
		c.Covered = max(at, to)
	case at > c.Index: // the next step begins where the counter does
		c.Covered, to = at, at
	default: // what it counts is not settled yet
		c.Covered = to
	}
	return c, plan, to, nil
}

// tallies count rows by the counters of their places, in the order of both.
type tallies struct {
	plan []counts.Counter
	each []counts.Tally
	now  int
}

func newTallies(plan []counts.Counter) *tallies {
	t := &tallies{plan: plan, each: make([]counts.Tally, len(plan))}
	for i := range t.each {
		t.each[i] = counts.Tally{}
	}
	return t
}

func (t *tallies) count(r reconcile.Row) {
	for t.now < len(t.plan) && r.Index >= t.plan[t.now].End {
		t.now++
	}
	if t.now < len(t.plan) && r.Index >= t.plan[t.now].First {
		t.each[t.now][counts.Of(r.At, r.Client, r.Kind)]++
	}
}

// judge holds the counters against the rows, up to a place. Rows lack only where leaves have no
// row: what was erased is still counted.
func (t *tallies) judge(c Cursor, upTo uint64, bare []reconcile.Leaf, tell func(reconcile.Finding)) Cursor {
	for i, one := range t.plan {
		if one.End > upTo {
			c.Covered = max(c.Covered, one.End)
			break
		}
		gone, open := false, false
		for _, leaf := range bare {
			here := leaf.Index >= one.First && leaf.Index < one.End
			gone = gone || here && leaf.Event != ""
			open = open || here
		}
		if open {
			switch lacks := reconcile.Lacking(one, t.each[i]); {
			case len(lacks) == 0:
			case gone || len(c.Doubts) >= mostDoubts:
				reconcile.Lacks(one, lacks, tell)
			default:
				c.Doubts = append(c.Doubts, Doubt{one.Origin, one.First, one.End, lacks})
			}
		}
		reconcile.Exceeds(one, t.each[i], tell)
	}
	return c
}

// settled tells of the counters in doubt, where leaves of their stretches have no row anywhere.
func settled(doubts []Doubt, rest []reconcile.Leaf, tell func(reconcile.Finding)) {
	for _, d := range doubts {
		for _, leaf := range rest {
			if leaf.Origin == d.Origin && leaf.Index >= d.First && leaf.Index < d.End {
				reconcile.Lacks(d.counter(), d.Lacks, tell)
				break
			}
		}
	}
}
