package exporting

import (
	"errors"
	"fmt"
	"time"

	"hopnhat/store/tlog"
)

// Part is a part of an export, by when its events were decided: From and later, before To.
type Part struct {
	From, To time.Time
	// Name tells it from the others, such as 2026q4, 2026-10 or 2026-10-01.
	Name string
}

// mostParts bounds the parts of one export.
const mostParts = 1000

// Parts divides a time into its quarters, months or days. They are those of UTC, as the shards of
// the log are by quarters of it.
func Parts(from, to time.Time, each string) (all []Part, err error) {
	from, to = from.UTC(), to.UTC()
	if from.IsZero() || !from.Before(to) {
		return nil, errors.New("parts are of a time: say --from, and --to that is later")
	}
	for at := from; at.Before(to); {
		var next time.Time
		var name string
		year, month, day := at.Date()
		switch each {
		case "quarter":
			next, name = time.Date(year, (month-1)/3*3+4, 1, 0, 0, 0, 0, time.UTC), tlog.Shard(at)
		case "month":
			next, name = time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC), at.Format("2006-01")
		case "day":
			next, name = time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC), at.Format(time.DateOnly)
		default:
			return nil, fmt.Errorf("an export has parts by quarter, month or day, and not by %q", each)
		}
		if next.After(to) {
			next = to
		}
		if len(all) == mostParts {
			return nil, fmt.Errorf("that are more than %d parts: take larger ones, or less time", mostParts)
		}
		all, at = append(all, Part{at, next, name}), next
	}
	return all, nil
}
