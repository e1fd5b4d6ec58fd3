package vault

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// TestWrapKey is RFC 5649 §6: its two examples of RFC 5649 §4.1, the longer of which goes the
// way of RFC 3394 §2.2.1.
func TestWrapKey(t *testing.T) {
	kek := "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"
	for plain, want := range map[string]string{
		"c37b7e6492584340bed12207808941155068f738": "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
		"466f7250617369": "afbeb0f07dfbf5419200f2ccb50bb24f",
	} {
		got, err := wrapKey(unhex(t, kek), unhex(t, plain))
		if err != nil || !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s: got %x, %v; want %s", plain, got, err, want)
		}
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
