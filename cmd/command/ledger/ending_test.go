package ledger

import (
	"strings"
	"testing"
)

// TestAnEndIsOfOneShard: what rebuild tells an operator to run names the shard by its whole
// origin, since a short name is that of the release log's shard too.
func TestAnEndIsOfOneShard(t *testing.T) {
	const origin = "log.example.vn/consent/dc1/2026q4"
	if words := strings.Fields(ending(origin)); len(words) < 4 || words[3] != origin {
		t.Errorf("it is %q", words)
	}
}
