package proof

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz/audit"
)

// spools are files of an export.
func spools(t interface {
	Fatal(args ...any)
	Cleanup(func())
},
) (files [3]io.ReadWriteSeeker) {
	for i := range files {
		f, err := os.CreateTemp("", "stream-test-*")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close(); _ = os.Remove(f.Name()) })
		files[i] = f
	}
	return files
}

var made = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// streamed makes an export of some events of two logs, by segments.
func streamed(t interface {
	Fatal(args ...any)
	Cleanup(func())
}, found Found, logs map[string]*memLog, order []string, size int,
) []byte {
	query, err := audit.Query{Client: "https://datdai.danang.example"}.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	s := NewStream(query, made, spools(t))
	for _, origin := range order {
		var here []Placed
		for _, p := range found.Placed {
			if p.Origin == origin {
				here = append(here, p)
			}
		}
		slices.SortStableFunc(here, func(a, b Placed) int { return int(a.Index) - int(b.Index) })
		for some := range slices.Chunk(here, size) {
			if err := s.Segment(context.Background(), logs[origin], origin, some); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, r := range found.Unlogged {
		if err := s.Unlogged(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range found.Faulty {
		if err := s.Faulty(f); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := s.Finish(&out, logs[order[len(order)-1]].sign, logs[order[len(order)-1]].vkeys()...); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestAStreamIsTheExport: where all of a shard fits into one segment the bytes are those of an
// export that was made in memory, of whichever events of two logs.
func TestAStreamIsTheExport(t *testing.T) {
	release, consent := newLog(9), consents(6, newSigner(consentOrigin, 1))
	release.leaves = append(release.leaves, release.leaves[4]) // a crash had it appended twice
	release.records[9] = release.records[4]
	logs := map[string]*memLog{origin: release, consentOrigin: consent}
	order := []string{consentOrigin, origin}
	rapid.Check(t, func(t *rapid.T) {
		var found Found
		for _, of := range order {
			for place := range uint64(len(logs[of].leaves)) {
				if rapid.Bool().Draw(t, "found") && (of != origin || place < 9) {
					found.Placed = append(found.Placed, logs[of].placed(place)...)
				}
			}
		}
		if rapid.Bool().Draw(t, "misplaced") && len(found.Placed) > 0 {
			found.Placed[0].Record = record(event(77), 7)
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "unlogged") {
			found.Unlogged = append(found.Unlogged, record(event(20+i), byte(i)))
		}
		found.Total = len(found.Placed) + len(found.Unlogged)
		raw := streamed(t, found, logs, order, 100)
		if r := Verify(raw, []string{newSigner(origin, 1).vkey, newSigner(consentOrigin, 1).vkey}); !r.OK() {
			failed, _ := r.Failed()
			t.Fatalf("failed at %s: %v\n%s", failed.EN, failed.Err, raw)
		}
		query, _ := audit.Query{Client: "https://datdai.danang.example"}.Canonical()
		shard := func(origin string) (Prover, error) { return logs[origin], nil }
		e, err := Assemble(context.Background(), shard, query, made, found, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := e.Marshal(release.sign, release.vkeys()...); err != nil || !bytes.Equal(raw, want) {
			t.Fatalf("streamed\n%s\nin memory\n%s", raw, want)
		}
	})
}

// TestSegmentsOfAStream: cut anywhere the export verifies, counts the same events and leaves that
// stand twice, and no byte of it can change.
func TestSegmentsOfAStream(t *testing.T) {
	release := newLog(9)
	release.leaves = append(release.leaves, release.leaves[4])
	release.records[9] = release.records[4]
	logs := map[string]*memLog{origin: release}
	found := Found{Placed: release.placed(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), Faulty: []Faulty{{"row-1", "altered"}}}
	for size := 1; size <= 10; size++ {
		raw := streamed(t, found, logs, []string{origin}, size)
		r := Verify(raw, []string{newSigner(origin, 1).vkey})
		if !r.OK() || r.Coverage.Total != 11 || r.Coverage.Shown != 10 || r.Coverage.Faulty != 1 || r.Coverage.Shards[0].Duplicates != 1 ||
			r.Coverage.Shards[0].Segments != (9+size)/size {
			failed, _ := r.Failed()
			t.Fatalf("segments of %d: %v, %+v", size, failed.Err, r.Coverage)
		}
		for i := range raw {
			bad := bytes.Clone(raw)
			bad[i] ^= 4
			if i%13 == size && Verify(bad, nil).OK() {
				t.Fatalf("segments of %d: byte %d changed, and it verifies", size, i)
			}
		}
	}
}

// endless proves whatever it is asked: an export does not verify, and a test of memory needs no
// tree.
type endless struct{}

func (endless) RangeProof(_ context.Context, first, last uint64) (Range, error) {
	r := Range{First: first, Checkpoint: origin + "\n1\n" + Hash{}.String() + "\n\n"}
	for place := first; place <= last; place++ {
		r.Leaves = append(r.Leaves, leafOf(numbered(place)))
	}
	return r, nil
}

func numbered(place uint64) Record {
	e := event(1)
	e.ID = fmt.Sprintf("0197a1b2-c3d4-7e5f-8a6b-%012x", place)
	return record(e, 1)
}

// TestAnExportHoldsOneSegment: memory does not grow with the rows.
func TestAnExportHoldsOneSegment(t *testing.T) {
	s := NewStream([]byte("{}"), made, spools(t))
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const size, segments = 500, 40
	var after uint64
	for n := range uint64(segments) {
		var some []Placed
		for place := n * size; place < (n+1)*size; place++ {
			some = append(some, Placed{ID: "row", Origin: origin, Index: place, Record: numbered(place)})
		}
		if err := s.Segment(t.Context(), endless{}, origin, some); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			after = heap()
		}
	}
	if now := heap(); now > after+4<<20 {
		t.Errorf("%d bytes are held after two segments, %d after %d", after, now, segments)
	}
	covered, err := s.Finish(io.Discard, func(text string) ([]byte, error) { return []byte(text), nil })
	if err != nil || covered.Shown != size*segments || covered.Shards[0].Duplicates != 0 {
		t.Errorf("%+v, %v", covered, err)
	}
	if now := heap(); now > after+4<<20 {
		t.Errorf("%d bytes are held after two segments, %d at the end", after, now)
	}
}

// TestAnExportThatIsTooLarge is refused before it is written to its end.
func TestAnExportThatIsTooLarge(t *testing.T) {
	s := NewStream([]byte("{}"), made, spools(t))
	s.bytes = MaxExport - maxFile
	if err := s.Unlogged(record(event(1), 1)); err != ErrTooLarge {
		t.Errorf("got %v", err)
	}
}
