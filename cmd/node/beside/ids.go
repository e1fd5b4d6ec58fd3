package beside

import (
	"context"
	"errors"
	"log/slog"

	"hopnhat/authz/audit/copyseal"
	"hopnhat/store/leafrows"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/copies"
)

// IDs tells of which events entries are, by the copies beside them in the archives that are here.
// Where there is no copy, or none of the entry, nothing is told.
func (c Copies) IDs(archives []*tlog.Archive) leafrows.IDs {
	return func(ctx context.Context, origin string, first uint64, leaves [][]byte, wanted func([]byte) bool) (ids []string, err error) {
		for _, a := range archives {
			name, err := tlog.ParseName(a.Log, origin)
			if err != nil || !a.Has(name) {
				continue
			}
			folder := copies.Of(name.Dir(a.Dir))
			var records map[uint64]copies.Record
			for i, leaf := range leaves {
				at := first + uint64(i)
				if i == 0 || at%copies.Range == 0 {
					if records, err = folder.Read(at / copies.Range); err != nil {
						slog.WarnContext(ctx, "copies beside the log could not be read; rows are looked for without them", "origin", origin, "error", err)
					}
				}
				if !wanted(leaf) || len(records[at].Copy) == 0 {
					continue
				}
				event, err := c.Open(ctx, copyseal.LeafHash(leaf), records[at].Copy)
				if errors.Is(err, copyseal.ErrCopy) {
					continue
				}
				if err != nil {
					return nil, err
				}
				ids = append(ids, event.Event.ID)
			}
			return ids, nil
		}
		return nil, nil
	}
}
