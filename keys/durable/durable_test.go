package durable

import (
	"os"
	"path/filepath"
	"testing"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestReplace: a file is the new one as a whole, with its mode, and nothing lies beside it.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, content := range []string{"one", "another, longer", ""} {
		if err := Replace(path, []byte(content), 0o400); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil || string(raw) != content {
			t.Errorf("got %q, %v, want %q", raw, err, content)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("its mode is %v, %v", info.Mode(), err)
		}
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("there are %v", got)
	}
}

// TestReplaceThatFails: the file of before stays, and nothing lies beside it.
func TestReplaceThatFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.MkdirAll(filepath.Join(path, "below"), 0o700); err != nil { // no file can take its place
		t.Fatal(err)
	}
	if err := Replace(path, []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("there are %v", got)
	}
}

// TestTidy: what a process that was killed left of a file goes, and nothing else.
func TestTidy(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".new-1.bundle.77", ".new-a.delta.78", ".new-other.79", "1.bundle"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range []string{"*.bundle", "*.delta", "nothing"} {
		if err := Tidy(filepath.Join(dir, pattern)); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, dir); len(got) != 2 || got[0] != ".new-other.79" || got[1] != "1.bundle" {
		t.Errorf("there are %v", got)
	}
}
