package copies

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"hopnhat/authz/audit/copyseal"
	"hopnhat/store/tlog/inspect"
)

// Leaves gives the hashes of up to n entries from a place on; fewer only at the end.
type Leaves func(ctx context.Context, first uint64, n int) ([][sha256.Size]byte, error)

// Find does something at a place, or wherever a leaf stands among n from it on.
func Find(ctx context.Context, leaves Leaves, from, n uint64, leaf [sha256.Size]byte, do func(index uint64) error) error {
	if n <= 1 {
		return do(from)
	}
	for at := from; at < from+n; at += Range {
		hashes, err := leaves(ctx, at, int(min(from+n-at, Range)))
		if err != nil || len(hashes) == 0 {
			return err
		}
		for i, hash := range hashes {
			if hash != leaf {
				continue
			}
			if err := do(at + uint64(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Shard is the shard beside whose entries copies stand.
type Shard struct {
	Folder Folder
	// Size is how many entries it has.
	Size   uint64
	Leaves Leaves
	// Open returns [copyseal.ErrCopy] if a copy is not of a leaf; nil opens none.
	Open func(ctx context.Context, leaf [sha256.Size]byte, sealed []byte) error
	// Erased are the leaves of events that were erased. Whoever mends asks for them when
	// nobody can erase any more: an erasure that came before is then among them.
	Erased map[[sha256.Size]byte]bool
	// Rows gives copies for places from one on, by the rows of the database, nil where there is
	// no row; nil gives none.
	Rows func(ctx context.Context, first uint64, n int) (map[uint64][]byte, error)
}

// Checked is what a check found of the copies of one shard.
type Checked struct {
	// Kept, Erased and Missing are how many entries have a copy, had one, and have none.
	Kept, Erased, Missing uint64
	Faults                []inspect.Fault
}

// maxFaults bounds what is told of one shard.
const maxFaults = 1000

// Check reads every copy of a shard and holds it against its entry.
func (s Shard) Check(ctx context.Context) (found Checked, err error) {
	fault := func(first, last uint64, cause string) {
		if len(found.Faults) < maxFaults {
			found.Faults = append(found.Faults, inspect.Fault{Path: Name(first), First: first, Last: last, Cause: cause})
		}
	}
	for number := uint64(0); number*Range < s.Size; number++ {
		first, last := number*Range, min((number+1)*Range, s.Size)-1
		records, leaves, err := s.read(ctx, number)
		// At the end a server may be writing, or a crash have left a part of a record.
		if torn := errors.Is(err, ErrDamaged); torn && last == s.Size-1 && len(records) > 0 {
			err = s.torn(number, err)
		}
		if errors.Is(err, ErrDamaged) {
			fault(first, last, err.Error())
		} else if err != nil {
			return found, err
		}
		for index := first; index <= last; index++ {
			r, here := records[index]
			switch cause, err := s.fault(ctx, r, leaves[index-first]); {
			case !here:
				found.Missing++
			case err != nil:
				return found, err
			case cause != "":
				fault(index, index, cause)
			case r.Erased():
				found.Erased++
			default:
				found.Kept++
			}
		}
	}
	return found, nil
}

// torn is the error of a file with damage before its end, nil if a part of a record is all.
func (s Shard) torn(number uint64, damaged error) error {
	if part, err := s.Folder.partAtEnd(number); err != nil || part {
		return err
	}
	return damaged
}

func (s Shard) read(ctx context.Context, number uint64) (map[uint64]Record, [][sha256.Size]byte, error) {
	first := number * Range
	n := int(min(s.Size-first, Range))
	leaves, err := s.Leaves(ctx, first, n)
	if err != nil {
		return nil, nil, err
	}
	if len(leaves) < n {
		return nil, nil, fmt.Errorf("there are %d entries of %d from place %d on", len(leaves), n, first)
	}
	records, err := s.Folder.Read(number)
	return records, leaves, err
}

// fault says what is wrong with a record, empty if nothing is.
func (s Shard) fault(ctx context.Context, r Record, leaf [sha256.Size]byte) (string, error) {
	switch {
	case r.Leaf == [sha256.Size]byte{}:
		return "", nil
	case r.Leaf != leaf:
		return "the copy is of another entry", nil
	case r.Erased():
		return "", nil
	case s.Erased[leaf]:
		return "the copy of an event that was erased; erase it again, or hopnhat log rebuild", nil
	case s.Open == nil:
		return "", nil
	}
	err := s.Open(ctx, leaf, r.Copy)
	if errors.Is(err, copyseal.ErrCopy) {
		return err.Error(), nil
	}
	return "", err
}

// Mended says what was done.
type Mended struct {
	// Made, Erased and Dropped are how many copies were made of rows, were overwritten since
	// their events are erased, and were taken away since they are of no entry.
	Made, Erased, Dropped uint64
}

// Mend makes the copies of a shard whole as far as rows are there, and overwrites those of
// erased events. No process may write the shard meanwhile.
func (s Shard) Mend(ctx context.Context) (done Mended, err error) {
	for number := uint64(0); number*Range < s.Size; number++ {
		if err := s.Folder.settle(number); err != nil {
			return done, err
		}
		records, leaves, err := s.read(ctx, number)
		damaged := errors.Is(err, ErrDamaged)
		if err != nil && !damaged {
			return done, err
		}
		first := number * Range
		changed, missing := damaged, false
		for i, leaf := range leaves {
			index := first + uint64(i)
			r, here := records[index]
			if here && s.Erased[leaf] && !r.Erased() {
				records[index] = Record{Index: index, Leaf: leaf}
				done.Erased++
				changed = true
				continue
			}
			cause, err := s.fault(ctx, r, leaf)
			if err != nil {
				return done, err
			}
			if cause != "" {
				delete(records, index)
				done.Dropped++
				changed, here = true, false
			}
			missing = missing || !here
		}
		if missing && s.Rows != nil {
			rows, err := s.Rows(ctx, first, len(leaves))
			if err != nil {
				return done, err
			}
			for index, sealed := range rows {
				if _, here := records[index]; here || len(sealed) == 0 || s.Erased[leaves[index-first]] {
					continue
				}
				if records == nil {
					records = map[uint64]Record{}
				}
				records[index] = Record{Index: index, Leaf: leaves[index-first], Copy: sealed}
				done.Made++
				changed = true
			}
		}
		if !changed {
			continue
		}
		if err := s.Folder.Write(number, records); err != nil {
			return done, err
		}
	}
	return done, nil
}

// Visit tells the copies of n places from one on, as they stand; those that were erased are
// left out, and so is what cannot be read.
func (f Folder) Visit(first uint64, n int, visit func(Record) error) error {
	for number := first / Range; n > 0 && number <= (first+uint64(n)-1)/Range; number++ {
		records, err := f.Read(number)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
		for index := max(first, number*Range); index < min(first+uint64(n), (number+1)*Range); index++ {
			if r, here := records[index]; here && !r.Erased() {
				if err := visit(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
