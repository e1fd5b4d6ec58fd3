package copies

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Files of copies are read and changed below the folder of their shard alone: a link leads
// nowhere, and what is no regular file, or has a second name, is [ErrDamaged]. Whoever can write
// the folder has the process touch no other file.

// largest is the greatest size of a file that is read.
const largest = Range * most

// root is the folder of the shard.
func (f Folder) root() (*os.Root, error) { return os.OpenRoot(filepath.Dir(string(f))) }

// below is the path of a file of copies below the folder of the shard.
func below(number uint64) string { return Name(number * Range) }

// open opens the file of a number; fs.ErrNotExist if there is none.
func (f Folder) open(number uint64, flag int) (*os.File, error) {
	root, err := f.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return open(root, below(number), flag)
}

func open(root *os.Root, path string, flag int) (*os.File, error) {
	if seen, err := root.Lstat(path); err == nil && !seen.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is no regular file", ErrDamaged, path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err) // a link that leads out of the folder
	}
	// What is no file by now must not keep the opening waiting.
	file, err := root.OpenFile(path, flag|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	is, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if stat, ok := is.Sys().(*syscall.Stat_t); !is.Mode().IsRegular() || ok && stat.Nlink != 1 {
		return nil, errors.Join(fmt.Errorf("%w: %s is no regular file, or has a second name", ErrDamaged, path), file.Close())
	}
	return file, nil
}

// bytes are those of the file of a number; fs.ErrNotExist if there is none.
func (f Folder) bytes(number uint64) ([]byte, error) {
	file, err := f.open(number, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return bounded(file)
}

func bounded(file *os.File) ([]byte, error) {
	is, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if is.Size() > largest {
		return nil, fmt.Errorf("%w: %d bytes, and no file of copies has more than %d", ErrDamaged, is.Size(), int64(largest))
	}
	return io.ReadAll(io.LimitReader(file, largest))
}

// begins reports whether bytes begin with a record of a file, or a part of one: a crash may
// have left no more.
func begins(raw []byte, number uint64) bool {
	if len(raw) < before+8 {
		return true
	}
	length := int64(binary.BigEndian.Uint32(raw)) + before
	return length >= before+fixed && length <= most && binary.BigEndian.Uint64(raw[before:])/Range == number
}

// Write makes the file of some places anew from its records, as a whole. What was there is
// overwritten with zeros before the new one takes its place, so that nothing of it remains.
func (f Folder) Write(number uint64, records map[uint64]Record) error {
	var raw []byte
	for index := number * Range; index < (number+1)*Range; index++ {
		if r, ok := records[index]; ok {
			raw = r.append(raw)
		}
	}
	root, err := f.root()
	if err != nil {
		return err
	}
	defer root.Close()
	path := below(number)
	if err := root.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := discard(root, path+fresh); err != nil {
		return err
	}
	made, err := root.OpenFile(path+fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = made.Write(raw)
	if err := errors.Join(err, made.Sync(), made.Close()); err != nil {
		return err
	}
	return replace(root, path)
}

// fresh ends the name of a file that is to take the place of another.
const fresh = ".new"

// replace puts the fresh file in the place of the one there, which is overwritten first.
func replace(root *os.Root, path string) error {
	// The fresh one is there for good before anything of the other is lost.
	if err := syncDir(root, filepath.Dir(path)); err != nil {
		return err
	}
	if err := zero(root, path); err != nil {
		return err
	}
	if err := root.Rename(path+fresh, path); err != nil {
		return err
	}
	return syncDir(root, filepath.Dir(path))
}

// zero overwrites a file, if there is one; what is no file of copies is not touched.
func zero(root *os.Root, path string) error {
	file, err := open(root, path, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) {
		return nil
	}
	if err != nil {
		return err
	}
	is, err := file.Stat()
	for at := int64(0); err == nil && at < min(is.Size(), largest); at += 1 << 20 {
		_, err = file.WriteAt(make([]byte, min(is.Size()-at, 1<<20)), at)
	}
	return errors.Join(err, file.Sync(), file.Close())
}

// discard overwrites and removes a file, if there is one.
func discard(root *os.Root, path string) error {
	if err := zero(root, path); err != nil {
		return err
	}
	if err := root.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// settle ends what a crash left of [Folder.Write]: a whole fresh file takes the place of one
// that was overwritten, and any other goes. Nobody may write the folder meanwhile.
func (f Folder) settle(number uint64) error {
	root, err := f.root()
	if err != nil {
		return err
	}
	defer root.Close()
	path := below(number)
	file, err := open(root, path+fresh, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var raw []byte
	if err == nil {
		raw, err = bounded(file)
		err = errors.Join(err, file.Close())
	}
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	old, gone := f.bytes(number)
	_, _, bent := parse(raw)
	if err == nil && bent == nil && len(raw) > 0 && (errors.Is(gone, fs.ErrNotExist) || gone == nil && len(bytes.Trim(old, "\x00")) == 0) {
		return replace(root, path)
	}
	return discard(root, path+fresh)
}

func syncDir(root *os.Root, path string) error {
	dir, err := root.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
