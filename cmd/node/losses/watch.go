package losses

import (
	"context"
	"log/slog"
	"time"
)

// Watch applies what is lost whenever other entries without a row are found than before: a
// shard may be opened, or mended, long after the start. found says which there are, empty for
// none.
func Watch(ctx context.Context, found func() string, apply func(ctx context.Context) error) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for done := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := found()
		if now == "" || now == done {
			done = now
			continue
		}
		if err := apply(ctx); err != nil {
			slog.ErrorContext(ctx, "what the log knows to have ended could not be ended; it is tried again", "error", err)
			continue
		}
		done = now
	}
}
