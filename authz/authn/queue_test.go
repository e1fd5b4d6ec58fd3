package authn

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/authz"
)

// TestQueue: whatever comes and goes, no more run than there are cores, a core stays
// for known devices, they go first, each lane in the order it came; and nobody waits
// who might run.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue(rapid.IntRange(2, 6).Draw(t, "cores"))
		up := false
		q.alarmed = func() bool { return up }
		type one struct {
			lane
			turn chan struct{}
		}
		var all []one
		runs := func(o one) bool {
			select {
			case <-o.turn:
				return true
			default:
				return false
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			var waited [2][]one
			for _, o := range all {
				if !runs(o) {
					waited[o.lane] = append(waited[o.lane], o)
				}
			}
			switch step := rapid.IntRange(0, 9).Draw(t, "step"); {
			case step < 5:
				l := lane(step % 2)
				all = append(all, one{l, q.ask(l)})
			case step == 5:
				up = !up // bites when the next one comes or goes
			case len(all) > 0:
				i := rapid.IntRange(0, len(all)-1).Draw(t, "who")
				o := all[i]
				all = slices.Delete(all, i, i+1)
				if runs(o) {
					q.leave(o.lane)
				} else {
					q.giveUp(o.lane, o.turn)
				}
			}
			still := func(o one) bool { return slices.Contains(all, o) && !runs(o) }
			if slices.ContainsFunc(waited[strangers], runs) && slices.ContainsFunc(waited[known], still) {
				t.Fatal("a stranger went before a known device")
			}
			var running, waiting [2]int
			for _, o := range all {
				switch {
				case !runs(o):
					waiting[o.lane]++
				case waiting[o.lane] > 0:
					t.Fatal("somebody was passed by in her lane")
				default:
					running[o.lane]++
				}
			}
			total := running[strangers] + running[known]
			if total > q.cores || running[strangers] > q.cores-1 {
				t.Fatalf("%v run on %d cores", running, q.cores)
			}
			if waiting[known] > 0 && total < q.cores {
				t.Fatalf("a known device waits while %v run on %d cores", running, q.cores)
			}
			if waiting[strangers] > 0 && total < q.cores && running[strangers] < max(1, q.cores/2) {
				t.Fatalf("a stranger waits while %v run on %d cores", running, q.cores)
			}
		}
	})
}

// TestQueueIsBounded: who is beyond the bound is told to come again; the bound of
// strangers is not that of known devices.
func TestQueueIsBounded(t *testing.T) {
	q := newQueue(2)
	for _, l := range []lane{strangers, known} {
		var leave func()
		for range q.most[l] {
			var err error
			if leave, err = q.admit(l, authz.NewID()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := q.admit(l, authz.NewID()); !errors.As(err, new(Busy)) {
			t.Fatalf("one more was let in: %v", err)
		}
		leave()
		if _, err := q.admit(l, authz.NewID()); err != nil {
			t.Fatalf("after one left: %v", err)
		}
	}
}

// TestOneAccountDoesNotFillTheLane: who has an account has a known browser, in which no
// address is counted, and can send her own password as often as she likes at once; other
// known browsers are let in all the same. Among strangers one account has no share, or
// they could take it from its owner.
func TestOneAccountDoesNotFillTheLane(t *testing.T) {
	q := newQueue(2)
	var leave func()
	for i := range q.most[known] {
		out, err := q.admit(known, "hers")
		if i < knownOfAccount != (err == nil) || err != nil && !errors.As(err, new(Busy)) {
			t.Fatalf("attempt %d at one account: %v", i+1, err)
		}
		if err == nil {
			leave = out
		}
		if _, err := q.admit(strangers, "hers"); i < q.most[strangers] != (err == nil) {
			t.Fatalf("attempt %d of a stranger: %v", i+1, err)
		}
	}
	if _, err := q.admit(known, "another"); err != nil {
		t.Fatalf("at another account: %v", err)
	}
	leave()
	if _, err := q.admit(known, "hers"); err != nil {
		t.Fatalf("after one left: %v", err)
	}
}
