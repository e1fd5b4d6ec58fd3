package reconcile

import (
	"fmt"
	"maps"
	"slices"

	"hopnhat/authz"
)

// Tally is how many events of each app stand in a stretch of a shard.
type Tally map[authz.ClientID]uint64

// Counter is what the log's writer counted of a stretch of a shard, sealed.
type Counter struct {
	Origin string
	// First is the first place that is counted, End the one after the last.
	First, End uint64
	Counted    Tally
	// Fault says why the counter is not the writer's; empty where it is.
	Fault string
}

// Differ tells of a counter that disagrees with the rows of its stretch, an app at a time.
// What is missing in the rows is told by the merge, too, leaf by leaf: a counter tells of
// it even where rows, places and leaves were all taken away.
func Differ(c Counter, rows Tally, tell func(Finding)) {
	stretch := fmt.Sprintf("%s#%d-%d", c.Origin, c.First, c.End)
	if c.Fault != "" {
		tell(Finding{Kind: CounterDiffers, Origin: c.Origin, Index: c.First, Object: stretch, Text: c.Fault})
		return
	}
	apps := maps.Clone(c.Counted)
	if apps == nil {
		apps = Tally{}
	}
	for id := range rows {
		apps[id] += 0
	}
	for _, id := range slices.Sorted(maps.Keys(apps)) {
		if counted, there := c.Counted[id], rows[id]; counted != there {
			tell(Finding{
				Kind: CounterDiffers, Origin: c.Origin, Index: c.First, Object: fmt.Sprintf("%s of %s", stretch, id),
				Text: Counted.with(int64(counted), int64(there)),
			})
		}
	}
}
