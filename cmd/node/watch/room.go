package watch

import (
	"errors"
	"fmt"
	"syscall"
)

// EnoughRoom returns an error if the disk of a folder has too little room left, in bytes.
func EnoughRoom(least uint64, folders ...string) (err error) {
	for _, dir := range folders {
		err = errors.Join(err, enoughRoom(dir, least))
	}
	return err
}

func enoughRoom(dir string, least uint64) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return fmt.Errorf("looking for room in %s: %w", dir, err)
	}
	if free := s.Bavail * uint64(s.Bsize); free < least {
		return fmt.Errorf("%s has %d MiB left, less than %d", dir, free>>20, least>>20)
	}
	return nil
}
