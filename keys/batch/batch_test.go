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
	b := batch.New(g.sign, batch.Options{Flights: 1})
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
	b := batch.New(g.sign, batch.Options{Flights: 1})
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
	b := batch.New(g.sign, batch.Options{Flights: 1})
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
	b := batch.New(g.sign, batch.Options{Flights: 1})
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
	b := batch.New(g.sign, batch.Options{Flights: 1})
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
	b := batch.New(g.sign, batch.Options{Flights: 1, Queue: 3})
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

// TestEveryCallerGetsHisOwn: whatever comes, leaves, fails or is cancelled in
// whatever order, each caller gets the signatures of his inputs or an error, no
// call is larger than the cap, no lane has more flights than allowed, and nothing
// stays behind.
func TestEveryCallerGetsHisOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := batch.Options{Flights: rapid.IntRange(1, 3).Draw(t, "flights"), Cap: rapid.IntRange(1, 8).Draw(t, "cap"), Queue: rapid.IntRange(8, 64).Draw(t, "queue")}
		g := &gate{calls: make(chan call)}
		b := batch.New(g.sign, o)
		lanes := []keys.Handle{key, {Use: keys.TokenSigning, Algorithm: keys.ES256, KeyID: "two", Name: "token", Version: 2}}
		flying := map[keys.Handle][]call{}
		count := func() int { return len(flying[lanes[0]]) + len(flying[lanes[1]]) }
		queued := map[keys.Handle][]int{} // the model of the queues: sizes of orders
		waiting := func() int {
			n := 0
			for _, q := range queued {
				for _, size := range q {
					n += size
				}
			}
			return n
		}
		type caller struct {
			answer chan answer
			failed bool
		}
		inFlight := map[keys.Handle][][]*caller{}
		standing := map[keys.Handle][]*caller{}
		var callers []*caller
		// takeOff follows what the batcher must do when a flight is free.
		takeOff := func(k keys.Handle) {
			n, inputs := 0, 0
			for n < len(queued[k]) && (n == 0 || inputs+queued[k][n] <= o.Cap) {
				inputs += queued[k][n]
				n++
			}
			if n == 0 {
				return
			}
			c := <-g.calls
			if c.key != k || len(c.inputs) != inputs {
				t.Fatalf("a call with %s of %d inputs, want %s of %d", c.key.KeyID, len(c.inputs), k.KeyID, inputs)
			}
			flying[k] = append(flying[k], c)
			inFlight[k] = append(inFlight[k], standing[k][:n])
			queued[k], standing[k] = queued[k][n:], standing[k][n:]
		}
		next := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			k := rapid.SampledFrom(lanes).Draw(t, "lane")
			if len(flying[k]) == 0 || rapid.Bool().Draw(t, "ask") {
				var inputs []string
				for range rapid.IntRange(1, 3).Draw(t, "inputs") {
					inputs = append(inputs, fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"", "bad"}).Draw(t, "kind"), next))
					next++
				}
				full := waiting()+len(inputs) > o.Queue
				c := &caller{answer: ask(t.Context(), b, k, inputs...)}
				if full {
					if a := <-c.answer; !errors.Is(a.err, keys.ErrUnavailable) {
						t.Fatalf("a full queue took more: %v", a.err)
					}
					continue
				}
				callers = append(callers, c)
				queued[k], standing[k] = append(queued[k], len(inputs)), append(standing[k], c)
				if len(flying[k]) < o.Flights {
					takeOff(k)
				} else {
					settle(b, waiting())
				}
				continue
			}
			i := rapid.IntRange(0, len(flying[k])-1).Draw(t, "which")
			c, served := flying[k][i], inFlight[k][i]
			flying[k], inFlight[k] = append(flying[k][:i:i], flying[k][i+1:]...), append(inFlight[k][:i:i], inFlight[k][i+1:]...)
			var err error
			if rapid.Bool().Draw(t, "fails") {
				err = &keys.Outage{Cause: keys.Slow, Doing: "signing"}
				for _, who := range served {
					who.failed = true
				}
			}
			c.answer <- err
			takeOff(k)
		}
		for count() > 0 {
			for _, k := range lanes {
				for len(flying[k]) > 0 {
					c := flying[k][0]
					flying[k], inFlight[k] = flying[k][1:], inFlight[k][1:]
					c.answer <- nil
					takeOff(k)
				}
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
	b := batch.New(g.sign, batch.Options{Flights: 1, Timeout: time.Hour})
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
