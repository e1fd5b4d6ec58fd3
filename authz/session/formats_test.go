package session

import (
	"testing"

	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

// TestFormats: form tokens and sealed texts of the release before are good.
func TestFormats(t *testing.T) {
	f := NewForms(keytest.GoldenKey(seal.Forms))
	const token = "UCNdTpJy9qEGpuqG9JCihPX6_DVpmOqE8K8j-jzboiQ"
	if got := f.Token("binding", "purpose"); got != token || !f.Genuine("binding", "purpose", token) {
		t.Errorf("token: got %s", got)
	}
	if plain, ok := f.Open("binding", "purpose", "DCDBj3cnEcIyhBGvGQ4P_blBX3M6binmuvTv2o0Ec0ju"); !ok || string(plain) != "plain" {
		t.Errorf("seal: got %q, %v", plain, ok)
	}
}
