package copies

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
)

// Writer adds copies to a folder. It is safe for concurrent use; one process writes a folder.
type Writer struct {
	Folder
	mu     sync.Mutex
	file   *os.File // that was written last
	number uint64
	closed bool
}

// Open goes on with the copies of a shard of so many entries. What a crash left behind them is
// taken away: a part of a record, and records of places that were never given. It returns the
// places near the end that have no copy.
func Open(f Folder, size uint64) (w *Writer, missing []uint64, err error) {
	w = &Writer{Folder: f}
	next := size / Range // the file of the next place
	for number := next - min(next, 1); number <= next+1; number++ {
		if err := f.settle(number); err != nil {
			return nil, nil, err
		}
		if err := w.ungiven(number, size); err != nil {
			return nil, nil, err
		}
	}
	if size == 0 {
		return w, nil, nil
	}
	last := (size - 1) / Range
	if err := w.cut(last); err != nil {
		return nil, nil, err
	}
	for number := last - min(last, 1); number <= last; number++ {
		found, err := f.Read(number)
		if err != nil && !errors.Is(err, ErrDamaged) { // hopnhat log check tells of damage
			return nil, nil, err
		}
		for index := number * Range; index < min(size, (number+1)*Range); index++ {
			if _, here := found[index]; !here {
				missing = append(missing, index)
			}
		}
	}
	return w, missing, nil
}

// ungiven takes records from a file whose places were never given: they are written before it
// is known that the tree has their entries.
func (w *Writer) ungiven(number, size uint64) error {
	found, err := w.Read(number)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	before := len(found)
	maps.DeleteFunc(found, func(index uint64, _ Record) bool { return index >= size })
	if len(found) == before {
		return nil
	}
	return w.Folder.Write(number, found)
}

// cut takes a part of a record from the end of a file. What never was a file of copies is
// [ErrDamaged], and is left as it is.
func (w *Writer) cut(number uint64) error {
	file, err := w.open(number, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	raw, err := bounded(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	_, framed, _ := parse(raw)
	switch {
	case framed == int64(len(raw)):
	case framed == 0 && !begins(raw, number):
		err = fmt.Errorf("%w: %s holds no copies", ErrDamaged, below(number))
	default:
		err = errors.Join(file.Truncate(framed), file.Sync())
	}
	return errors.Join(err, file.Close())
}

// Write adds records, which are on disk when it returns.
func (w *Writer) Write(records []Record) error {
	_, err := w.Ahead(records)
	return err
}

// Ahead is Write before it is known whether the places are those of the entries: back takes
// the records back, if none were added behind them.
func (w *Writer) Ahead(records []Record) (back func() error, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var parts []part
	back = func() error { return w.back(parts) }
	for len(records) > 0 {
		number, n := records[0].Index/Range, 1
		for n < len(records) && records[n].Index/Range == number {
			n++
		}
		added, err := w.add(number, records[:n])
		if err != nil {
			return back, err
		}
		parts, records = append(parts, added), records[n:]
	}
	return back, nil
}

// part is what was added to a file: its bytes from one to another.
type part struct {
	number   uint64
	from, to int64
}

func (w *Writer) back(parts []part) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range parts {
		if err := w.at(p.number); err != nil {
			return err
		}
		end, err := w.file.Seek(0, io.SeekEnd)
		if err != nil || end != p.to {
			return err
		}
		if err := errors.Join(w.file.Truncate(p.from), w.file.Sync()); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) add(number uint64, records []Record) (part, error) {
	if err := w.at(number); err != nil {
		return part{}, err
	}
	end, err := w.file.Seek(0, io.SeekEnd)
	if err != nil {
		return part{}, err
	}
	var raw []byte
	for _, r := range records {
		raw = r.append(raw)
	}
	_, err = w.file.Write(raw)
	if err = errors.Join(err, w.file.Sync()); err != nil {
		// What came to the disk of it is taken back, so that the next record can be read.
		err = errors.Join(err, w.file.Truncate(end), w.file.Close())
		w.file = nil
	}
	return part{number, end, end + int64(len(raw))}, err
}

// at opens the file of a number, and makes it if it is not there.
func (w *Writer) at(number uint64) error {
	switch {
	case w.closed:
		return fs.ErrClosed
	case w.file != nil && w.number == number:
		return nil
	case w.file != nil:
		w.file.Close()
		w.file = nil
	}
	root, err := w.root()
	if err != nil {
		return err
	}
	defer root.Close()
	path := below(number)
	_, err = root.Lstat(path)
	made := errors.Is(err, fs.ErrNotExist)
	if made {
		if err := root.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
	}
	file, err := open(root, path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	if made { // its name is to survive a crash as its content does
		for _, dir := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path)), "."} {
			if err := syncDir(root, dir); err != nil {
				return errors.Join(err, file.Close())
			}
		}
	}
	w.file, w.number = file, number
	return nil
}

// Erase is [Folder.Erase], between two writes.
func (w *Writer) Erase(index uint64, leaf [32]byte) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false, fs.ErrClosed
	}
	return w.Folder.Erase(index, leaf)
}

// Close lets go of the file; nothing is written any more.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	return err
}
