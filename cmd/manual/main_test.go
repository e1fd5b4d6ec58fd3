package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEachCommandHasItsPage: also one two words below the program, with its flags, the keys
// that it reads and its example.
func TestEachCommandHasItsPage(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "man")
	if err := write(folder); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(folder, "*.1"))
	if err != nil || len(pages) < 45 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	page, err := os.ReadFile(filepath.Join(folder, "hopnhat-client-iat-create.1"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(page), `\-`, "-")
	for _, want := range []string{`.TH "HOPNHAT" "1"`, "--owner", "--state", "hopnhat client iat create --profile fapi2"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "--session-idle") {
		t.Error("the page has a key that the command does not read")
	}
}
