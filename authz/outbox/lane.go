// Package outbox delivers messages that must reach apps. A message is queued in the
// commit that causes it, and sent until the app has taken it or its schedule ends. Each kind
// (logout tokens and consent notices, CIBA pings) is a [Lane] with a durable queue, a way
// to send and a schedule of its own. A lane claims due messages, attempts each, and
// notes the outcome. A crash between two steps repeats the attempt: an app may get a
// message twice, and knows it by its identifier.
//
// Within a lane each app has a line of its own: one that is dead holds up nobody's
// messages but its own.
package outbox

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"hopnhat/authz"
)

// Head is what a lane must know of a message.
type Head struct {
	ID     string
	Client authz.ClientID
	// Kind names the message in log lines, without the person.
	Kind string
	// Attempts were made before, and Failed is the cause of the last.
	Attempts int
	Failed   Cause
	// Until is when the message has lost its use: none is put off beyond it.
	Until time.Time
}

// Queue is the durable queue of a lane.
type Queue[M any] interface {
	// Due claims messages whose time has come, at most limit and, where the queue can
	// tell, none of apps that are busy: none is claimed twice before until.
	Due(ctx context.Context, now, until time.Time, busy []authz.ClientID, limit int) ([]M, error)
	// Note records the outcome of an attempt, or that a message was put off.
	Note(ctx context.Context, m M, o Outcome) error
}

// Outcome is the state of a message after an attempt: over, with Done set, or to be
// tried again at Next.
type Outcome struct {
	Attempts int
	// Failed is why the last attempt failed; empty when the app took it, or none was made.
	Failed     Cause
	Next, Done time.Time
}

// Verdict is the result of one attempt. No cause means that the app took the message;
// Final, that another attempt is of no use.
type Verdict struct {
	Cause Cause
	Final bool
}

// Bounds of a lane.
type Bounds struct {
	Claim   time.Duration // how long a claim holds: longer than a line takes
	Turn    int           // messages claimed at once
	Waiting int           // messages that are claimed and not noted yet
	PerTurn int           // messages of one app that one claim holds; 0 if the queue does not bound them
	Apps    int           // apps that have a line
	PerApp  int           // attempts at one app at one time
	AtOnce  int           // attempts at all apps at one time
	// Rest is how long the messages of an app that could not be reached are put off,
	// without an attempt that counts.
	Rest time.Duration
}

// Lane delivers messages of one kind. It is made with its exported fields set.
type Lane[M any] struct {
	Name  string // for log lines
	Queue Queue[M]
	Head  func(M) Head
	// Send makes one attempt.
	Send func(ctx context.Context, m M) Verdict
	// Again is when to try again after so many attempts that failed; ok is false when
	// the message is given up.
	Again  func(m M, attempts int, now time.Time) (at time.Time, ok bool)
	Bounds Bounds
	// GivenUp is the level of the log line about a message that is given up.
	GivenUp slog.Level
	Now     func() time.Time
	// Wake is signalled when this node queued a message.
	Wake <-chan struct{}

	mu      sync.Mutex
	turn    int
	lines   map[authz.ClientID]*line[M]
	waiting int // messages in lines
	short   bool
	ended   sync.WaitGroup
	free    chan struct{}       // signalled when there may be more to do
	slots   *semaphore.Weighted // one an attempt under way

	delivered, failed, givenUp atomic.Uint64
}

// line is what waits for one app.
type line[M any] struct {
	messages []M
	// turn is the last that put messages here, and more says that it may have left some.
	turn int
	more bool
	// rest is until when the app is not tried.
	rest atomic.Pointer[time.Time]
}

// Stats are counters since the start: messages delivered, attempts that failed,
// messages given up.
type Stats struct{ Delivered, Failed, GivenUp uint64 }

// Stats counts since the start.
func (l *Lane[M]) Stats() Stats {
	return Stats{l.delivered.Load(), l.failed.Load(), l.givenUp.Load()}
}

// look is how often the queue is read when nothing wakes the lane: for messages that
// other nodes queued, and for retries.
const look = 5 * time.Second

// Run delivers until ctx ends, and returns when the attempts under way have ended.
func (l *Lane[M]) Run(ctx context.Context) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	defer l.ended.Wait()
	for {
		if err := l.begin(ctx); err != nil && ctx.Err() == nil {
			slog.Error("messages to apps could not be delivered", "lane", l.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-l.Wake:
		case <-l.more():
		}
	}
}

// Deliver tries what is due once, and waits for it.
func (l *Lane[M]) Deliver(ctx context.Context) error {
	err := l.begin(ctx)
	l.ended.Wait()
	return err
}

func (l *Lane[M]) more() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free == nil {
		l.free, l.slots, l.lines = make(chan struct{}, 1), semaphore.NewWeighted(int64(l.Bounds.AtOnce)), map[authz.ClientID]*line[M]{}
	}
	return l.free
}

func (l *Lane[M]) signal() {
	select {
	case l.free <- struct{}{}:
	default:
	}
}

// begin claims due messages and puts them into the lines of their apps.
func (l *Lane[M]) begin(ctx context.Context) error {
	l.more()
	l.mu.Lock()
	l.turn++
	turn := l.turn
	busy := make([]authz.ClientID, 0, len(l.lines))
	for id := range l.lines {
		busy = append(busy, id)
	}
	limit := min(l.Bounds.Turn, l.Bounds.Waiting-l.waiting)
	l.short = limit < l.Bounds.Turn
	l.mu.Unlock()
	if len(busy) >= l.Bounds.Apps || limit <= 0 {
		return nil // a line that ends, or one message less, wakes us
	}
	now := l.Now().UTC()
	due, err := l.Queue.Due(ctx, now, now.Add(l.Bounds.Claim), busy, limit)
	if err != nil {
		return err
	}
	claimed := map[authz.ClientID][]M{}
	for _, one := range due {
		client := l.Head(one).Client
		claimed[client] = append(claimed[client], one)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting += len(due)
	for client, messages := range claimed {
		queue, ok := l.lines[client]
		if !ok {
			queue = &line[M]{}
			l.lines[client] = queue
		}
		queue.messages, queue.turn = append(queue.messages, messages...), turn
		queue.more = queue.more || len(due) == limit || l.Bounds.PerTurn > 0 && len(messages) == l.Bounds.PerTurn ||
			len(busy)+len(claimed) >= l.Bounds.Apps
		if !ok {
			l.ended.Go(func() { l.run(ctx, client, queue) })
		}
	}
	return nil
}

// next takes the next message of a line. The line ends with the last of its messages.
func (l *Lane[M]) next(queue *line[M]) (one M, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(queue.messages) == 0 {
		return one, false
	}
	one = queue.messages[0]
	queue.messages = queue.messages[1:]
	return one, true
}

// over ends a line that has nothing left; it is false when a turn put more there.
func (l *Lane[M]) over(client authz.ClientID, queue *line[M]) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(queue.messages) > 0 {
		return false
	}
	delete(l.lines, client)
	if queue.more || l.turn != queue.turn { // a turn may have passed this app over
		l.signal()
	}
	return true
}

// noted makes room for one message.
func (l *Lane[M]) noted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting--
	if l.short {
		l.short = false
		l.signal()
	}
}

// run delivers to one app. When one attempt finds it not to be reached, those that
// have not begun are not tried: they wait as long, and no attempt is counted.
func (l *Lane[M]) run(ctx context.Context, client authz.ClientID, queue *line[M]) {
	for {
		var group errgroup.Group
		group.SetLimit(l.Bounds.PerApp)
		for one, ok := l.next(queue); ok; one, ok = l.next(queue) {
			group.Go(func() error {
				l.deliver(ctx, queue, one)
				return nil
			})
		}
		_ = group.Wait() // no attempt returns an error: it is noted
		if l.over(client, queue) {
			return
		}
	}
}

// deliver makes an attempt at one message, unless its app rests.
func (l *Lane[M]) deliver(ctx context.Context, queue *line[M], one M) {
	if head, rest := l.Head(one), queue.rest.Load(); rest != nil && l.Now().Before(*rest) && rest.Before(head.Until) {
		l.note(ctx, one, Outcome{Attempts: head.Attempts, Failed: head.Failed, Next: *rest})
		return
	}
	if err := l.slots.Acquire(ctx, 1); err != nil {
		l.noted()
		return // we are stopping: the claim ends by itself
	}
	defer l.slots.Release(1)
	if until, unreached := l.attempt(ctx, one); unreached {
		queue.rest.Store(&until)
	}
}

// attempt tries one message and notes the outcome. unreached says that the app
// could not be reached at all, and rest when it is worth a try.
func (l *Lane[M]) attempt(ctx context.Context, one M) (rest time.Time, unreached bool) {
	verdict := l.Send(ctx, one)
	if ctx.Err() != nil {
		l.noted()
		return time.Time{}, false // we are stopping: the claim ends by itself
	}
	head, now := l.Head(one), l.Now().UTC()
	outcome := Outcome{Attempts: head.Attempts + 1, Failed: verdict.Cause}
	next, again := l.Again(one, outcome.Attempts, now)
	switch {
	case verdict.Cause == "":
		outcome.Done = now
		l.delivered.Add(1)
	case verdict.Final || !again:
		outcome.Done = now
		l.failed.Add(1)
		l.givenUp.Add(1)
	default:
		outcome.Next = next
		l.failed.Add(1)
	}
	if verdict.Cause != "" {
		// Somebody has to act only when nothing is tried again.
		level := slog.LevelInfo
		if !outcome.Done.IsZero() {
			level = l.GivenUp
		}
		slog.Log(ctx, level, "an app did not take a message", "about", head.Kind, "client", head.Client,
			"attempt", outcome.Attempts, "cause", verdict.Cause, "given_up", !outcome.Done.IsZero())
	}
	l.note(ctx, one, outcome)
	return now.Add(l.Bounds.Rest), verdict.Cause.unreached()
}

func (l *Lane[M]) note(ctx context.Context, one M, outcome Outcome) {
	defer l.noted()
	if err := l.Queue.Note(ctx, one, outcome); err != nil && ctx.Err() == nil {
		slog.Error("the outcome of a message to an app could not be noted; it is sent again", "lane", l.Name, "message", l.Head(one).ID, "error", err)
	}
}
