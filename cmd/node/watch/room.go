package watch

import (
	"fmt"
	"syscall"
)

// EnoughRoom returns an error if a folder's disk has too little room left.
func EnoughRoom(dir string, least uint64) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return fmt.Errorf("looking for room in %s: %w", dir, err)
	}
	if free := s.Bavail * uint64(s.Bsize); free < least {
		return fmt.Errorf("%s has %d MiB left, less than %d", dir, free>>20, least>>20)
	}
	return nil
}
