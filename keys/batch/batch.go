// Package batch coalesces concurrent signatures with one key into one call to the
// key store, whose price is the call and not the signature.
//
// While fewer than [Options.MaxInFlight] calls are in progress, a signature is
// sent at once when it is alone: a lone caller never waits. Under load the callers of a
// call that has returned come back together; so a call waits until its share of the
// load is queued, and no longer than an eighth of the time of a call. A signature that
// arrives while all calls are in progress waits for the next. So batches grow with the
// load, up to a cap, and shrink with it.
package batch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"hopnhat/keys"
)

// Sign signs inputs with one version of a key, in one round trip (see
// keys.Store).
type Sign func(ctx context.Context, key keys.Handle, inputs [][]byte) ([]keys.Signature, error)

// Options are the limits; zero values take the defaults.
type Options struct {
	// MaxInFlight is how many calls may be in progress for one version, 2.
	MaxInFlight int
	// Cap is the largest number of inputs of one call, 128. A caller with more
	// makes a larger call of its own.
	Cap int
	// Queue is how many inputs may wait in all, 16,384; what comes then is refused
	// at once.
	Queue int
	// Timeout bounds one call, 10 s. A call belongs to all who wait for it, so it
	// is not bound to the patience of any one.
	Timeout time.Duration

	// Now and AfterFunc are the clock; nil takes that of package time.
	Now       func() time.Time
	AfterFunc func(d time.Duration, f func())
}

// maxLinger bounds the wait for more callers.
const maxLinger = time.Millisecond

// Batcher coalesces. It is safe for concurrent use.
type Batcher struct {
	o    Options
	sign Sign

	mu      sync.Mutex
	queues  map[keys.Handle]*queue
	waiting int
	closed  bool
	calls   sync.WaitGroup
}

// queue is what waits for one version, and what is sent. Versions are few, so none is forgotten.
type queue struct {
	orders []*order // oldest first
	queued int      // inputs in it
	calls  int      // in progress
	sent   int      // inputs in them
	// load is how many inputs there were lately: in a call, waiting, or just answered.
	// Their callers are expected to come back.
	load      int
	lastCall  time.Duration // how long it took
	lingering bool          // for more callers
}

// share is how many inputs a call waits for.
func (q *queue) share(o *Options) int {
	return min(o.Cap, max(1, (q.load+o.MaxInFlight-1)/o.MaxInFlight))
}

// order is the inputs of one caller: all of them are sent in one call.
type order struct {
	inputs  [][]byte
	request string
	done    chan result // of one, so that nobody waits for a caller who left
}

type result struct {
	signatures []keys.Signature
	err        error
}

// New makes a Batcher over a store's signing call.
func New(sign Sign, o Options) *Batcher {
	for _, d := range []struct {
		field *int
		value int
	}{{&o.MaxInFlight, 2}, {&o.Cap, 128}, {&o.Queue, 16 << 10}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.AfterFunc == nil {
		o.AfterFunc = func(d time.Duration, f func()) { time.AfterFunc(d, f) }
	}
	return &Batcher{o: o, sign: sign, queues: map[keys.Handle]*queue{}}
}

// Sign signs the inputs of one caller with one version, in one call. When the caller's
// context ends, inputs that were not sent yet are not signed, and signatures of those
// that were are dropped. Errors: keys.ErrUnavailable (with cause Overloaded when too
// much waits), context errors.
func (b *Batcher) Sign(ctx context.Context, key keys.Handle, inputs ...[]byte) ([]keys.Signature, error) {
	if len(inputs) == 0 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o := &order{inputs: inputs, request: keys.RequestOf(ctx), done: make(chan result, 1)}
	if err := b.enqueue(key, o); err != nil {
		return nil, err
	}
	select {
	case r := <-o.done:
		return r.signatures, r.err
	case <-ctx.Done():
		b.cancel(key, o)
		return nil, ctx.Err()
	}
}

func (b *Batcher) enqueue(key keys.Handle, o *order) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return &keys.Outage{Cause: keys.Unreachable, Doing: "signing with " + key.Name, Err: fmt.Errorf("the key store is closed")}
	case b.waiting+len(o.inputs) > b.o.Queue:
		return &keys.Outage{
			Cause: keys.Overloaded, Doing: "signing with " + key.Name, Err: fmt.Errorf("%d signatures wait already", b.waiting),
		}
	}
	q := b.queues[key]
	if q == nil {
		q = &queue{}
		b.queues[key] = q
	}
	q.orders = append(q.orders, o)
	q.queued += len(o.inputs)
	b.waiting += len(o.inputs)
	q.load = max(q.load, q.sent+q.queued)
	b.flush(key, q)
	return nil
}

// flush sends a batch if a call is free and enough inputs are queued; else it lingers a
// little for more. The lock is held.
func (b *Batcher) flush(key keys.Handle, q *queue) {
	switch {
	case q.calls >= b.o.MaxInFlight || q.queued == 0:
	case q.queued >= q.share(&b.o):
		b.send(key, q)
	case !q.lingering:
		q.lingering = true
		b.o.AfterFunc(min(q.lastCall/8, maxLinger), func() { b.endLinger(key, q) })
	}
}

// endLinger ends a wait for more callers: those that are waiting are sent, and those that
// did not come are no longer expected.
func (b *Batcher) endLinger(key keys.Handle, q *queue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q.lingering = false
	q.load = q.sent + q.queued
	if q.queued > 0 && q.calls < b.o.MaxInFlight {
		b.send(key, q)
	}
}

// cancel takes a caller's order out of the queue, if it is still there.
func (b *Batcher) cancel(key keys.Handle, o *order) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queues[key]
	if q == nil {
		return
	}
	if i := slices.Index(q.orders, o); i >= 0 {
		q.orders = slices.Delete(q.orders, i, i+1)
		q.queued -= len(o.inputs)
		b.waiting -= len(o.inputs)
	}
}

// send makes a call of the queued inputs, up to the cap. The lock is held.
func (b *Batcher) send(key keys.Handle, q *queue) {
	n, inputs := 0, 0
	for n < len(q.orders) && (n == 0 || inputs+len(q.orders[n].inputs) <= b.o.Cap) {
		inputs += len(q.orders[n].inputs)
		n++
	}
	orders := q.orders[:n:n]
	if q.orders = q.orders[n:]; len(q.orders) == 0 {
		q.orders = nil // or the array would keep what has left
	}
	b.waiting -= inputs
	q.queued -= inputs
	q.sent += inputs
	q.calls++
	b.calls.Add(1)
	go b.call(key, q, orders, inputs)
}

// call makes one call, gives each caller its signatures, and sends what was queued
// meanwhile.
func (b *Batcher) call(key keys.Handle, q *queue, orders []*order, size int) {
	defer b.calls.Done()
	inputs := make([][]byte, 0, size)
	var requests []byte
	for _, o := range orders {
		inputs = append(inputs, o.inputs...)
		if o.request != "" {
			if len(requests) > 0 {
				requests = append(requests, ',')
			}
			requests = append(requests, o.request...)
		}
	}
	ctx, cancel := context.WithTimeout(keys.WithRequest(context.Background(), string(requests)), b.o.Timeout)
	began := b.o.Now()
	signatures, err := b.sign(ctx, key, inputs)
	took := b.o.Now().Sub(began)
	cancel()
	// The queue is updated first, so that callers that come back at once are part of its
	// load.
	b.done(key, q, size, took)
	if err == nil && len(signatures) != len(inputs) {
		err = &keys.Outage{
			Cause: keys.BadAnswer, Doing: "signing with " + key.Name,
			Err: fmt.Errorf("%d results for %d inputs", len(signatures), len(inputs)),
		}
	}
	for _, o := range orders {
		if err != nil {
			o.done <- result{err: err}
			continue
		}
		o.done <- result{signatures: signatures[:len(o.inputs):len(o.inputs)]}
		signatures = signatures[len(o.inputs):]
	}
}

// done ends a call and lets the next one be sent.
func (b *Batcher) done(key keys.Handle, q *queue, size int, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q.calls--
	q.sent -= size
	q.load = q.sent + q.queued + size
	q.lastCall = took
	b.flush(key, q)
}

// Waiting is how many inputs have not left for the store yet.
func (b *Batcher) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting
}

// Close refuses what comes from now on, and waits for what was accepted.
func (b *Batcher) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.calls.Wait()
}
