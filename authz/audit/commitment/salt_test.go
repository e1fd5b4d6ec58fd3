package commitment

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// TestSecretsOfParts: the secret of a part is HMAC-SHA-256 of a label and its name under the salt,
// as the vector says, which was computed with another program; and not the output of
// HKDF-Expand, whose first block ends with a counter (RFC 5869 §2.3).
func TestSecretsOfParts(t *testing.T) {
	var salt Salt
	for i := range salt {
		salt[i] = byte(i)
	}
	for _, row := range []struct{ part, secret string }{
		{"payload bytes", "b6b465d6e398f485a070123c359fa9d160b8aed2725aa42036985b783be481c3"},
		{"person", "ef3ccad469ea20b9d9283f0e7cc96560b34d6ac70eeacbc3c534f96646ffba37"},
	} {
		got := salt.deriver()(row.part)
		if hex.EncodeToString(got[:]) != row.secret {
			t.Errorf("%s: %x, want %s", row.part, got[:], row.secret)
		}
		info := "hopnhat event salt v1\x00" + row.part
		h := hmac.New(sha256.New, salt[:])
		h.Write([]byte(info))
		if !hmac.Equal(h.Sum(nil), got[:]) {
			t.Errorf("%s is not HMAC of label and name", row.part)
		}
		expanded, err := hkdf.Expand(sha256.New, salt[:], info, len(got))
		if err != nil || string(expanded) == string(got[:]) {
			t.Errorf("%s: HKDF-Expand gives %x, %v, which must differ", row.part, expanded, err)
		}
	}
	again := salt.deriver()
	if again("person") == again("payload bytes") || again("person") != salt.deriver()("person") {
		t.Error("what was derived before changes what is derived")
	}
}
