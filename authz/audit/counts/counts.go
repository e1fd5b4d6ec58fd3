// Package counts is how many events of each hour, app and kind stand in a stretch of the log, as
// its writer counted them when it wrote them. A counter is sealed, covers places that no other
// one covers, and is never changed: so whoever deletes the row of an event, its place and its
// copy does not delete of which hour and app it was.
//
// The hour is that of the event, not that of its logging. An event that is erased stays counted,
// since its entry stays in the log.
package counts

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/rowseal"
)

// Most is how many places one counter covers at most, but one of [Before].
const Most = 4096

// Tag is what events are counted by.
type Tag struct {
	// Hour is the hour of the decision, in hours since the beginning of 1970 UTC.
	Hour   int64
	Client authz.ClientID
	Type   audit.Type
}

// Of is the tag of an event.
func Of(at time.Time, client authz.ClientID, kind audit.Type) Tag {
	return Tag{at.Unix() / 3600, client, kind}
}

// String names the hour (UTC), the kind and the app.
func (t Tag) String() string {
	hour := time.Unix(t.Hour*3600, 0).UTC().Format("2006-01-02T15:00Z")
	if t.Client == "" {
		return hour + " " + string(t.Type)
	}
	return hour + " " + string(t.Type) + " of " + string(t.Client)
}

func compare(a, b Tag) int {
	return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Client, b.Client), cmp.Compare(a.Type, b.Type))
}

// Tally is how many events of each tag there are.
type Tally map[Tag]uint64

// Tags are those of a tally in their order: by hour, app and kind.
func (t Tally) Tags() []Tag { return slices.SortedFunc(maps.Keys(t), compare) }

// Way is how a counter came about.
type Way string

// The ways.
const (
	// Written: each entry was counted when it was written.
	Written Way = "written"
	// Rows: some were counted by their rows, as after a crash.
	Rows Way = "rows"
	// Anew: by their rows, long after they had been counted, since their counters were gone.
	Anew Way = "anew"
	// Before: nothing was counted, since entries are older than counters.
	Before Way = "before"
)

// Counter is what was counted of a stretch of a shard.
type Counter struct {
	Origin string
	// First is the first place that is counted, End the one after the last.
	First, End uint64
	Way        Way
	// At is when it was made, in whole microseconds.
	At      time.Time
	Counted Tally
	// Unknown is how many entries had no genuine row when they were counted by these.
	Unknown uint64
}

// text is what a counter says, as it is kept.
type text struct {
	Way     Way    `json:"way"`
	Unknown uint64 `json:"unknown,omitempty"`
	Counted []line `json:"counted,omitempty"`
}

type line struct {
	Hour   int64          `json:"h"`
	Client authz.ClientID `json:"c,omitempty"`
	Type   audit.Type     `json:"t"`
	N      uint64         `json:"n"`
}

// Text is what a counter says beside its stretch and its time, as it is kept.
func (c Counter) Text() (string, error) {
	t := text{Way: c.Way, Unknown: c.Unknown}
	for _, tag := range c.Counted.Tags() {
		t.Counted = append(t.Counted, line{tag.Hour, tag.Client, tag.Type, c.Counted[tag]})
	}
	raw, err := json.Marshal(t)
	return string(raw), err
}

// ErrText means that a text is none of a counter.
var ErrText = errors.New("it is not what a counter says")

// Longest bounds the text of a counter in bytes; a longer one is made of fewer places.
const Longest = 1 << 20

// Read adds to a counter what its text says; [ErrText] if it is none.
func (c *Counter) Read(said string) error {
	var t text
	if len(said) > Longest {
		return fmt.Errorf("%w: it has %d bytes", ErrText, len(said))
	}
	if err := json.Unmarshal([]byte(said), &t); err != nil {
		return fmt.Errorf("%w: %w", ErrText, err)
	}
	c.Way, c.Unknown, c.Counted = t.Way, t.Unknown, Tally{}
	sum := t.Unknown
	for _, l := range t.Counted {
		tag := Tag{l.Hour, l.Client, l.Type}
		if _, twice := c.Counted[tag]; twice || l.N == 0 || l.N > Most || len(t.Counted) > Most {
			return fmt.Errorf("%w: %d events of one tag", ErrText, l.N)
		}
		c.Counted[tag] = l.N
		sum += l.N
	}
	before := c.Way == Before && len(t.Counted) == 0 && t.Unknown == 0
	if c.End <= c.First || !before && (c.Way == Before || sum != c.End-c.First || sum > Most) {
		return fmt.Errorf("%w: it counts %d events at the places %d to %d", ErrText, sum, c.First, c.End)
	}
	return nil
}

// Mark is what is under the MAC of a counter with this text.
func (c Counter) Mark(said string) rowseal.Mark {
	return rowseal.Mark{Table: rowseal.Counters, Says: []string{
		c.Origin, strconv.FormatUint(c.First, 10), strconv.FormatUint(c.End, 10), strconv.FormatInt(c.At.UnixMicro(), 10), said,
	}}
}
