package reconcile

import (
	"fmt"
	"maps"

	"hopnhat/authz/audit/counts"
)

// Stretch names the places that a counter covers.
func Stretch(c counts.Counter) string { return fmt.Sprintf("%s#%d-%d", c.Origin, c.First, c.End) }

// Lacking are the events that a counter counted and the rows of its stretch do not show: of which
// hour, app and kind, how many were counted and how many there are.
func Lacking(c counts.Counter, rows counts.Tally) (all []Lack) {
	for _, tag := range c.Counted.Tags() {
		if counted, there := c.Counted[tag], rows[tag]; there < counted {
			all = append(all, Lack{tag.String(), counted, there})
		}
	}
	return all
}

// Lack is an hour, kind and app of which a counter counted more events than there are.
type Lack struct {
	Of             string `json:"of"`
	Counted, There uint64
}

// Lacks tells of what lacks in the stretch of a counter.
func Lacks(c counts.Counter, all []Lack, tell func(Finding)) {
	for _, l := range all {
		tell(Finding{
			Kind: CounterDiffers, Origin: c.Origin, Index: c.First, Object: fmt.Sprintf("%s in %s", l.Of, Stretch(c)),
			Text: Counted.with(int64(l.Counted), int64(l.There)),
		})
	}
}

// Exceeds tells of rows that a counter did not count, an hour, kind and app at a time, if there
// are more of them than it left open.
func Exceeds(c counts.Counter, rows counts.Tally, tell func(Finding)) {
	tags := maps.Clone(rows)
	over := uint64(0)
	for tag, there := range rows {
		if there <= c.Counted[tag] {
			delete(tags, tag)
		} else {
			over += there - c.Counted[tag]
		}
	}
	if over <= c.Unknown {
		return
	}
	for _, tag := range tags.Tags() {
		tell(Finding{
			Kind: CounterDiffers, Origin: c.Origin, Index: c.First, Object: fmt.Sprintf("%s in %s", tag, Stretch(c)),
			Text: Counted.with(int64(c.Counted[tag]), int64(rows[tag])),
		})
	}
}

// Uncounted tells that the counter of places of a shard from one on is gone.
func Uncounted(origin string, from uint64, tell func(Finding)) {
	tell(Finding{Kind: CounterDiffers, Origin: origin, Index: from, Object: fmt.Sprintf("%s#%d", origin, from), Text: NotCounted.with()})
}

// CountedLate tells of a counter that was made long after the entries were written: the one that
// was made then is gone.
func CountedLate(c counts.Counter, tell func(Finding)) {
	tell(Finding{Kind: CounterDiffers, Origin: c.Origin, Index: c.First, Object: Stretch(c), Text: CountedAnew.with()})
}
