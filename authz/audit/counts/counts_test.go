package counts

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/copyseal"
)

// TestWhatACounterSaysIsReadAgain: text and counter are the same thing.
func TestWhatACounterSaysIsReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Counter{Origin: "log", First: rapid.Uint64Range(0, 1<<40).Draw(t, "first")}
		c.Way = rapid.SampledFrom([]Way{Written, Rows, Anew}).Draw(t, "way")
		c.Unknown, c.Counted = rapid.Uint64Range(0, 3).Draw(t, "unknown"), Tally{}
		sum := c.Unknown
		for n := range rapid.IntRange(1, 20).Draw(t, "tags") {
			tag := Tag{Hour: rapid.Int64Range(0, 1<<30).Draw(t, "hour"), Type: audit.Type(rune('a' + n))}
			tag.Client = authz.ClientID(rapid.StringN(0, 8, 20).Draw(t, "app"))
			c.Counted[tag] = rapid.Uint64Range(1, 100).Draw(t, "n")
			sum += c.Counted[tag]
		}
		c.End = c.First + sum
		said, err := c.Text()
		if err != nil {
			t.Fatal(err)
		}
		again := Counter{Origin: c.Origin, First: c.First, End: c.End}
		err = again.Read(said)
		if err != nil || again.Way != c.Way || again.Unknown != c.Unknown || !maps.Equal(again.Counted, c.Counted) {
			t.Fatalf("%s is read as %+v, %v", said, again, err)
		}
	})
}

// TestATextThatIsNone counts for nothing.
func TestATextThatIsNone(t *testing.T) {
	for name, said := range map[string]string{
		"nothing":                      "",
		"no JSON":                      "x",
		"fewer events than places":     `{"way":"written","counted":[{"h":1,"t":"x","n":1}]}`,
		"more events than places":      `{"way":"written","unknown":1,"counted":[{"h":1,"t":"x","n":2}]}`,
		"one tag twice":                `{"way":"written","counted":[{"h":1,"t":"x","n":1},{"h":1,"t":"x","n":1}]}`,
		"a tag of no event":            `{"way":"written","unknown":2,"counted":[{"h":1,"t":"x","n":0}]}`,
		"before, and yet counted":      `{"way":"before","counted":[{"h":1,"t":"x","n":2}]}`,
		"more than a number can be":    `{"way":"written","counted":[{"h":1,"t":"x","n":18446744073709551615}]}`,
		"far larger than any can be":   `{"way":"written"` + strings.Repeat(" ", Longest) + `}`,
		"an event of a number that is": `{"way":"written","counted":[{"h":"1","t":"x","n":2}]}`,
	} {
		c := Counter{First: 3, End: 5}
		if err := c.Read(said); !errors.Is(err, ErrText) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c := (Counter{First: 0, End: 5_000_000}); c.Read(`{"way":"before"}`) != nil {
		t.Error("entries of before there were counters are covered by one that counts nothing")
	}
}

func FuzzCounterText(f *testing.F) {
	f.Add(`{"way":"written","counted":[{"h":1,"c":"a","t":"x","n":2}]}`, uint64(3), uint64(5))
	f.Add(`{"way":"before"}`, uint64(0), uint64(1<<40))
	f.Fuzz(func(t *testing.T, said string, first, end uint64) {
		c := Counter{First: first, End: end}
		if c.Read(said) != nil {
			return
		}
		sum := c.Unknown
		for _, n := range c.Counted {
			sum += n
		}
		if c.Way != Before && (sum != end-first || sum > Most) {
			t.Errorf("%q counts %d events at the places %d to %d", said, sum, first, end)
		}
	})
}

// TestMemory: what was noted is known until it is forgotten, also of an event that is in a copy.
func TestMemory(t *testing.T) {
	var m Memory
	at := time.Date(2026, 11, 23, 12, 59, 0, 0, time.UTC)
	event := audit.Event{ID: authz.NewID(), Type: audit.SignedIn, Asked: audit.Asked{Client: "app"}, When: audit.When{Decided: at}}
	leaf := []byte("leaf of another node")
	open := func(_ context.Context, of [sha256.Size]byte, sealed []byte) (audit.Sealed, error) {
		if of != copyseal.LeafHash(leaf) || string(sealed) != "copy" {
			return audit.Sealed{}, copyseal.ErrCopy
		}
		return audit.Sealed{Event: event}, nil
	}
	m.Note(audit.Place{Origin: "a", Index: 7}, audit.Entry{Event: event, Leaf: []byte("x"), Copy: []byte("not opened")})
	m.Note(audit.Place{Origin: "a", Index: 8}, audit.Entry{Leaf: leaf, Copy: []byte("copy")})
	m.Note(audit.Place{Origin: "a", Index: 9}, audit.Entry{Leaf: leaf, Copy: []byte("another")})
	m.Note(audit.Place{Origin: "a", Index: 10}, audit.Entry{Leaf: leaf})
	m.Note(audit.Place{Origin: "b", Index: 7}, audit.Entry{Event: event})
	want := map[uint64]Tag{7: Of(at, "app", audit.SignedIn), 8: Of(at, "app", audit.SignedIn)}
	if got := m.Tags(t.Context(), "a", 0, 100, open); !maps.Equal(got, want) {
		t.Errorf("it remembers %v, want %v", got, want)
	}
	if got := want[7].String(); got != "2026-11-23T12:00Z "+string(audit.SignedIn)+" of app" {
		t.Errorf("it is called %q", got)
	}
	m.Forget("a", 8)
	delete(want, 7)
	if got := m.Tags(t.Context(), "a", 0, 100, open); !maps.Equal(got, want) {
		t.Errorf("after that it remembers %v, want %v", got, want)
	}
	m.Forget("a", 100)
	m.Forget("b", 100)
	if m.places != 0 || m.bytes != 0 || len(m.shards) != 0 {
		t.Errorf("of what it forgot it keeps %d places, %d bytes", m.places, m.bytes)
	}
}

// TestMemoryIsBounded: what is too much is passed over, and counted by its rows.
func TestMemoryIsBounded(t *testing.T) {
	var m Memory
	for n := range uint64(100) {
		m.Note(audit.Place{Origin: "a", Index: n}, audit.Entry{Leaf: []byte{byte(n)}, Copy: make([]byte, 1<<20)})
	}
	if m.bytes > mostBytes || m.places != mostBytes>>20 {
		t.Errorf("it remembers %d entries of %d bytes", m.places, m.bytes)
	}
}
