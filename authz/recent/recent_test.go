package recent_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

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
	has("b", false, "the oldest, beyond the bound")
	has("a", true, "put later than the oldest")
}

// TestOldestLeaves: a map holds what a list of puts says: never more than its bound,
// of those that were put last, and each only until its life is over.
func TestOldestLeaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type kept struct {
			key, value int
			asked      time.Time
		}
		most := rapid.IntRange(1, 5).Draw(t, "most")
		life := rapid.SampledFrom([]time.Duration{recent.Forever, time.Second, 3 * time.Second}).Draw(t, "life")
		now := time.Date(2026, 11, 26, 5, 0, 0, 0, time.UTC)
		m := recent.New[int, int](most, life, func() time.Time { return now })
		var model []kept // the oldest first
		find := func(key int) (value int, ok bool) {
			for _, k := range model {
				if k.key == key && (life == recent.Forever || now.Before(k.asked.Add(life))) {
					return k.value, true
				}
			}
			return 0, false
		}
		put := func(k kept) {
			model = slices.DeleteFunc(model, func(old kept) bool { return old.key == k.key })
			if len(model) == most {
				model = model[1:]
			}
			model = append(model, k)
		}
		key := rapid.IntRange(0, 7)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k := kept{key.Draw(t, "key"), rapid.Int().Draw(t, "value"), now.Add(-time.Duration(rapid.IntRange(0, 2).Draw(t, "ago")) * time.Second)}
				m.Put(k.key, k.value, k.asked)
				put(k)
			},
			"update": func(t *rapid.T) {
				k := kept{key: key.Draw(t, "key"), asked: now}
				was, there := find(k.key)
				m.Update(k.key, func(value int, ok bool) int {
					if ok != there || ok && value != was {
						t.Fatalf("update of %d sees %d, %v; want %d, %v", k.key, value, ok, was, there)
					}
					k.value = value + 1
					return k.value
				})
				put(k)
			},
			"forget": func(t *rapid.T) {
				k := key.Draw(t, "key")
				m.Forget(k)
				model = slices.DeleteFunc(model, func(old kept) bool { return old.key == k })
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 2000).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(t *rapid.T) {
				for k := range 8 {
					want, there := find(k)
					if got, _, ok := m.Get(k); ok != there || ok && got != want {
						t.Fatalf("%d: got %d, %v; want %d, %v", k, got, ok, want, there)
					}
				}
			},
		})
	})
}
