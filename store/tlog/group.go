package tlog

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/transparency-dev/tessera"
)

// groups writes entries in groups, one group after the other. The entries that
// come while a group is written are the next, so the size of a group follows the
// load by itself and a lone entry waits for nobody.
type groups struct {
	appender *tessera.Appender
	age      time.Duration
	queue    chan waiting
	stop     chan struct{}
	done     chan struct{}
	// failed is why the last group was not written, nil if it was; began is when the
	// group that is being written was begun, zero if none is.
	failed atomic.Pointer[error]
	began  atomic.Int64
}

type waiting struct {
	entry  *tessera.Entry
	answer chan<- answer
}

type answer struct {
	index uint64
	err   error
}

func newGroups(ctx context.Context, appender *tessera.Appender, age time.Duration) *groups {
	g := &groups{
		appender: appender, age: age, queue: make(chan waiting, maxGroup),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go g.run(ctx)
	return g
}

// add waits for the entry's place, as long as the context lets it.
func (g *groups) add(ctx context.Context, entry []byte) (uint64, error) {
	answered := make(chan answer, 1)
	select {
	case g.queue <- waiting{tessera.NewEntry(entry), answered}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case a := <-answered:
		return a.index, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (g *groups) run(ctx context.Context) {
	defer close(g.done)
	for {
		var group []waiting
		select {
		case first := <-g.queue:
			group = g.gather(first)
		case <-g.stop:
			if group = g.drain(nil); len(group) == 0 {
				return
			}
		}
		g.write(ctx, group)
	}
}

// gather takes what is there, and with an age set waits for more.
func (g *groups) gather(first waiting) []waiting {
	group := g.drain([]waiting{first})
	if g.age <= 0 {
		return group
	}
	timer := time.NewTimer(g.age)
	defer timer.Stop()
	for len(group) < maxGroup {
		select {
		case next := <-g.queue:
			group = append(group, next)
		case <-timer.C:
			return group
		case <-g.stop:
			return group
		}
	}
	return group
}

func (g *groups) drain(group []waiting) []waiting {
	for len(group) < maxGroup {
		select {
		case next := <-g.queue:
			group = append(group, next)
		default:
			return group
		}
	}
	return group
}

// write hands a group over and waits for it: the futures resolve when it is on
// disk. The context is the log's: that one caller has gone must not take the
// others' entries back.
func (g *groups) write(ctx context.Context, group []waiting) {
	g.began.Store(time.Now().UnixNano())
	defer g.began.Store(0)
	futures := make([]tessera.IndexFuture, len(group))
	for i, w := range group {
		futures[i] = g.appender.Add(ctx, w.entry)
	}
	for i, w := range group {
		index, err := futures[i]()
		if err == nil {
			g.failed.Store(nil)
		} else {
			g.failed.Store(&err)
		}
		w.answer <- answer{index.Index, err}
	}
}

// close writes what is queued and returns. Nothing may be added any more.
func (g *groups) close() {
	close(g.stop)
	<-g.done
}
