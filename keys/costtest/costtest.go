// Package costtest holds what is read of strangers against a bound of memory: no
// request, however it is made, may cost much more than its own size before it is
// known who sends it.
package costtest

import (
	"runtime"
	"testing"
)

// Beyond is what a request may cost beyond its own size, in bytes allocated:
// collected or not, since that is what a flood of them makes a server do.
const Beyond = 1 << 20

// Bounded runs what reads a request of a size, and fails when it allocates more
// than the size and [Beyond]. Everything the process does at the time counts, so
// nothing else may run beside it; the first run, which fills caches and pools, does
// not.
func Bounded(t testing.TB, size int, run func()) {
	t.Helper()
	const times = 4
	run()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		run()
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / times; got > Beyond+uint64(size) {
		t.Errorf("a request of %d bytes cost %d bytes of memory, at most %d may be before its sender is known", size, got, Beyond+size)
	}
}
