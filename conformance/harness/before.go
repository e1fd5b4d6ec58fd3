package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// before is the commit of the release before this one: the one in service while an
// upgrade is under way. Move it when a release is made.
const before = "35735e9022bdeae3499fa4ea079c9f558df2489d"

// Before is the program of the release before, built from this repository's own
// history into .build, once.
func Before(t testing.TB) string {
	t.Helper()
	folder, err := root()
	if err != nil {
		t.Fatal(err)
	}
	path, err := buildBefore(folder)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func buildBefore(folder string) (string, error) {
	path := filepath.Join(folder, ".build", "hopnhat-"+before[:12])
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	// The clone may belong to another user, which git would refuse.
	git := []string{"-c", "safe.directory=*", "-C", folder}
	if output, err := exec.Command("git", append(git, "cat-file", "-e", before+"^{commit}")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("the commit %s of the release before is not in this clone: if the clone is shallow, fetch its history with `git fetch --unshallow`; a folder without .git has none: clone the repository: %w %s", before[:12], err, strings.TrimSpace(string(output)))
	}
	if err := os.MkdirAll(filepath.Join(folder, ".build"), 0o755); err != nil {
		return "", err
	}
	source, err := os.MkdirTemp(filepath.Join(folder, ".build"), "before-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(source)
	archive := exec.Command("git", append(git, "archive", "--format=tar", before)...)
	unpack := exec.Command("tar", "-x", "-C", source)
	if unpack.Stdin, err = archive.StdoutPipe(); err != nil {
		return "", err
	}
	if err := errors.Join(archive.Start(), unpack.Run(), archive.Wait()); err != nil {
		return "", fmt.Errorf("unpacking commit %s: %w", before[:12], err)
	}
	command := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-w", "-o", path+".new", "./cmd/hopnhat")
	command.Dir = source
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building commit %s: %w\n%s", before[:12], err, output)
	}
	return path, os.Rename(path+".new", path)
}

// program is the one that Run and Start take instead of the one under test.
var program atomic.Pointer[string]

// Use makes Run, Try and Start take another program, until the test ends or it is
// called with an empty path.
func Use(t testing.TB, path string) {
	t.Helper()
	if path == "" {
		program.Store(nil)
		return
	}
	program.Store(&path)
	t.Cleanup(func() { program.Store(nil) })
}
