package proof

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"hopnhat/authz/audit/commitment"
)

// Coverage is what an export covers.
type Coverage struct {
	Origin      string // of the shard, in the coverage of one
	First, Last uint64 // zero when the export is empty
	Segments    int
	Shown       int
	// Unshown counts the entries inside the segments that are not shown, by type.
	Unshown map[string]int
	// Duplicates counts leaves that stand there more than once: traces of crashes.
	Duplicates int
	// Shards are those of an export of the second form.
	Shards                  []Coverage
	Total, Unlogged, Faulty int
}

// Coverage counts what the export covers.
func (e Export) Coverage() Coverage {
	c := coverage(e.Segments)
	if e.first {
		return c
	}
	c.Total, c.Unlogged, c.Faulty = e.Total, len(e.Unlogged), len(e.Faulty)
	for rest := e.Segments; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Origin == rest[0].Origin {
			n++
		}
		one := coverage(rest[:n])
		one.Origin, rest = rest[0].Origin, rest[n:]
		c.Shards = append(c.Shards, one)
	}
	return c
}

func coverage(segments []Segment) Coverage {
	c := Coverage{Unshown: map[string]int{}}
	seen := map[string]bool{}
	for _, s := range segments {
		c.add(s)
		for _, leaf := range s.Leaves {
			if seen[string(leaf)] {
				c.Duplicates++
			}
			seen[string(leaf)] = true
		}
	}
	return c
}

// add counts a segment, all but the leaves that stand there twice.
func (c *Coverage) add(s Segment) {
	if c.Segments == 0 {
		c.First = s.First
	}
	c.Segments, c.Last, c.Shown = c.Segments+1, s.Last(), c.Shown+len(s.Shown)
	for j, leaf := range s.Leaves {
		if _, shown := s.Shown[s.First+uint64(j)]; shown {
			continue
		}
		eventType, _, err := commitment.ParseLeaf(leaf)
		if err != nil {
			eventType = "unknown"
		}
		c.Unshown[eventType]++
	}
}

// Text says in one language what is covered, in one line.
func (c Coverage) Text(lang string) string {
	if c.Total+len(c.Shards) == 0 {
		return c.text(lang)
	}
	say := "found %d, of these proved %d, not in the log yet %d, not genuine %d"
	if lang == "vi" {
		say = "tìm thấy %d, trong đó có bằng chứng %d, chưa vào nhật ký %d, không xác thực %d"
	}
	text := fmt.Sprintf(say, c.Total, c.Shown, c.Unlogged, c.Faulty)
	for _, one := range c.Shards {
		text += "; " + one.Origin + ": " + one.text(lang)
	}
	return text
}

func (c Coverage) text(lang string) string {
	vi := lang == "vi"
	var types []string
	for _, t := range slices.Sorted(maps.Keys(c.Unshown)) {
		types = append(types, fmt.Sprintf("%s %d", t, c.Unshown[t]))
	}
	others := strings.Join(types, ", ")
	if others == "" {
		others = "0"
	}
	switch {
	case c.Segments == 0 && vi:
		return "không có sự kiện nào"
	case c.Segments == 0:
		return "no events"
	case vi:
		text := fmt.Sprintf("trình ra %d sự kiện, mục %d đến %d; mục không trình ra, theo loại: %s; mục lặp lại: %d", c.Shown, c.First, c.Last, others, c.Duplicates)
		if c.Segments > 1 {
			text += fmt.Sprintf("; gồm %d đoạn, không khẳng định gì về các mục ở giữa", c.Segments)
		}
		return text
	default:
		text := fmt.Sprintf("%d events shown, entries %d to %d; entries not shown, by type: %s; entries that stand twice: %d", c.Shown, c.First, c.Last, others, c.Duplicates)
		if c.Segments > 1 {
			text += fmt.Sprintf("; in %d segments, nothing is said of the entries between them", c.Segments)
		}
		return text
	}
}
