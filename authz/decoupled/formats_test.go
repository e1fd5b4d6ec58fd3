package decoupled

import (
	"encoding/hex"
	"slices"
	"testing"

	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

// TestFormats: codes, digests and choices of the release before are ours letter by letter:
// a person may begin at one node and end at the other.
func TestFormats(t *testing.T) {
	const id = "0123456789012345678901234567890123456789012"
	const code = "hnq." + id + ".l5PfUS6ju0rqPXmNCeOLeF0ywhByqLjOQ3xwnc8NLGU"
	k := NewKeys(keytest.GoldenKey(seal.Approvals))
	if got := k.Code(id); got != code {
		t.Errorf("code: got %s", got)
	}
	for text, want := range map[string]bool{code: true, code[4:]: false, code + "A": false, code + ".A": false, code[:len(code)-1]: false} {
		if got, ok := k.Parse(text); ok != want || ok && got != id {
			t.Errorf("code %q: got %q, %v", text, got, ok)
		}
	}
	if got := hex.EncodeToString(k.Digest("WDJBMJHT")); got != "3060a06947666152a1096dd44a9a707af977d64918985abcbf71b3e76347c468" {
		t.Errorf("digest: got %s", got)
	}
	if got := k.Choices(&Request{ID: id, Symbol: "MJHT"}); !slices.Equal(got, []string{"CZJQ", "MJHT", "WTZP"}) {
		t.Errorf("choices: got %q", got)
	}
}
