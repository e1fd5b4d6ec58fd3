package proof

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Stream makes an export of any number of events in the memory of one segment: what an
// [Export] holds is written to files at once, and put together at the end. Shards come in the
// order of their origins, segments in that of their places, then events without a place;
// rows that are not genuine at any time.
type Stream struct {
	// Most is how many bytes the export has at most; zero: [MaxExport].
	Most   int64
	e      Export
	c      Coverage
	rest   io.ReadWriteSeeker // segments and events without a place
	faulty io.ReadWriteSeeker
	leaves io.ReadWriteSeeker // the hashes of the leaves of this shard
	hashes int64
	bytes  int64
}

// NewStream begins an export; the files are empty, and its own.
func NewStream(query []byte, made time.Time, files [3]io.ReadWriteSeeker) *Stream {
	return &Stream{e: Export{Query: query, Made: made.UTC().Truncate(time.Second)}, rest: files[0], faulty: files[1], leaves: files[2]}
}

// ErrTooLarge means that an export would be larger than a verifier reads.
var ErrTooLarge = errors.New("the export would be larger than a verifier reads; ask for less time")

// Segment adds a stretch of a shard, from the first of the events to the last. They are in the
// order of their places.
func (s *Stream) Segment(ctx context.Context, log Prover, origin string, events []Placed) error {
	if len(events) == 0 {
		return nil
	}
	proved, err := log.RangeProof(ctx, events[0].Index, events[len(events)-1].Index)
	if err != nil {
		return fmt.Errorf("proving entries %d to %d of %s: %w", events[0].Index, events[len(events)-1].Index, origin, err)
	}
	var places []uint64
	at := map[uint64][]Placed{}
	for _, p := range events {
		places, at[p.Index] = append(places, p.Index), append(at[p.Index], p)
	}
	one, faulty := segment(proved, origin, slices.Compact(places), at)
	var b strings.Builder
	if n := len(s.c.Shards); n == 0 || s.c.Shards[n-1].Origin != origin {
		if err := s.endShard(); err != nil {
			return err
		}
		s.c.Shards = append(s.c.Shards, Coverage{Origin: origin, Unshown: map[string]int{}})
		b.WriteString("shard " + origin + "\n")
	}
	s.c.Shards[len(s.c.Shards)-1].add(one)
	s.c.Shown += len(one.Shown)
	s.e.Keys = withKeys(s.e.Keys, proved.Keys)
	one.marshal(&b)
	if err := s.write(s.rest, b.String()); err != nil {
		return err
	}
	var sums []byte
	for _, leaf := range one.Leaves {
		sum := sha256.Sum256(leaf)
		sums, s.hashes = append(sums, sum[:]...), s.hashes+1
	}
	if _, err := s.leaves.Write(sums); err != nil {
		return err
	}
	for _, f := range faulty {
		if err := s.Faulty(f); err != nil {
			return err
		}
	}
	return nil
}

// Unlogged adds an event that has no place yet.
func (s *Stream) Unlogged(r Record) error {
	var b strings.Builder
	r.marshalUnlogged(&b)
	s.c.Unlogged++
	return s.write(s.rest, b.String())
}

// Faulty adds a row that is not genuine.
func (s *Stream) Faulty(f Faulty) error {
	var b strings.Builder
	f.marshal(&b)
	s.c.Faulty++
	return s.write(s.faulty, b.String())
}

func (s *Stream) write(to io.Writer, text string) error {
	if s.bytes += int64(len(text)); s.bytes > cmp.Or(s.Most, MaxExport)-maxFile { // head and manifest take the rest
		return ErrTooLarge
	}
	_, err := io.WriteString(to, text)
	return err
}

// inMemory is how many leaves are compared at a time.
const inMemory = 1 << 16

// endShard counts the leaves of a shard that stand in it more than once: those of one part of all
// hashes at a time.
func (s *Stream) endShard() error {
	parts := uint64(s.hashes/inMemory + 1)
	for part := uint64(0); part < parts && s.hashes > 0; part++ {
		if _, err := s.leaves.Seek(0, io.SeekStart); err != nil {
			return err
		}
		seen, in := map[[sha256.Size]byte]bool{}, bufio.NewReader(s.leaves)
		for range s.hashes {
			var sum [sha256.Size]byte
			if _, err := io.ReadFull(in, sum[:]); err != nil {
				return err
			}
			if binary.BigEndian.Uint64(sum[:8])%parts != part {
				continue
			}
			if seen[sum] {
				s.c.Shards[len(s.c.Shards)-1].Duplicates++
			}
			seen[sum] = true
		}
	}
	s.hashes = 0
	_, err := s.leaves.Seek(0, io.SeekStart)
	return err
}

// Finish writes the export, whose manifest is signed as in [Export.Marshal], and tells what it
// covers.
func (s *Stream) Finish(out io.Writer, sign func(text string) ([]byte, error), vkeys ...string) (Coverage, error) {
	if err := s.endShard(); err != nil {
		return Coverage{}, err
	}
	s.c.Total = s.c.Shown + s.c.Unlogged + s.c.Faulty
	s.e.Total, s.e.Keys = s.c.Total, withKeys(s.e.Keys, vkeys)
	var head strings.Builder
	s.e.head(&head, s.c)
	content := sha256.New()
	both := io.MultiWriter(out, content)
	if _, err := io.WriteString(both, head.String()); err != nil {
		return Coverage{}, err
	}
	for _, file := range []io.ReadWriteSeeker{s.rest, s.faulty} {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return Coverage{}, err
		}
		if _, err := io.Copy(both, file); err != nil {
			return Coverage{}, err
		}
	}
	signed, err := sign(s.e.list([sha256.Size]byte(content.Sum(nil)), s.c))
	if err != nil {
		return Coverage{}, fmt.Errorf("signing the manifest of an export: %w", err)
	}
	_, err = io.WriteString(out, "\n"+string(signed))
	return s.c, err
}
