package logging

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"hopnhat/authz/tally"
)

// Of one kind of line so many are written at once, and one more each second. What
// strangers cause is in the log that way, and they cannot fill the disk with it.
const (
	foldBurst = 60
	foldEvery = time.Second
	foldTell  = time.Minute
	maxKinds  = 1000
)

// kind tells lines apart: the message, which the code has as a constant, and the code
// of the refusal that it tells of, if it does.
type kind struct {
	level   slog.Level
	message string
	code    string
}

// folded is the state of a kind: lines that may be written now, and how many were left
// out since it was last told.
type folded struct {
	lines *rate.Limiter
	out   int
}

// folds bounds how often one kind of line is written, and tells each minute how many
// were left out. Lines of level debug and of the access log, which somebody asked for,
// are not folded.
type folds struct {
	slog.Handler
	state *foldState
}

type foldState struct {
	now func() time.Time

	mu    sync.Mutex
	kinds map[kind]*folded
	told  time.Time

	out tally.Counter[slog.Level]
}

// process is the state of the log of this process.
var process = &foldState{now: time.Now, kinds: map[kind]*folded{}}

func (f folds) WithAttrs(a []slog.Attr) slog.Handler { return folds{f.Handler.WithAttrs(a), f.state} }

func (f folds) WithGroup(name string) slog.Handler { return folds{f.Handler.WithGroup(name), f.state} }

// Handle writes a line, or counts it.
func (f folds) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo || r.Message == accessLine {
		return f.Handler.Handle(ctx, r)
	}
	write, tell := f.state.take(kindOf(r), r.Level)
	for k, n := range tell {
		summary := slog.NewRecord(f.state.now(), k.level, "lines were left out of the log", 0)
		summary.AddAttrs(slog.String("message", k.message), slog.String("error", k.code), slog.Int("lines", n))
		if err := f.Handler.Handle(context.Background(), summary); err != nil {
			return err
		}
	}
	if !write {
		return nil
	}
	return f.Handler.Handle(ctx, r)
}

// LeftOut counts by level the lines that were not written, since there were too many
// of their kind.
func LeftOut() map[slog.Level]uint64 { return process.out.All() }

// accessLine is the message of the access log.
const accessLine = "answered"

// kindOf leaves out what a caller chose: of the attributes only a short code counts.
func kindOf(r slog.Record) kind {
	k := kind{level: r.Level, message: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			if _, isError := a.Value.Any().(error); !isError && len(a.Value.String()) < 64 {
				k.code = a.Value.String()
			}
			return false
		}
		return true
	})
	return k
}

// take reports whether a line may be written, and once a minute what was left out.
func (s *foldState) take(k kind, level slog.Level) (write bool, tell map[kind]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now.Sub(s.told) >= foldTell {
		s.told = now
		for other, f := range s.kinds {
			switch {
			case f.out > 0:
				if tell == nil {
					tell = map[kind]int{}
				}
				tell[other], f.out = f.out, 0
			case f.lines.TokensAt(now) >= foldBurst:
				delete(s.kinds, other)
			}
		}
	}
	f, ok := s.kinds[k]
	if !ok {
		if len(s.kinds) >= maxKinds {
			k = kind{level: level} // all others together
			f = s.kinds[k]
		}
		if f == nil {
			f = &folded{lines: rate.NewLimiter(rate.Every(foldEvery), foldBurst)}
			s.kinds[k] = f
		}
	}
	if !f.lines.AllowN(now, 1) {
		f.out++
		s.out.Add(level)
		return false, tell
	}
	return true, tell
}
