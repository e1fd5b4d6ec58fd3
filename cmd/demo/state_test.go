package demo

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStateFolder(t *testing.T) {
	t.Run("a folder with something else in it is not touched", func(t *testing.T) {
		dir := t.TempDir()
		mine := filepath.Join(dir, "thesis.txt")
		if err := os.WriteFile(mine, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := prepareState(dir, true); err == nil || !strings.Contains(err.Error(), "--state") {
			t.Fatalf("got %v", err)
		}
		if _, err := os.Stat(mine); err != nil {
			t.Fatal(err)
		}
	})
	prepare := func(t *testing.T, dir string, reset bool) (unlock func()) {
		t.Helper()
		unlock, err := prepareState(dir, reset)
		if err != nil {
			t.Fatal(err)
		}
		return unlock
	}
	begun := func(t *testing.T) (dir, kept string) {
		dir = filepath.Join(t.TempDir(), "state")
		prepare(t, dir, false)()
		kept = filepath.Join(dir, "hopnhat.db")
		if err := os.WriteFile(kept, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return dir, kept
	}
	t.Run("its own folder is emptied on request only", func(t *testing.T) {
		dir, kept := begun(t)
		prepare(t, dir, false)()
		if _, err := os.Stat(kept); err != nil {
			t.Fatal("state was lost")
		}
		prepare(t, dir, true)()
		if _, err := os.Stat(kept); err == nil {
			t.Fatal("state was kept")
		}
	})
	t.Run("a folder that another demonstration uses is neither shared nor emptied", func(t *testing.T) {
		dir, kept := begun(t)
		unlock := prepare(t, dir, false)
		for _, reset := range []bool{false, true} {
			if _, err := prepareState(dir, reset); err == nil || !strings.Contains(err.Error(), "another demonstration") {
				t.Fatalf("reset %v: got %v", reset, err)
			}
		}
		if _, err := os.Stat(kept); err != nil {
			t.Fatal("state was lost")
		}
		unlock()
		prepare(t, dir, true)()
	})
	t.Run("a path that cannot be a folder", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := prepareState(filepath.Join(file, "state"), false); err == nil {
			t.Fatal("made a folder inside a file")
		}
	})
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := portsFree(l.Addr().(*net.TCPAddr).Port); err == nil || !strings.Contains(err.Error(), "--port") {
		t.Fatalf("got %v", err)
	}
}
