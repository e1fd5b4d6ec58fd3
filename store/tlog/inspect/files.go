package inspect

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// largest is the greatest size of a file of a shard: a bundle has 256 entries of about 100
// bytes, a tile 256 hashes.
const largest = 4 << 20

// ErrNoFile means that something in the folder of a shard is no file of one: it is far too
// large, or no regular file. It is not read, so that whoever has the folder stops what waits
// for the log, and no process.
var ErrNoFile = errors.New("this is no file of a log")

// ReadFile reads a file of a shard.
func ReadFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe keeps nobody waiting
	if err != nil {
		return nil, err
	}
	defer file.Close()
	is, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !is.Mode().IsRegular() || is.Size() > largest {
		return nil, fmt.Errorf("%w: %s, of %d bytes", ErrNoFile, path, is.Size())
	}
	return io.ReadAll(io.LimitReader(file, largest))
}
