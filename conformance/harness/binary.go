// Package harness builds the product, starts it as a process of its own on free
// ports, waits until it is ready, and ends it, gently or by kill -9. It knows the
// product only by its command line and its HTTP.
package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Root is the folder of the module that the running test belongs to.
func Root(t testing.TB) string {
	t.Helper()
	folder, err := root()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func root() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		// The scenarios and some clients are modules of their own below it.
		if text, err := os.ReadFile(filepath.Join(folder, "go.mod")); err == nil && bytes.HasPrefix(text, []byte("module hopnhat\n")) {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("no go.mod of hopnhat above the test's folder")
		}
		folder = parent
	}
}

// Binary is the path of cmd/hopnhat, built once for each test program. The file
// carries the process id: test programs that run at the same time must not
// replace what another executes. The go command's cache makes later builds
// cheap.
func Binary(t testing.TB) string {
	t.Helper()
	if other := program.Load(); other != nil {
		return *other
	}
	path, err := server()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Verifier is the path of cmd/hopnhat-verify, built as [Binary] is.
func Verifier(t testing.TB) string {
	t.Helper()
	path, err := verifier()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var (
	server   = sync.OnceValues(func() (string, error) { return build("hopnhat") })
	verifier = sync.OnceValues(func() (string, error) { return build("hopnhat-verify") })
)

// build builds a program of cmd.
func build(name string) (string, error) {
	folder, err := root()
	if err != nil {
		return "", err
	}
	programs := filepath.Join(folder, ".build", "bin")
	if err := os.MkdirAll(programs, 0o755); err != nil {
		return "", err
	}
	removeOld(programs)
	path := filepath.Join(programs, fmt.Sprintf("%s-%d", name, os.Getpid()))
	// Without debug tables, which take a third of the time to link; nobody attaches to it.
	command := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-w", "-o", path, "./cmd/"+name)
	command.Dir = folder
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building cmd/%s: %w\n%s", name, err, output)
	}
	return path, nil
}

// removeOld deletes what test programs that are gone have built.
func removeOld(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		pid := entry.Name()[strings.LastIndexByte(entry.Name(), '-')+1:]
		if _, err := strconv.Atoi(pid); err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join("/proc", pid)); errors.Is(err, os.ErrNotExist) {
			os.Remove(filepath.Join(folder, entry.Name()))
		}
	}
}
