package demo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// marker tells that a folder is a demonstration's, which --reset may empty.
const marker = ".hopnhat-demo"

// errStateUnusable says what helps when a part of the state is missing or of another
// making.
func errStateUnusable(dir string, err error) error {
	return fmt.Errorf("the state in %s cannot be used: %w; the same command with --reset begins again", dir, err)
}

// prepareState makes the folder and takes it for this process, until unlock; on
// request it empties it. A folder that is not a demonstration's is never touched,
// nor one that another demonstration uses.
func prepareState(dir string, reset bool) (unlock func(), err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the state folder %s cannot be read: %w", dir, err)
	}
	ours := slices.ContainsFunc(entries, func(d fs.DirEntry) bool { return d.Name() == marker })
	if len(entries) > 0 && !ours {
		return nil, fmt.Errorf("folder %s holds something that is not a demonstration's state; nothing was touched, choose "+
			"another with --state", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the state folder %s cannot be made: %w", dir, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, marker), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the state folder %s cannot be written: %w", dir, err)
	}
	unlock = func() { _ = lock.Close() }
	// The system gives the lock back when the process ends, however it ends.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		unlock()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another demonstration uses the state folder %s; stop it, or choose another with --state", dir)
		}
		return nil, fmt.Errorf("locking the state folder %s: %w", dir, err)
	}
	if _, err := lock.WriteAt([]byte("State of `hopnhat demo`. Everything in it is invented.\n"), 0); err != nil {
		unlock()
		return nil, fmt.Errorf("the state folder %s cannot be written: %w", dir, err)
	}
	if reset {
		for _, d := range entries {
			if d.Name() == marker {
				continue
			}
			if err := os.RemoveAll(filepath.Join(dir, d.Name())); err != nil {
				unlock()
				return nil, fmt.Errorf("emptying the state folder: %w", err)
			}
		}
	}
	return unlock, nil
}
