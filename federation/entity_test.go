package federation_test

import (
	"testing"

	"hopnhat/federation"
)

// TestEntityIDHost: naming constraints see the host alone (§6.2.2).
func TestEntityIDHost(t *testing.T) {
	for id, want := range map[federation.EntityID]string{
		"https://App.Example.vn:8443/a/b": "app.example.vn", "https://xn--vit-nam-2l9b.vn": "xn--vit-nam-2l9b.vn",
		"https://[2001:db8::1]/": "2001:db8::1",
	} {
		if got := id.Host(); got != want {
			t.Errorf("%s has the host %q, want %q", id, got, want)
		}
	}
}
