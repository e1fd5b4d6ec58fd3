// Package numbers gives a person's event her next running number without asking first: who
// gave her the last one knows it, and one statement takes the next and stores the event if
// nobody was faster. Else the number is asked for, in a transaction.
package numbers

import (
	"context"
	"errors"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/recent"
)

// Rows keeps events, and stores one with the number that is expected.
type Rows interface {
	audit.Rows
	// RecordNext stores an event with its number, by one statement, if that is the next of the
	// person it is about and what h holds, nil for nothing, is so; stored is false, and there
	// is no event and no number, if either is not.
	RecordNext(ctx context.Context, e audit.Sealed, h *audit.Hold) (stored bool, err error)
	// Joined reports whether a context is in a transaction.
	Joined(ctx context.Context) bool
}

// known is how many persons' last numbers are kept.
const known = 1 << 15

// Expecting is an [audit.Rows] that expects numbers. It is safe for concurrent use.
type Expecting struct {
	Rows
	last *recent.Map[string, int64]
}

var _ audit.Rows = (*Expecting)(nil)

// Expect makes one of rows. now is the clock, that of package time if nil.
func Expect(rows Rows, now func() time.Time) *Expecting {
	return &Expecting{rows, recent.New[string, int64](known, recent.Forever, now)}
}

// errAsk has a number asked for: it is not known, or was not the next.
var errAsk = errors.New("the next number of a person is to be asked for")

type tryKey struct{}

// try is one attempt without a transaction. It is used by one goroutine.
type try struct {
	pseudonym string
	hold      *audit.Hold
	taken     bool // a number was given, and not stored yet
}

func tryOf(ctx context.Context) *try {
	t, _ := ctx.Value(tryKey{}).(*try)
	return t
}

// Tx runs fn in one transaction, unless fn stores one event with a number that is known: that
// is one statement, and a transaction of its own. fn may be called twice; what it did the
// first time has no effect then.
func (x *Expecting) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	if !x.Joined(ctx) {
		t := &try{}
		err := fn(context.WithValue(ctx, tryKey{}, t))
		if err == nil && t.taken {
			err = errors.New("a number was given, and no event was stored with it")
		}
		if !errors.Is(err, errAsk) {
			return err
		}
	}
	return x.Rows.Tx(context.WithValue(ctx, tryKey{}, (*try)(nil)), fn)
}

// NextNumber gives the number that is expected, or asks for it.
func (x *Expecting) NextNumber(ctx context.Context, pseudonym string, h *audit.Hold) (int64, error) {
	last, began, ok := x.last.Get(pseudonym)
	t := tryOf(ctx)
	switch {
	case t == nil:
		number, err := x.Rows.NextNumber(ctx, pseudonym, h)
		if err == nil {
			x.last.Put(pseudonym, number, began)
		}
		return number, err
	case !ok || t.taken:
		return 0, errAsk
	}
	*t = try{pseudonym, h, true}
	return last + 1, nil
}

// Record stores events, the one with a number that is expected by the statement that takes it.
func (x *Expecting) Record(ctx context.Context, events ...audit.Sealed) error {
	t := tryOf(ctx)
	switch {
	case t == nil:
		return x.Rows.Record(ctx, events...)
	case !t.taken || len(events) != 1:
		return errAsk
	}
	number, began := events[0].Event.Person.Sequence, time.Now()
	stored, err := x.RecordNext(ctx, events[0], t.hold)
	if err != nil {
		return err
	}
	if t.taken = false; !stored {
		x.last.Forget(t.pseudonym)
		return errAsk
	}
	x.last.Put(t.pseudonym, number, began)
	return nil
}

// RecordHolding stores an event without a number in a transaction.
func (x *Expecting) RecordHolding(ctx context.Context, e audit.Sealed, h audit.Hold) error {
	if tryOf(ctx) != nil {
		return errAsk
	}
	return x.Rows.RecordHolding(ctx, e, h)
}

// AfterCommit is that of the rows: of an attempt that stored its event, at once.
func (x *Expecting) AfterCommit(ctx context.Context, do func(ctx context.Context) error) error {
	return x.Rows.AfterCommit(context.WithValue(ctx, tryKey{}, (*try)(nil)), do)
}
