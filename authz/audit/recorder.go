package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// Place is where a leaf stands: an index in one shard of the log, which Origin names.
type Place struct {
	Origin string
	Index  uint64
}

// Entry is what goes to the log of one event.
type Entry struct {
	// Leaf is what the tree holds.
	Leaf []byte
	// Copy is the event, sealed (package copyseal), which the log keeps beside the tree, to
	// make the row again where that is gone. Empty where there is none.
	Copy []byte
	// Event is what the leaf is of, by which its log is chosen; it and what follows is not sent.
	Event     Event
	Salt      Salt
	Canonical []byte
}

// Log appends leaves. One that is a [hopnhat/authz/audit/tail.Log], too, lets
// [Recorder.Recover] find leaves whose place was not noted.
type Log interface {
	// Append returns the leaf's place. When the error is nil the leaf survives a
	// crash of this process and of its machine; otherwise it may or may not be
	// there, and the caller must not release.
	Append(ctx context.Context, entry Entry) (Place, error)
}

// ErrClosed is returned by a recorder that was closed.
var ErrClosed = errors.New("the recorder is closed")

// Options tune a recorder. The zero value is right for a server.
type Options struct {
	// Concurrent bounds the events being written at one time; 4096 if zero. More
	// wait, as long as their context lets them.
	Concurrent int
	// Soon bounds the leaves that nobody waits for and that are on their way at one
	// time; 1024 if zero. More are left to the sweep.
	Soon int
	// SoonEvery is how long those leaves gather before they go to the log together, which
	// writes each group of leaves into several files; 1 s if zero.
	SoonEvery time.Duration
	// NoteEvery is how long places of leaves gather before they are noted in one
	// commit; 500 ms if zero. NoteSize notes earlier; 512 if zero.
	NoteEvery time.Duration
	NoteSize  int
	// SweepEvery is how often rows without a leaf are looked for while running: a
	// log that failed for a moment leaves some. One minute if zero.
	SweepEvery time.Duration
	// RetryEvery is how long after the log refused a leaf it is asked again; 2 s if zero.
	// It doubles with each refusal, up to SweepEvery.
	RetryEvery time.Duration
	// Tail is how many of the newest leaves recovery looks through for one that
	// is there without its place being noted; 65,536 if zero.
	Tail uint64
	// Site is whose events are this recorder's to repair; those of other sites are
	// left to them. Empty repairs all alike.
	Site   string
	Logger *slog.Logger
	Now    func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Concurrent <= 0 {
		o.Concurrent = 4096
	}
	if o.Soon <= 0 {
		o.Soon = 1024
	}
	if o.SoonEvery <= 0 {
		o.SoonEvery = time.Second
	}
	if o.NoteEvery <= 0 {
		o.NoteEvery = 500 * time.Millisecond
	}
	if o.NoteSize <= 0 {
		o.NoteSize = 512
	}
	if o.SweepEvery <= 0 {
		o.SweepEvery = time.Minute
	}
	if o.RetryEvery <= 0 {
		o.RetryEvery = 2 * time.Second
	}
	if o.Tail == 0 {
		o.Tail = 1 << 16
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Recorder writes evidence: the row, then the leaf (docs/decisions.md D8). It notes the
// leaf's place in the row later, many in one commit, since a proof can wait and
// a release cannot. It is safe for concurrent use.
//
// A crash between row and leaf leaves a row without a leaf; between leaf and
// note, a leaf whose place is not noted. [Recorder.Recover] repairs both.
type Recorder struct {
	events Events
	log    Log
	o      Options
	slots  chan struct{}
	soon   chan struct{} // of what nobody waits for

	mu       sync.Mutex
	closed   bool
	inFlight sync.WaitGroup
	places   map[string]Place // leaves in the log, their places not noted yet
	swept    string           // the id that the last sweep came to
	given    int              // how often the log took none of a page
	// recent and older remember the last places, noted or not: see Place.
	recent, older map[string]Place
	refused       map[string]bool // events whose leaf the log did not take
	gathered      []func()        // each appends a leaf that nobody waits for

	full  chan struct{} // there are NoteSize places
	again chan struct{} // the log refused a leaf
	stop  chan struct{}
	done  chan struct{}
}

// NewRecorder starts a recorder; Close stops it.
func NewRecorder(events Events, log Log) *Recorder { return NewRecorderWith(events, log, Options{}) }

// NewRecorderWith starts a recorder with options.
func NewRecorderWith(events Events, log Log, o Options) *Recorder {
	o = o.withDefaults()
	r := &Recorder{
		events: events, log: log, o: o, slots: make(chan struct{}, o.Concurrent), soon: make(chan struct{}, o.Soon),
		places: map[string]Place{}, recent: map[string]Place{}, refused: map[string]bool{}, full: make(chan struct{}, 1),
		again: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go r.run()
	return r
}

// enter takes a slot, and makes Close wait for what has entered.
func (r *Recorder) enter(ctx context.Context) (leave func(), err error) {
	select {
	case r.slots <- struct{}{}:
		return r.entered(r.slots)
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting to write evidence: %w", ctx.Err())
	}
}

func (r *Recorder) entered(slots chan struct{}) (leave func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		<-slots
		return nil, ErrClosed
	}
	r.inFlight.Add(1)
	return func() { r.inFlight.Done(); <-slots }, nil
}

// AppendLeaf puts the leaf of an event whose row is durable into the log.
func (r *Recorder) AppendLeaf(ctx context.Context, s Sealed) (Place, error) {
	leave, err := r.enter(ctx)
	if err != nil {
		return Place{}, err
	}
	defer leave()
	return r.append(ctx, s)
}

// AppendSoon puts the leaf of an event whose row is durable into the log, and returns at
// once. What nobody waits for gathers a little, so that it costs the log few groups, and has
// slots of its own, so that it keeps no release waiting; where none is free, the sweep
// appends it.
func (r *Recorder) AppendSoon(s Sealed) {
	select {
	case r.soon <- struct{}{}:
	default:
		return
	}
	leave, err := r.entered(r.soon)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.gathered = append(r.gathered, func() {
		defer leave()
		ctx, cancel := context.WithTimeout(context.Background(), appendTime)
		defer cancel()
		if _, err := r.append(ctx, s); err != nil {
			r.o.Logger.Error("an event is recorded and not logged yet", "event", s.Event.ID, "error", err)
		}
	})
	n := len(r.gathered)
	r.mu.Unlock()
	switch {
	case n >= cap(r.soon)/2:
		r.appendGathered()
	case n == 1:
		time.AfterFunc(r.o.SoonEvery, r.appendGathered)
	}
}

// appendGathered appends what has gathered, side by side: the log makes one group of it.
func (r *Recorder) appendGathered() {
	r.mu.Lock()
	gathered := r.gathered
	r.gathered = nil
	r.mu.Unlock()
	for _, appends := range gathered {
		go appends()
	}
}

func (r *Recorder) append(ctx context.Context, s Sealed) (Place, error) {
	place, err := r.log.Append(ctx, s.Entry())
	if err != nil {
		r.refuse(s.Event.ID, err)
		return Place{}, fmt.Errorf("logging event %s: %w", s.Event.ID, err)
	}
	r.note(s.Event.ID, place)
	return place, nil
}

// note keeps a place until it is written. When the database has not taken any
// for so long that there are too many, the rest is left to recovery.
func (r *Recorder) note(id string, place Place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.recent) >= remembered {
		r.older, r.recent = r.recent, make(map[string]Place, remembered)
	}
	r.recent[id] = place
	if len(r.places) >= 4*remembered {
		return
	}
	r.places[id] = place
	if len(r.places) >= r.o.NoteSize {
		select {
		case r.full <- struct{}{}:
		default:
		}
	}
}

// remembered is how many places Place knows at least.
const remembered = 1 << 15

// Place tells where the leaf of an event is, if it is among the last
// 32,768 that this recorder appended. The place of an older one is in its row.
func (r *Recorder) Place(id string) (place Place, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, places := range []map[string]Place{r.recent, r.older, r.places} {
		if place, ok = places[id]; ok {
			return place, true
		}
	}
	return Place{}, false
}

func (r *Recorder) run() {
	defer close(r.done)
	notes := time.NewTicker(r.o.NoteEvery)
	defer notes.Stop()
	sweeps := time.NewTicker(r.o.SweepEvery)
	defer sweeps.Stop()
	wait := r.o.RetryEvery
	retry := time.NewTimer(wait)
	retry.Stop()
	for {
		select {
		case <-r.full:
		case <-notes.C:
		case <-r.again:
			retry.Reset(wait)
			continue
		case <-retry.C:
			if wait = min(2*wait, r.o.SweepEvery); r.retry() {
				wait = r.o.RetryEvery
			} else {
				retry.Reset(wait)
			}
			continue
		case <-sweeps.C:
			r.sweep()
			continue
		case <-r.stop:
			return
		}
		r.flush()
	}
}

// flush notes all places in one commit. What could not be noted is tried again,
// and after a crash Recover finds it.
func (r *Recorder) flush() error {
	r.mu.Lock()
	places := maps.Clone(r.places)
	r.mu.Unlock()
	if len(places) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.noteAll(ctx, places, false); err != nil {
		r.o.Logger.Error("places of events in the log could not be noted; trying again", "events", len(places), "error", err)
		return fmt.Errorf("noting the places of %d events: %w", len(places), err)
	}
	r.mu.Lock()
	for id := range places {
		delete(r.places, id)
	}
	r.mu.Unlock()
	return nil
}

// noteAll notes places, those of one shard in one commit.
func (r *Recorder) noteAll(ctx context.Context, places map[string]Place, late bool) error {
	shards := map[string]map[string]uint64{}
	for id, place := range places {
		if shards[place.Origin] == nil {
			shards[place.Origin] = map[string]uint64{}
		}
		shards[place.Origin][id] = place.Index
	}
	for origin, indices := range shards {
		if err := r.events.NotePlaces(ctx, origin, indices, late); err != nil {
			return err
		}
	}
	return nil
}

// Close stops taking events, waits for those that are being written, and notes
// their places. Nothing recorded is lost when it returns an error: the next
// start finds it.
func (r *Recorder) Close() error {
	r.mu.Lock()
	already := r.closed
	r.closed = true
	r.mu.Unlock()
	if already {
		<-r.done
		return nil
	}
	r.appendGathered()
	r.inFlight.Wait()
	close(r.stop)
	<-r.done
	return r.flush()
}
