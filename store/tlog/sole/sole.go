// Package sole lets one process write the folder of a log.
package sole

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrLocked means that another process has the folder.
var ErrLocked = errors.New("another process is writing this log")

// Take takes a folder for this process, until the file is closed. The system gives it back when
// the process ends, however it ends.
func Take(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, ".hopnhat.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("locking: %w", err)
	}
	return f, nil
}
