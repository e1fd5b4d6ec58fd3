// Package copies keeps the sealed copies of events beside the tree of a shard: files of
// records, in a folder of their own, each of 4,096 places. A record is on disk before the place
// of its entry is told to anybody. What the copies say is sealed elsewhere
// ([hopnhat/authz/audit/copyseal]); here they are bytes.
//
// A record is, numbers big-endian:
//
//	length of what follows the sum, 4 bytes
//	sum over that, CRC-32C, 4 bytes
//	place, 8 bytes · hash of the leaf (RFC 9162 §2.1.1), 32 bytes · kind, 1 byte · the copy
//
// Records stand in the order in which they came. One that was erased keeps its length, place
// and hash, and has zeros where the copy was.
package copies

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// Range is how many places share a file.
const Range = 4096

// Most is the greatest length of a copy in bytes.
const Most = 1<<16 - 1

// Record is the copy at one place.
type Record struct {
	Index uint64
	// Leaf is the hash of the leaf at the place.
	Leaf [sha256.Size]byte
	// Copy is the sealed event; nil if it was erased.
	Copy []byte
}

// Erased reports whether the copy was erased.
func (r Record) Erased() bool { return r.Copy == nil }

// The form of a record.
const (
	before = 8                     // length and sum
	fixed  = 8 + sha256.Size + 1   // place, hash, kind
	most   = before + fixed + Most // of a whole record
	live   = 1                     // kinds
	erased = 2
)

var table = crc32.MakeTable(crc32.Castagnoli)

// append writes a record behind others.
func (r Record) append(raw []byte) []byte {
	kind := byte(live)
	if r.Erased() {
		kind = erased
	}
	return record(raw, r.Index, r.Leaf, kind, r.Copy)
}

func record(raw []byte, index uint64, leaf [sha256.Size]byte, kind byte, sealed []byte) []byte {
	raw = binary.BigEndian.AppendUint32(raw, uint32(fixed+len(sealed)))
	sum := len(raw)
	raw = binary.BigEndian.AppendUint32(raw, 0)
	raw = binary.BigEndian.AppendUint64(raw, index)
	raw = append(raw, leaf[:]...)
	raw = append(raw, kind)
	raw = append(raw, sealed...)
	binary.BigEndian.PutUint32(raw[sum:], crc32.Checksum(raw[sum+4:], table))
	return raw
}

// ErrDamaged means that a file of copies is not what was written.
var ErrDamaged = errors.New("a file of copies is damaged")

// placed is a record with where it stands in its file.
type placed struct {
	Record
	at, length int64
}

// parse reads the records of a file. What cannot be read is [ErrDamaged], beside the records
// that can; framed is up to where it is known where records begin.
func parse(raw []byte) (all []placed, framed int64, err error) {
	bad := func(cause string) {
		if err == nil {
			err = fmt.Errorf("%w: at byte %d: %s", ErrDamaged, framed, cause)
		}
	}
	for rest := raw; len(rest) > 0; rest = raw[framed:] {
		if len(rest) < before+fixed {
			bad("a part of a record")
			return all, framed, err
		}
		length := int64(binary.BigEndian.Uint32(rest)) + before
		if length < before+fixed || length > most || length > int64(len(rest)) {
			bad("a part of a record")
			return all, framed, err
		}
		p := placed{at: framed, length: length}
		p.Index, p.Leaf = binary.BigEndian.Uint64(rest[before:]), [sha256.Size]byte(rest[before+8:])
		kind, body := rest[before+fixed-1], rest[before+fixed:length]
		switch {
		case crc32.Checksum(rest[before:length], table) != binary.BigEndian.Uint32(rest[4:]):
			bad("its sum is another")
		case kind == live && len(body) > 0:
			p.Copy = bytes.Clone(body)
			all = append(all, p)
		case kind == erased && len(bytes.Trim(body, "\x00")) == 0:
			all = append(all, p)
		default:
			bad("it is neither a copy nor erased")
		}
		framed += length
	}
	return all, framed, err
}

// Folder holds the copies of one shard.
type Folder string

// Of is the folder of the copies of the shard in a folder.
func Of(shard string) Folder { return Folder(filepath.Join(shard, "copies")) }

// Name is the file with the copy of a place, below the folder of the shard.
func Name(index uint64) string {
	number := index / Range
	return fmt.Sprintf("copies/%06d/%03d", number/1000, number%1000)
}

// Read are the records of the places number·4,096 and on, up to 4,096, by their places; none
// where there is no file. What cannot be read is [ErrDamaged], beside the others.
func (f Folder) Read(number uint64) (map[uint64]Record, error) {
	raw, err := f.bytes(number)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, _, err := parse(raw)
	found := make(map[uint64]Record, len(all))
	for _, r := range all {
		if r.Index/Range == number {
			found[r.Index] = r.Record
		}
	}
	return found, err
}

// partAtEnd reports whether all that is wrong with a file is a part of a record at its end.
func (f Folder) partAtEnd(number uint64) (bool, error) {
	raw, err := f.bytes(number)
	if err != nil {
		return false, err
	}
	_, framed, _ := parse(raw)
	_, _, err = parse(raw[:framed])
	return err == nil, nil
}

// Erase overwrites the copies of one leaf at a place with zeros, and the disk has that when it
// returns. It reports whether there was one that was not erased before. Nobody may write the
// folder meanwhile, but [Writer.Erase].
func (f Folder) Erase(index uint64, leaf [sha256.Size]byte) (was bool, err error) {
	number := index / Range
	if err := f.settle(number); err != nil {
		return false, err
	}
	file, err := f.open(number, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	raw, err := bounded(file)
	if err != nil {
		return false, err
	}
	all, _, damaged := parse(raw)
	for _, p := range all {
		if p.Leaf != leaf || p.Erased() {
			continue
		}
		mark := record(nil, p.Index, p.Leaf, erased, make([]byte, p.length-before-fixed))
		if _, err := file.WriteAt(mark, p.at); err != nil {
			return was, err
		}
		was = true
	}
	if was {
		err = file.Sync()
	}
	// Behind damage there may be one that is not seen: it is not said to be erased.
	return was, errors.Join(err, damaged)
}
