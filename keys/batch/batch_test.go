package batch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/keys"
	"hopnhat/keys/batch"
)

var key = keys.Handle{Use: keys.TokenSigning, Algorithm: keys.ES256, KeyID: "one", Name: "token", Version: 1}

// gate is a store whose calls wait until the test lets them answer, so that time
// plays no part. It signs by reversing, and refuses inputs that begin with "bad".
type gate struct {
	calls chan call
}

type call struct {
	key      keys.Handle
	inputs   [][]byte
	requests string
	answer   chan error
}

var errBad = errors.New("this input cannot be signed")

func signed(input []byte) []byte {
	out := bytes.Clone(input)
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

func (g *gate) sign(ctx context.Context, k keys.Handle, inputs [][]byte) ([]keys.Signature, error) {
	c := call{k, inputs, keys.RequestOf(ctx), make(chan error)}
	g.calls <- c
	if err := <-c.answer; err != nil {
		return nil, err
	}
	return answers(inputs), nil
}

func answers(inputs [][]byte) []keys.Signature {
	out := make([]keys.Signature, len(inputs))
	for i, input := range inputs {
		if bytes.HasPrefix(input, []byte("bad")) {
			out[i].Err = errBad
		} else {
			out[i].Bytes = signed(input)
		}
	}
	return out
}

// ask signs in the background.
func ask(ctx context.Context, b *batch.Batcher, k keys.Handle, inputs ...string) chan answer {
	done := make(chan answer, 1)
	raw := make([][]byte, len(inputs))
	for i, input := range inputs {
		raw[i] = []byte(input)
	}
	go func() {
		got, err := b.Sign(ctx, k, raw...)
		done <- answer{inputs, got, err}
	}()
	return done
}

type answer struct {
	inputs []string
	got    []keys.Signature
	err    error
}

func (a answer) check(t interface{ Fatalf(string, ...any) }) {
	if a.err != nil || len(a.got) != len(a.inputs) {
		t.Fatalf("%v: got %d signatures, %v", a.inputs, len(a.got), a.err)
	}
	for i, input := range a.inputs {
		bad := strings.HasPrefix(input, "bad")
		if bad != errors.Is(a.got[i].Err, errBad) || !bad && !bytes.Equal(a.got[i].Bytes, signed([]byte(input))) {
			t.Fatalf("%q: got %q, %v", input, a.got[i].Bytes, a.got[i].Err)
		}
	}
}

// settle waits until n inputs are queued.
func settle(b *batch.Batcher, n int) {
	for b.Waiting() != n {
		runtime.Gosched()
	}
}

func TestALoneCallerLeavesAtOnceAndACrowdTogether(t *testing.T) {
	g := &gate{calls: make(chan call)}
	b := batch.New(g.sign, batch.Options{MaxInFlight: 1})
	first := ask(t.Context(), b, key, "first")
	one := <-g.calls
	var crowd []chan answer
	for i := range 50 {
		crowd = append(crowd, ask(keys.WithRequest(t.Context(), fmt.Sprint("r", i)), b, key, fmt.Sprint("a", i), fmt.Sprint("b", i)))
	}
	settle(b, 100)
	one.answer <- nil
	many := <-g.calls
	if len(one.inputs) != 1 || len(many.inputs) != 100 {
		t.Fatalf("calls of %d and %d inputs, want 1 and 100", len(one.inputs), len(many.inputs))
	}
	if got := len(strings.Split(many.requests, ",")); got != 50 {
		t.Fatalf("the call names %d requests, want 50: %s", got, many.requests)
	}
	many.answer <- nil
	(<-first).check(t)
	for _, c := range crowd {
		(<-c).check(t)
	}
}

func TestOneBadInputFailsAlone(t *testing.T) {
	g := &gate{calls: make(chan call)}
	b := batch.New(g.sign, batch.Options{MaxInFlight: 1})
	hold := ask(t.Context(), b, key, "hold")
	held := <-g.calls
	good, bad := ask(t.Context(), b, key, "good"), ask(t.Context(), b, key, "bad")
	settle(b, 2)
	held.answer <- nil
	(<-g.calls).answer <- nil
	(<-hold).check(t)
	(<-good).check(t)
	(<-bad).check(t)
}

func TestACallThatFailsFailsForAllAndNoOthers(t *testing.T) {
	g := &gate{calls: make(chan call)}
	b := batch.New(g.sign, batch.Options{MaxInFlight: 1})
	first := ask(t.Context(), b, key, "first")
	c := <-g.calls
	second := ask(t.Context(), b, key, "second")
	settle(b, 1)
	outage := &keys.Outage{Cause: keys.Sealed, Doing: "signing"}
	c.answer <- outage
	(<-g.calls).answer <- nil
	if a := <-first; !errors.Is(a.err, keys.ErrUnavailable) {
		t.Fatalf("got %v, want the outage", a.err)
	}
	(<-second).check(t)
}

func TestACancelledCallerLeavesTheQueue(t *testing.T) {
	g := &gate{calls: make(chan call)}
	b := batch.New(g.sign, batch.Options{MaxInFlight: 1})
	hold := ask(t.Context(), b, key, "hold")
	held := <-g.calls
	ctx, cancel := context.WithCancel(t.Context())
	gone := ask(ctx, b, key, "gone", "gone too")
	settle(b, 2)
	stays := ask(t.Context(), b, key, "stays")
	settle(b, 3)
	cancel()
	if a := <-gone; !errors.Is(a.err, context.Canceled) {
		t.Fatalf("got %v, want cancelled", a.err)
	}
	settle(b, 1)
	held.answer <- nil
	next := <-g.calls
	if len(next.inputs) != 1 || string(next.inputs[0]) != "stays" {
		t.Fatalf("signed %q for nobody", next.inputs)
	}
	next.answer <- nil
	(<-hold).check(t)
	(<-stays).check(t)
}

func TestACallerWhoLeavesInFlightHoldsNobodyUp(t *testing.T) {
	g := &gate{calls: make(chan call)}
	b := batch.New(g.sign, batch.Options{MaxInFlight: 1})
	ctx, cancel := context.WithCancel(t.Context())
	gone := ask(ctx, b, key, "gone")
	c := <-g.calls
	cancel()
	if a := <-gone; !errors.Is(a.err, context.Canceled) {
		t.Fatalf("got %v, want cancelled", a.err)
	}
	c.answer <- nil
	stays := ask(t.Context(), b, key, "stays")
	(<-g.calls).answer <- nil
	(<-stays).check(t)
}

func TestTooMuchIsRefusedAtOnce(t *testing.T) {
	g := &gate{calls: make(chan call)}
	b := batch.New(g.sign, batch.Options{MaxInFlight: 1, Queue: 3})
	hold := ask(t.Context(), b, key, "hold")
	held := <-g.calls
	three := ask(t.Context(), b, key, "1", "2", "3")
	settle(b, 3)
	_, err := b.Sign(t.Context(), key, []byte("4"))
	if cause, _ := keys.CauseOf(err); cause != keys.Overloaded || !errors.Is(err, keys.ErrUnavailable) {
		t.Fatalf("got %v, want overloaded", err)
	}
	held.answer <- nil
	(<-g.calls).answer <- nil
	(<-hold).check(t)
	(<-three).check(t)
}

func TestAnAnswerOfAnotherSizeIsNoAnswer(t *testing.T) {
	b := batch.New(func(context.Context, keys.Handle, [][]byte) ([]keys.Signature, error) {
		return []keys.Signature{{}, {}}, nil
	}, batch.Options{})
	_, err := b.Sign(t.Context(), key, []byte("x"))
	if cause, _ := keys.CauseOf(err); cause != keys.BadAnswer {
		t.Fatalf("got %v, want bad-answer", err)
	}
}

func TestClosedSignsNothingMore(t *testing.T) {
	b := batch.New(func(_ context.Context, _ keys.Handle, inputs [][]byte) ([]keys.Signature, error) {
		return answers(inputs), nil
	}, batch.Options{})
	if got, err := b.Sign(t.Context(), key); got != nil || err != nil {
		t.Fatalf("nothing asked: got %v, %v", got, err)
	}
	b.Close()
	if _, err := b.Sign(t.Context(), key, []byte("x")); !errors.Is(err, keys.ErrUnavailable) {
		t.Fatalf("got %v, want unavailable", err)
	}
}

// clock is one that stands still; what is to happen later happens when the test
// says so.
type clock struct {
	mu    sync.Mutex
	later []func()
}

func (c *clock) afterFunc(_ time.Duration, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.later = append(c.later, f)
}

func (c *clock) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.later)
}

// fire lets the wait that began first end.
func (c *clock) fire() {
	c.mu.Lock()
	f := c.later[0]
	c.later = c.later[1:]
	c.mu.Unlock()
	f()
}

// caller is somebody who asked.
type caller struct {
	answer chan answer
	size   int
	failed bool
}

// model is what one version's queue must be like.
type model struct {
	key       keys.Handle
	o         batch.Options
	queue     []*caller
	calls     []sentCall
	load      int
	lingering bool
}

type sentCall struct {
	call    call
	callers []*caller
	size    int
}

func (m *model) queued() (n int) {
	for _, c := range m.queue {
		n += c.size
	}
	return n
}

func (m *model) sent() (n int) {
	for _, f := range m.calls {
		n += f.size
	}
	return n
}

// mustSend reports whether a call must be made now; if one waits for more callers instead,
// lingering is set.
func (m *model) mustSend() bool {
	if len(m.calls) >= m.o.MaxInFlight || len(m.queue) == 0 {
		return false
	}
	share := min(m.o.Cap, max(1, (m.load+m.o.MaxInFlight-1)/m.o.MaxInFlight))
	if m.queued() >= share {
		return true
	}
	m.lingering = true
	return false
}

// nextCall is the next call: the oldest orders that fit.
func (m *model) nextCall(t *rapid.T, g *gate) {
	n, size := 0, 0
	for n < len(m.queue) && (n == 0 || size+m.queue[n].size <= m.o.Cap) {
		size += m.queue[n].size
		n++
	}
	c := <-g.calls
	if c.key != m.key || len(c.inputs) != size {
		t.Fatalf("a call with %s of %d inputs, want %s of %d", c.key.KeyID, len(c.inputs), m.key.KeyID, size)
	}
	m.calls = append(m.calls, sentCall{c, m.queue[:n:n], size})
	m.queue = m.queue[n:]
}

// TestEveryCallerGetsHisOwn: whatever comes, leaves, fails or is cancelled in
// whatever order, each caller gets the signatures of his inputs or an error, no
// call is larger than the cap, no queue has more calls than allowed, calls are made
// exactly when they should, and nothing stays behind.
func TestEveryCallerGetsHisOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := &clock{}
		still := time.Unix(0, 0)
		o := batch.Options{
			MaxInFlight: rapid.IntRange(1, 3).Draw(t, "in flight"), Cap: rapid.IntRange(1, 8).Draw(t, "cap"),
			Queue: rapid.IntRange(8, 64).Draw(t, "queue"),
			Now:   func() time.Time { return still }, AfterFunc: clock.afterFunc,
		}
		g := &gate{calls: make(chan call)}
		b := batch.New(g.sign, o)
		models := []*model{
			{key: key, o: o},
			{key: keys.Handle{Use: keys.TokenSigning, Algorithm: keys.ES256, KeyID: "two", Name: "token", Version: 2}, o: o},
		}
		waiting := func() int { return models[0].queued() + models[1].queued() }
		var lingering []*model // whose wait was begun, in order
		flush := func(m *model) {
			was := m.lingering
			if m.mustSend() {
				m.nextCall(t, g)
			} else if m.lingering && !was {
				lingering = append(lingering, m)
				for clock.pending() != len(lingering) {
					runtime.Gosched()
				}
			}
			settle(b, waiting())
		}
		var callers []*caller
		next := 0
		asks := func(m *model) {
			var inputs []string
			for range rapid.IntRange(1, 3).Draw(t, "inputs") {
				inputs = append(inputs, fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"", "bad"}).Draw(t, "kind"), next))
				next++
			}
			full := waiting()+len(inputs) > o.Queue
			c := &caller{answer: ask(context.Background(), b, m.key, inputs...), size: len(inputs)}
			if full {
				if a := <-c.answer; !errors.Is(a.err, keys.ErrUnavailable) {
					t.Fatalf("a full queue took more: %v", a.err)
				}
				return
			}
			callers = append(callers, c)
			m.queue = append(m.queue, c)
			m.load = max(m.load, m.sent()+m.queued())
			flush(m)
		}
		answered := func(m *model, i int, err error) {
			f := m.calls[i]
			m.calls = append(m.calls[:i:i], m.calls[i+1:]...)
			for _, c := range f.callers {
				c.failed = err != nil
			}
			f.call.answer <- err
			m.load = m.sent() + m.queued() + f.size
			for _, c := range f.callers { // all have heard, so the call is done
				a := <-c.answer
				c.answer <- a
			}
			flush(m)
		}
		waits := func() {
			m := lingering[0]
			lingering = lingering[1:]
			m.lingering = false
			m.load = m.sent() + m.queued()
			clock.fire() // to its end: what it does to the queue comes before the next step
			if len(m.queue) > 0 && len(m.calls) < o.MaxInFlight {
				m.nextCall(t, g)
			}
			settle(b, waiting())
			for clock.pending() != len(lingering) {
				runtime.Gosched()
			}
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			m := rapid.SampledFrom(models).Draw(t, "queue")
			switch rapid.SampledFrom([]string{"ask", "ask", "ask", "answer", "answer", "wait"}).Draw(t, "step") {
			case "ask":
				asks(m)
			case "answer":
				if len(m.calls) > 0 {
					var err error
					if rapid.Bool().Draw(t, "fails") {
						err = &keys.Outage{Cause: keys.Slow, Doing: "signing"}
					}
					answered(m, rapid.IntRange(0, len(m.calls)-1).Draw(t, "which"), err)
				}
			case "wait":
				if len(lingering) > 0 {
					waits()
				}
			}
		}
		for len(models[0].calls)+len(models[1].calls)+len(lingering) > 0 {
			for _, m := range models {
				for len(m.calls) > 0 {
					answered(m, 0, nil)
				}
			}
			if len(lingering) > 0 {
				waits()
			}
		}
		for _, c := range callers {
			a := <-c.answer
			if c.failed != (a.err != nil) {
				t.Fatalf("%v: failed %v, got %v", a.inputs, c.failed, a.err)
			}
			if a.err == nil {
				a.check(t)
			}
		}
		b.Close()
		if b.Waiting() != 0 {
			t.Fatalf("%d stay behind", b.Waiting())
		}
	})
}

// TestUnderRace is for the race detector: many callers, half of whom lose
// patience.
func TestUnderRace(t *testing.T) {
	b := batch.New(func(_ context.Context, _ keys.Handle, inputs [][]byte) ([]keys.Signature, error) {
		runtime.Gosched()
		return answers(inputs), nil
	}, batch.Options{Cap: 16})
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for j := range 100 {
				ctx, cancel := context.WithCancel(context.Background())
				if (i+j)%2 == 0 {
					go cancel()
				}
				a := <-ask(ctx, b, key, fmt.Sprint(i, " ", j))
				if a.err == nil {
					a.check(t)
				} else if !errors.Is(a.err, context.Canceled) {
					t.Errorf("got %v", a.err)
				}
				cancel()
			}
		})
	}
	all.Wait()
	b.Close()
}

// TestTenThousandWaitInLittleMemory: what waits costs its own few hundred bytes.
func TestTenThousandWaitInLittleMemory(t *testing.T) {
	g := &gate{calls: make(chan call, 1)}
	b := batch.New(g.sign, batch.Options{MaxInFlight: 1, Timeout: time.Hour})
	hold := ask(t.Context(), b, key, "hold")
	held := <-g.calls
	before := inUse()
	var crowd []chan answer
	for i := range 10_000 {
		crowd = append(crowd, ask(t.Context(), b, key, fmt.Sprint(i)))
	}
	settle(b, 10_000)
	if each := int64(inUse()-before) / 10_000; each > 8<<10 {
		t.Errorf("%d bytes a waiting caller, its goroutine included", each)
	}
	go func() {
		for c := range g.calls {
			c.answer <- nil
		}
	}()
	held.answer <- nil
	(<-hold).check(t)
	for _, c := range crowd {
		(<-c).check(t)
	}
	b.Close()
	crowd = nil
	close(g.calls)
	if b.Waiting() != 0 {
		t.Errorf("%d wait still", b.Waiting())
	}
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC() // what a finished goroutine held is free only now
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
