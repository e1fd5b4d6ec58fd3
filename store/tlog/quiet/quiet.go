// Package quiet keeps what the library of the log says out of the log lines of a server, from
// warnings down.
package quiet

import (
	"context"
	"log/slog"
	"sync"

	"k8s.io/klog/v2"
)

// Tessera sends what it says to the logger of this process, from warnings up: it tells of every
// start. Its logger is one for all logs and is not to be changed while one is open.
var Tessera = sync.OnceFunc(func() {
	klog.SetSlogLogger(slog.New(warnings{func() slog.Handler { return slog.Default().Handler() }}))
})

// warnings is a handler that passes warnings on to the default logger of the
// moment.
type warnings struct{ next func() slog.Handler }

// Enabled says which records pass.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.next().Enabled(ctx, level)
}

// Handle passes a record on.
func (w warnings) Handle(ctx context.Context, r slog.Record) error { return w.next().Handle(ctx, r) }

// WithAttrs passes on.
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{func() slog.Handler { return w.next().WithAttrs(attrs) }}
}

// WithGroup passes on.
func (w warnings) WithGroup(name string) slog.Handler {
	return warnings{func() slog.Handler { return w.next().WithGroup(name) }}
}
