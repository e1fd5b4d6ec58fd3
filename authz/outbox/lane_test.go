package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/outbound"
)

// message is one in the queue of a test.
type message struct {
	id     int
	client authz.ClientID
	next   time.Time
	until  time.Time
	Outcome
}

// queue is one in memory that keeps its promises, and complains of a message that is
// claimed while it is with somebody.
type queue struct {
	t       interface{ Errorf(string, ...any) }
	perTurn int // of one app; 0 does not look at who is busy either
	mu      sync.Mutex
	rows    []*message
	with    map[int]bool
	lost    int // notes that are still to fail
}

func (q *queue) Due(_ context.Context, now, until time.Time, busy []authz.ClientID, limit int) ([]message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []message
	counts := map[authz.ClientID]int{}
	for _, m := range slices.SortedStableFunc(slices.Values(q.rows), func(a, b *message) int { return a.next.Compare(b.next) }) {
		if !m.Done.IsZero() || m.next.After(now) || len(out) == limit ||
			q.perTurn > 0 && (counts[m.client] == q.perTurn || slices.Contains(busy, m.client)) {
			continue
		}
		if q.with[m.id] {
			q.t.Errorf("message %d is claimed while it is with a line", m.id)
		}
		q.with[m.id] = true
		m.next = until
		counts[m.client]++
		out = append(out, *m)
	}
	return out, nil
}

func (q *queue) Note(_ context.Context, m message, o Outcome) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.with, m.id)
	if q.lost > 0 {
		q.lost--
		return errors.New("the database is away")
	}
	row := q.rows[m.id]
	if row.Outcome = o; !o.Next.IsZero() {
		row.next = o.Next
	}
	return nil
}

// app is one that messages go to in a test.
type app struct {
	takes   time.Duration // for one answer; longer than patience is none
	refuses int           // attempts that it answers with 503
}

const patienceOfTest = 5 * time.Second

// TestLanes: whatever the apps do, no message is with two lines at once, no app and not
// all together get more attempts at one time than the bounds say, and each message ends
// well where its app takes it and is given up where it never does.
func TestLanes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		apps := map[authz.ClientID]*app{}
		for i := range rapid.IntRange(1, 6).Draw(rt, "apps") {
			apps[authz.ClientID(fmt.Sprint(i))] = &app{
				takes:   rapid.SampledFrom([]time.Duration{0, time.Second, patienceOfTest, time.Hour}).Draw(rt, "takes"),
				refuses: rapid.IntRange(0, 3).Draw(rt, "refuses"),
			}
		}
		bounds := Bounds{
			Claim: 10 * time.Minute, Turn: rapid.IntRange(1, 20).Draw(rt, "turn"), Waiting: rapid.IntRange(1, 30).Draw(rt, "waiting"),
			PerTurn: rapid.IntRange(0, 5).Draw(rt, "of one app"),
			Apps:    rapid.IntRange(1, 6).Draw(rt, "lines"), PerApp: rapid.IntRange(1, 3).Draw(rt, "together"),
			AtOnce: rapid.IntRange(1, 6).Draw(rt, "at once"), Rest: 10 * time.Second,
		}
		n, lost := rapid.IntRange(0, 40).Draw(rt, "messages"), rapid.IntRange(0, 3).Draw(rt, "lost notes")
		of := rapid.SliceOfN(rapid.IntRange(0, len(apps)-1), n, n).Draw(rt, "for")
		synctest.Test(t, func(*testing.T) {
			q := &queue{t: rt, perTurn: bounds.PerTurn, with: map[int]bool{}, lost: lost}
			for i, client := range of {
				q.rows = append(
					q.rows, &message{
						id: i, client: authz.ClientID(fmt.Sprint(client)), next: time.Now(), until: time.Now().Add(24 * time.Hour),
					},
				)
			}
			var mu sync.Mutex
			together, all := map[authz.ClientID]int{}, 0
			lane := &Lane[message]{
				Name: "test", Queue: q, Bounds: bounds, Now: time.Now, GivenUp: slog.LevelInfo,
				Head: func(m message) Head {
					return Head{ID: fmt.Sprint(m.id), Client: m.client, Attempts: m.Attempts, Failed: m.Failed, Until: m.until}
				},
				Again: func(m message, attempts int, now time.Time) (time.Time, bool) {
					return now.Add(time.Duration(attempts) * time.Minute), attempts < 5 && now.Before(m.until)
				},
				Send: func(ctx context.Context, m message) Verdict {
					mu.Lock()
					together[m.client]++
					all++
					if together[m.client] > bounds.PerApp || all > bounds.AtOnce {
						rt.Errorf("%d attempts at one app, %d at all; the bounds are %d and %d", together[m.client], all, bounds.PerApp, bounds.AtOnce)
					}
					mu.Unlock()
					defer func() {
						mu.Lock()
						together[m.client]--
						all--
						mu.Unlock()
					}()
					wait := min(apps[m.client].takes, patienceOfTest)
					select {
					case <-time.After(wait):
					case <-ctx.Done():
					}
					switch {
					case apps[m.client].takes > patienceOfTest:
						return Verdict{Cause: CauseSlow}
					case m.Attempts < apps[m.client].refuses:
						return Verdict{Cause: Refused(outbound.Answer{Status: 503})}
					}
					return Verdict{}
				},
			}
			ctx, stop := context.WithTimeout(context.Background(), 6*time.Hour)
			defer stop()
			lane.Run(ctx)
			stats := lane.Stats()
			if int(stats.Delivered+stats.GivenUp) < n {
				rt.Errorf("got %+v of %d messages", stats, n)
			}
			for _, m := range q.rows {
				if m.Done.IsZero() || (m.Failed == "") != (apps[m.client].takes <= patienceOfTest) {
					rt.Errorf("in the end message %d for %+v is %+v", m.id, *apps[m.client], m.Outcome)
				}
			}
		})
	})
}

// TestOneDeadApp: an app that never answers, with more messages than a lane holds,
// keeps another waiting no longer than one attempt takes; where the queue does not know
// who is busy, one attempt for each turn that the dead app's messages fill.
func TestOneDeadApp(t *testing.T) {
	for _, row := range []struct {
		name    string
		perTurn int
		most    time.Duration
	}{{"the queue knows who is busy", 8, patienceOfTest}, {"it does not", 0, 40 / 10 * patienceOfTest}} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &queue{t: t, perTurn: row.perTurn, with: map[int]bool{}}
				add := func(client authz.ClientID) {
					q.mu.Lock()
					defer q.mu.Unlock()
					q.rows = append(q.rows, &message{id: len(q.rows), client: client, next: time.Now(), until: time.Now().Add(time.Hour)})
				}
				for range 40 {
					add("dead")
				}
				taken := make(chan time.Time, 1)
				wake := make(chan struct{}, 1)
				lane := &Lane[message]{
					Name: "test", Queue: q, Now: time.Now, Wake: wake, GivenUp: slog.LevelInfo,
					Bounds: Bounds{
						Claim: time.Minute, Turn: 10, Waiting: 10, PerTurn: row.perTurn, Apps: 10, PerApp: 2, AtOnce: 4,
						Rest: 10 * time.Second,
					},
					Head: func(m message) Head {
						return Head{ID: fmt.Sprint(m.id), Client: m.client, Attempts: m.Attempts, Until: m.until}
					},
					Again: func(_ message, attempts int, now time.Time) (time.Time, bool) {
						return now.Add(time.Minute), attempts < 5
					},
					Send: func(_ context.Context, m message) Verdict {
						if m.client == "dead" {
							time.Sleep(patienceOfTest)
							return Verdict{Cause: CauseSlow}
						}
						taken <- time.Now()
						return Verdict{}
					},
				}
				ctx, stop := context.WithCancel(t.Context())
				var done sync.WaitGroup
				done.Go(func() { lane.Run(ctx) })
				synctest.Wait() // the dead app has all it may have
				queued := time.Now()
				add("alive")
				wake <- struct{}{}
				if waited := (<-taken).Sub(queued); waited > row.most {
					t.Errorf("another app waited %s for its message", waited)
				}
				stop()
				done.Wait()
			})
		})
	}
}
