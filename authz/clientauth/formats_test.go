package clientauth

import (
	"testing"
	"time"

	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

// TestNonceFormat: nonces of the release before are ours letter by letter: proofs go to
// any node.
func TestNonceFormat(t *testing.T) {
	const nonce = "AAAAAGsMyPuGxjK5-Pn6UHRxxPWLy8y1"
	p := NewProofs(keytest.GoldenKey(seal.Nonces), func() time.Time { return time.Unix(1796000000, 0) })
	if got := p.Nonce(); got != nonce {
		t.Errorf("got %s", got)
	}
	if at, ok := p.given(nonce); !ok || at.Unix() != 1795999995 {
		t.Errorf("read %s, %v", at, ok)
	}
}
