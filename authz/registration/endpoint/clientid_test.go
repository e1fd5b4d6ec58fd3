package endpoint

import "testing"

// TestNoClientIDLooksLikeANumber: about one id of ours in some hundreds has twelve digits in
// groups as people write the number; such a one is not given.
func TestNoClientIDLooksLikeANumber(t *testing.T) {
	ids := []string{"019a1234-5678-7123-8456-0123456789ab", "019a1234-5678-7abc-8def-012345678901", "019a1234-5678-7abc-8def-0123456789ab"}
	want := ids[2]
	if got := newClientID(func() (id string) { id, ids = ids[0], ids[1:]; return id }); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
