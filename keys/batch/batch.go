// Package batch coalesces concurrent signatures with one key into one call to the
// key store, whose price is the call and not the signature.
//
// While fewer than [Options.Flights] calls ("flights") are in progress, a signature is
// sent at once when it is alone: a lone caller never waits. Under load the callers of a
// call that has returned come back together; so a call waits until its share of the
// load is queued, and no longer than an eighth of the time of a call. A signature that
// arrives while all calls are in progress waits for the next. So batches grow with the
// load, up to a cap, and shrink with it.
package batch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"hopnhat/keys"
)

// Sign signs inputs with one version of a key, in one round trip (see
// keys.Store).
type Sign func(ctx context.Context, key keys.Handle, inputs [][]byte) ([]keys.Signature, error)

// Options are the limits; zero values take the defaults.
type Options struct {
	// Flights is how many calls may be under way for one version, 2.
	Flights int
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

// maxWindow bounds the wait for more callers.
const maxWindow = time.Millisecond

// Batcher coalesces. It is safe for concurrent use.
type Batcher struct {
	o    Options
	sign Sign

	mu      sync.Mutex
	lanes   map[keys.Handle]*lane
	waiting int
	closed  bool
	flights sync.WaitGroup
}

// lane is one version's queue. Versions are few, so none is forgotten.
type lane struct {
	queue  []*order // oldest first
	queued int      // inputs in it
	flying int      // calls
	aloft  int      // inputs in them
	// load is how many inputs there were lately: in a call, waiting, or just answered.
	// Their callers are expected to come back.
	load   int
	took   time.Duration // the last call
	window bool          // a wait for more callers is in progress
}

// share is how many inputs a call waits for.
func (l *lane) share(o *Options) int {
	return min(o.Cap, max(1, (l.load+o.Flights-1)/o.Flights))
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
	}{{&o.Flights, 2}, {&o.Cap, 128}, {&o.Queue, 16 << 10}} {
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
	return &Batcher{o: o, sign: sign, lanes: map[keys.Handle]*lane{}}
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
		b.leave(key, o)
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
		return &keys.Outage{Cause: keys.Overloaded, Doing: "signing with " + key.Name, Err: fmt.Errorf("%d signatures wait already", b.waiting)}
	}
	l := b.lanes[key]
	if l == nil {
		l = &lane{}
		b.lanes[key] = l
	}
	l.queue = append(l.queue, o)
	l.queued += len(o.inputs)
	b.waiting += len(o.inputs)
	l.load = max(l.load, l.aloft+l.queued)
	b.board(key, l)
	return nil
}

// board sends a batch if a call is free and enough inputs are queued; else it waits a
// little for more. The lock is held.
func (b *Batcher) board(key keys.Handle, l *lane) {
	switch {
	case l.flying >= b.o.Flights || l.queued == 0:
	case l.queued >= l.share(&b.o):
		b.takeOff(key, l)
	case !l.window:
		l.window = true
		b.o.AfterFunc(min(l.took/8, maxWindow), func() { b.depart(key, l) })
	}
}

// depart ends a wait for more callers: those that are waiting are sent, and those that
// did not come are no longer expected.
func (b *Batcher) depart(key keys.Handle, l *lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.window = false
	l.load = l.aloft + l.queued
	if l.queued > 0 && l.flying < b.o.Flights {
		b.takeOff(key, l)
	}
}

// leave takes a caller's order out of the queue, if it is still there.
func (b *Batcher) leave(key keys.Handle, o *order) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lanes[key]
	if l == nil {
		return
	}
	for i, q := range l.queue {
		if q == o {
			l.queue = append(l.queue[:i], l.queue[i+1:]...)
			l.queued -= len(o.inputs)
			b.waiting -= len(o.inputs)
			return
		}
	}
}

// takeOff sends the queued inputs, up to the cap. The lock is held.
func (b *Batcher) takeOff(key keys.Handle, l *lane) {
	n, inputs := 0, 0
	for n < len(l.queue) && (n == 0 || inputs+len(l.queue[n].inputs) <= b.o.Cap) {
		inputs += len(l.queue[n].inputs)
		n++
	}
	orders := l.queue[:n:n]
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil // or the array would keep what has left
	}
	b.waiting -= inputs
	l.queued -= inputs
	l.aloft += inputs
	l.flying++
	b.flights.Add(1)
	go b.fly(key, l, orders, inputs)
}

// fly makes one call, gives each caller its signatures, and sends what was queued
// meanwhile.
func (b *Batcher) fly(key keys.Handle, l *lane, orders []*order, size int) {
	defer b.flights.Done()
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
	// The lane is updated first, so that callers that come back at once are part of its
	// load.
	b.land(key, l, size, took)
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

// land ends a flight and lets the next one board.
func (b *Batcher) land(key keys.Handle, l *lane, size int, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.flying--
	l.aloft -= size
	l.load = l.aloft + l.queued + size
	l.took = took
	b.board(key, l)
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
	b.flights.Wait()
}
