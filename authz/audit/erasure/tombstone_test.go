package erasure

import "testing"

// TestLeafDigest: a tombstone names the leaf by its hash in the tree (RFC 9162 §2.1.1): the vector
// of the empty leaf, base64url.
func TestLeafDigest(t *testing.T) {
	const want = "bjQLnP-zepicpUTmu3gKLHiQHT-zNzh2hRGjBhevoB0"
	if got := LeafDigest(nil); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
