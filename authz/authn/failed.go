package authn

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

// FailedWindow is the time in which the wrong answers at one account are one event.
const FailedWindow = time.Hour

// Failed are the wrong answers at one account in the window that began at a time.
type Failed struct {
	Subject authz.Subject
	Began   time.Time
	Count   int
}

// FailedStore keeps counts of wrong answers until their window is over.
type FailedStore interface {
	// CountFailed adds to the counts of accounts and windows, in one commit.
	CountFailed(ctx context.Context, all []Failed) error
	// TakeFailed removes the counts of windows that began before a time, and returns them:
	// of callers at once, on however many nodes, one has them all.
	TakeFailed(ctx context.Context, before time.Time) ([]Failed, error)
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Evidence writes events in the transaction of the context ([audit.Scribe]).
type Evidence interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// FailedSignIns makes evidence of wrong answers: one event an account and window, so that
// a stranger who guesses does not fill the log. Guesses at numbers that nobody holds are
// in [Authenticator.Outcomes] alone. A guess costs nothing here: they gather in memory,
// and Note stores them many at a time; what a node that crashes had not noted is lost.
type FailedSignIns struct {
	Of       *Authenticator
	Store    FailedStore
	Evidence Evidence
	// Named is of how many accounts a window has an event each, those with the most wrong
	// answers; of the others it has one together. 10,000 if zero.
	Named int
	Now   func() time.Time
}

// Note stores what has gathered.
func (f *FailedSignIns) Note(ctx context.Context) error {
	all := f.Of.failed.take()
	if len(all) == 0 {
		return nil
	}
	if err := f.Store.CountFailed(ctx, all); err != nil {
		f.Of.failed.add(all...) // again with the next
		return fmt.Errorf("counting failed sign-ins: %w", err)
	}
	return nil
}

// settle is how long after its end a window still takes what its nodes noted last.
const settle = 5 * time.Minute

// Record writes the events of the windows that are over, in one commit.
func (f *FailedSignIns) Record(ctx context.Context) error {
	now := f.Now().UTC()
	return f.Store.Tx(ctx, func(ctx context.Context) error {
		all, err := f.Store.TakeFailed(ctx, now.Add(-settle-FailedWindow))
		if err != nil || len(all) == 0 {
			return err
		}
		_, err = f.Evidence.Write(ctx, f.acts(all, now)...)
		return err
	})
}

// acts are the events of windows that are over.
func (f *FailedSignIns) acts(all []Failed, now time.Time) (acts []audit.Act) {
	slices.SortFunc(all, func(a, b Failed) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.Began.Compare(b.Began), cmp.Compare(a.Subject, b.Subject))
	})
	named := min(len(all), cmp.Or(f.Named, 10_000))
	for _, one := range all[:named] {
		began := one.Began.UTC()
		acts = append(acts, audit.Act{Action: audit.SignInFailed, Subject: one.Subject, At: now, Detail: audit.Detail{
			Count: int64(one.Count), Text: began.Format(time.RFC3339) + "/" + began.Add(FailedWindow).Format(time.RFC3339),
		}})
	}
	if rest := all[named:]; len(rest) > 0 {
		sum := 0
		for _, one := range rest {
			sum += one.Count
		}
		acts = append(acts, audit.Act{Action: audit.SignInFailedElsewhere, At: now, Detail: audit.Detail{
			Count: int64(sum), Text: fmt.Sprintf("accounts: %d", len(rest)),
		}})
	}
	return acts
}

// failures gather the wrong answers of this node, by account and window.
type failures struct {
	mu  sync.Mutex
	all map[Failed]int // keys have no count
}

// maxFailed bounds the accounts that gather between two notes; what is beyond is counted
// in the outcomes alone.
const maxFailed = 100_000

// wrong adds a wrong answer at an account that there is.
func (f *failures) wrong(subject authz.Subject, at time.Time) {
	if subject != "" {
		f.add(Failed{subject, at.UTC().Truncate(FailedWindow), 1})
	}
}

func (f *failures) add(all ...Failed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = map[Failed]int{}
	}
	for _, one := range all {
		key := Failed{one.Subject, one.Began, 0}
		if _, there := f.all[key]; there || len(f.all) < maxFailed {
			f.all[key] += one.Count
		}
	}
}

func (f *failures) take() (all []Failed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, count := range f.all {
		all = append(all, Failed{key.Subject, key.Began, count})
	}
	f.all = nil
	return all
}
