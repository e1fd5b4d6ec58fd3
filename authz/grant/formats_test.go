package grant

import (
	"testing"

	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

// TestFormats: refresh tokens and handles of the release before are good, and ours are
// the same letter by letter.
func TestFormats(t *testing.T) {
	const refresh = "hnr.AZLzpFtsfY6foLHC0-T1BgAAAAdC5AERzS20zRmQEG8hM7BMeA30WPFpvYA0yAgwjAqkcA"
	k := RefreshKey{keytest.GoldenKey(seal.RefreshTokens)}
	if got := k.Token("0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f506", 7, []byte("salt")); got != refresh {
		t.Errorf("refresh token: got %s", got)
	}
	read, ok := ParseRefresh(refresh)
	if !ok || !k.Genuine(read, []byte("salt")) || k.Genuine(read, []byte("sal")) || k.Genuine(read, nil) || read.Generation != 7 {
		t.Errorf("refresh token: read %+v, %v", read, ok)
	}
	const id = "0123456789012345678901234567890123456789012"
	const handle Handle = id + ".7mvbzhbECNKN6qGB-jIg3A"
	h := HandleKey{keytest.GoldenKey(seal.Handles)}
	if got := h.Handle(id); got != handle {
		t.Errorf("handle: got %s", got)
	}
	for text, want := range map[Handle]bool{handle: true, handle + ".x": false, handle[:len(handle)-1]: false, id: false, "": false, "." + handle: false} {
		if got, ok := h.Open(text); ok != want || ok && got != id {
			t.Errorf("handle %q: got %q, %v", text, got, ok)
		}
	}
}
