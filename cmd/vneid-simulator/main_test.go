package main

import (
	"strings"
	"testing"
)

// TestHelp: it says that it is a simulator before anything else.
func TestHelp(t *testing.T) {
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"--help"}, &out, &errs); code != 0 || !strings.Contains(errs.String(), "SIMULATOR of VNeID, and not VNeID") ||
		!strings.Contains(errs.String(), "TRÌNH GIẢ LẬP") {
		t.Errorf("exit code %d\n%s", code, errs.String())
	}
}

// TestWrongUse: exit code 2 for a wrong flag, 1 for a person who could be somebody.
func TestWrongUse(t *testing.T) {
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"--nothing"}, &out, &errs); code != 2 {
		t.Errorf("a wrong flag: exit code %d", code)
	}
	if code := run(t.Context(), []string{"--persons", "001201000001=A"}, &out, &errs); code != 1 {
		t.Errorf("a person who is not invented: exit code %d", code)
	}
}
