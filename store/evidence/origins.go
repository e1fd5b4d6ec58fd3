package evidence

import (
	"context"
	"database/sql"

	"hopnhat/store/handle"
)

// Origins lists the shards that places of a database name, known here or not, in their order.
func Origins(ctx context.Context, h *handle.Handle) (origins []string, err error) {
	for after := ""; ; {
		var next sql.NullString
		err := h.Background().QueryRowContext(ctx, h.Bind("SELECT min(origin) FROM event_places WHERE origin > ?"), after).Scan(&next)
		if err != nil || !next.Valid {
			return origins, handle.Wrap("reading the shards of places", err)
		}
		after = next.String
		origins = append(origins, after)
	}
}
