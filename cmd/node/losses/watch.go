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
	const every = 5 * time.Second
	tick := time.NewTicker(every)
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
		began := time.Now()
		if err := apply(ctx); err != nil {
			tick.Reset(max(every, 9*time.Since(began))) // it reads the whole of the logs
			slog.ErrorContext(ctx, "what the log knows to have ended could not be ended; it is tried again", "error", err)
			continue
		}
		tick.Reset(every)
		done = now
	}
}
