package authorize

import (
	"testing"

	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

// TestCodeFormat: a code that is derived by a node of the release before is that of ours:
// the second of two taps may reach another node.
func TestCodeFormat(t *testing.T) {
	k := CodeKey{keytest.GoldenKey(seal.Codes)}
	if got := k.of("id", "session", "allow"); got != "-4EFn7e9TpOW6M09MYLMhKfSEM3EjXqrrvwKNek4aaA" {
		t.Errorf("got %s", got)
	}
	if k.of("id", "session", "deny") == k.of("id", "session", "allow") {
		t.Error("another answer has the same code")
	}
}
