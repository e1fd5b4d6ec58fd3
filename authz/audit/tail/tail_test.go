package tail_test

import (
	"context"
	"testing"

	"hopnhat/authz/audit/tail"
)

// leaves are a log that says it has more than it holds.
type leaves struct {
	list [][]byte
	size uint64
}

func (l leaves) Origin() string                       { return "o" }
func (l leaves) Size(context.Context) (uint64, error) { return l.size, nil }

func (l leaves) Entries(_ context.Context, from uint64, n int) ([][]byte, error) {
	return l.list[min(from, uint64(len(l.list))):min(from+uint64(n), uint64(len(l.list)))], nil
}

// TestNewest: the newest leaves alone, each at its first place among them; and a log that ends
// before its size is an error.
func TestNewest(t *testing.T) {
	l := leaves{[][]byte{[]byte("a"), []byte("b"), []byte("c"), []byte("b")}, 4}
	got, err := tail.Newest(t.Context(), l, 3)
	if err != nil || len(got) != 2 || got["b"] != 1 || got["c"] != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	l.size = 5
	if got, err := tail.Newest(t.Context(), l, 9); err == nil {
		t.Errorf("a log that is cut off: %v", got)
	}
}
