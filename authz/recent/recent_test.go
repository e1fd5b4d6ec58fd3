package recent_test

import (
	"testing"
	"time"

	"hopnhat/authz/recent"
)

func TestMap(t *testing.T) {
	noon := time.Date(2026, 11, 26, 5, 0, 0, 0, time.UTC)
	now := noon
	m := recent.New[string, int](2, 5*time.Second, func() time.Time { return now })
	has := func(key string, want bool, when string) {
		t.Helper()
		if _, _, ok := m.Get(key); ok != want {
			t.Errorf("%s: %q is there: %v, want %v", when, key, ok, want)
		}
	}
	has("a", false, "before")
	_, asked, _ := m.Get("a")
	now = noon.Add(3 * time.Second) // the read took its time
	m.Put("a", 1, asked)
	if v, _, ok := m.Get("a"); !ok || v != 1 {
		t.Errorf("got %d, %v", v, ok)
	}
	now = noon.Add(5 * time.Second)
	has("a", false, "five seconds after it was asked for")
	m.Put("a", 2, now)
	m.Put("b", 2, now)
	m.Forget("a")
	has("a", false, "forgotten")
	has("b", true, "another was forgotten")
	m.Put("a", 3, now)
	m.Put("c", 3, now)
	has("c", true, "beyond the bound")
	has("b", false, "beyond the bound")
}
