// Package durable replaces files as a whole: after a crash there is the one of before or the new
// one, and never a part.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace writes a file with a mode, in the place of the one there, if there is one. When it
// returns nil the file is on the disk. An error leaves the one of before.
func Replace(path string, content []byte, mode fs.FileMode) (err error) {
	made, err := os.CreateTemp(filepath.Dir(path), temporary(path))
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(made.Name()) // it is gone where all went well
	_, err = made.Write(content)
	if err = errors.Join(err, made.Chmod(mode), made.Sync(), made.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(made.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Tidy deletes what a process that was killed left of files whose paths match a pattern
// ([filepath.Glob]). Nobody may be writing one of them.
func Tidy(pattern string) error {
	left, err := filepath.Glob(filepath.Join(filepath.Dir(pattern), temporary(pattern)))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// temporary is the name of a file as long as it is written, as a pattern.
func temporary(path string) string { return ".new-" + filepath.Base(path) + ".*" }
