package authz

import (
	"context"
	"sync"
)

// Reading is what one request of a browser has read of the database, so that it is read
// once a request. It decides nothing: what is decided in a transaction is read or held
// there. It is safe for concurrent use; on nil nothing is kept.
type Reading struct {
	// Session is the hash of the session secret that the browser sent, nil for none. What
	// is read for the request may be read together with that session.
	Session []byte

	mu   sync.Mutex
	kept map[any]any
}

type readingKey struct{}

// WithReading begins a [Reading] for a request.
func WithReading(ctx context.Context, session []byte) context.Context {
	return context.WithValue(ctx, readingKey{}, &Reading{Session: session, kept: map[any]any{}})
}

// ReadingOf is the reading of a request, nil for what is not one.
func ReadingOf(ctx context.Context) *Reading {
	r, _ := ctx.Value(readingKey{}).(*Reading)
	return r
}

// Keep keeps what was read under a key.
func (r *Reading) Keep(key, value any) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept[key] = value
}

// Kept finds what was read under a key.
func (r *Reading) Kept(key any) (value any, ok bool) {
	if r == nil {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	value, ok = r.kept[key]
	return value, ok
}

// Forget forgets what was read, after a statement that may have changed it.
func (r *Reading) Forget() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.kept)
}
