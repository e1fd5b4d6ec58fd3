package order_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/federation"
	"hopnhat/federation/bundle/order"
)

const anchor = "https://neo.example.vn"

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// book is a database in memory.
type book map[federation.EntityID]order.Place

func (b book) NewestBundle(_ context.Context, id federation.EntityID) (order.Place, error) {
	return b[id], nil
}

func (b book) RaiseBundle(_ context.Context, id federation.EntityID, p order.Place) (bool, error) {
	old := b[id]
	newer := old.Serial < p.Serial && !p.IssuedAt.Before(old.IssuedAt)
	if newer {
		b[id] = p
	}
	return newer || old == p, nil
}

func place(serial int64) order.Place {
	return order.Place{Serial: serial, IssuedAt: noon.Add(time.Duration(serial) * time.Minute), Digest: "d"}
}

// TestRestore: neither an older database nor an older folder lets an older bundle in.
func TestRestore(t *testing.T) {
	for _, row := range []struct {
		name    string
		restore func(t *testing.T, o *order.Order)
	}{
		{"nothing restored", func(*testing.T, *order.Order) {}},
		{"an empty database", func(_ *testing.T, o *order.Order) { o.Book = book{} }},
		{"an empty folder", func(t *testing.T, o *order.Order) { o.Folder = t.TempDir() }},
	} {
		t.Run(row.name, func(t *testing.T) {
			o, ctx := order.Order{Folder: t.TempDir(), Book: book{}}, t.Context()
			if err := o.Raise(ctx, anchor, place(5)); err != nil {
				t.Fatal(err)
			}
			row.restore(t, &o)
			other := place(5)
			other.Digest = "other"
			for name, p := range map[string]order.Place{"an older one": place(4), "another with the serial": other, "an earlier one with a greater serial": {Serial: 9, IssuedAt: noon, Digest: "d"}} {
				if err := o.Raise(ctx, anchor, p); !errors.Is(err, order.ErrOlder) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if got, err := o.Newest(ctx, anchor); err != nil || got != place(5) {
				t.Errorf("the newest is %+v, %v", got, err)
			}
			for _, p := range []order.Place{place(5), place(6)} {
				if err := o.Raise(ctx, anchor, p); err != nil {
					t.Errorf("serial %d: %v", p.Serial, err)
				}
			}
		})
	}
}

// TestBoth: of two anchors that are raised at one time neither is lost.
func TestBoth(t *testing.T) {
	o := order.Order{Folder: t.TempDir(), Book: &locked{places: book{}}}
	var wait sync.WaitGroup
	for _, id := range []federation.EntityID{anchor, "https://la.example.vn"} {
		wait.Go(func() {
			for i := range int64(50) {
				if err := o.Raise(t.Context(), id, place(i+1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	o.Book = book{}
	for _, id := range []federation.EntityID{anchor, "https://la.example.vn"} {
		if got, err := o.Newest(t.Context(), id); err != nil || got.Serial != 50 {
			t.Errorf("%s: the folder has %+v, %v", id, got, err)
		}
	}
}

// locked is a book for several at one time.
type locked struct {
	mu     sync.Mutex
	places book
}

func (l *locked) NewestBundle(ctx context.Context, id federation.EntityID) (order.Place, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places.NewestBundle(ctx, id)
}

func (l *locked) RaiseBundle(ctx context.Context, id federation.EntityID, p order.Place) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places.RaiseBundle(ctx, id, p)
}

// TestDamaged: where it cannot be known what was taken in before, nothing is.
func TestDamaged(t *testing.T) {
	o := order.Order{Folder: t.TempDir(), Book: book{}}
	if err := os.WriteFile(filepath.Join(o.Folder, order.FileName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := o.Raise(t.Context(), anchor, place(1)); err == nil {
		t.Error("taken in")
	}
}

// TestNext: the serial of a bundle that is made rises, whatever the clock does.
func TestNext(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		folder, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		o, last := order.Order{Folder: folder, Book: book{}}, int64(0)
		for _, minutes := range rapid.SliceOfN(rapid.IntRange(-100, 100), 1, 5).Draw(rt, "minutes") {
			now := noon.Add(time.Duration(minutes) * time.Minute)
			serial, err := o.Next(t.Context(), anchor, now)
			if err != nil || serial <= last {
				rt.Fatalf("after %d comes %d, %v", last, serial, err)
			}
			if err := o.Raise(t.Context(), anchor, order.Place{Serial: serial, IssuedAt: noon, Digest: "d"}); err != nil {
				rt.Fatal(err)
			}
			last = serial
		}
	})
}
