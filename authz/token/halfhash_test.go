package token

import (
	"testing"

	"hopnhat/keys"
)

// TestHalfHash: OpenID Connect Core §3.3.2.11, with the digest that goes with the algorithm:
// SHA-256, for Ed25519 SHA-512 (RFC 8032 §5.1), of which the left half is 32 bytes.
func TestHalfHash(t *testing.T) {
	for _, row := range []struct {
		name      string
		algorithm keys.Algorithm
		value     string
		want      string
	}{
		{"OpenID Connect Core §A.3: an access token", keys.ES256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ"},
		{"OpenID Connect Core §A.4: a code", keys.PS256, "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "LDktKdoQak3Pk0cnXxCltA"},
		{"the access token with Ed25519", keys.EdDSA, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"},
	} {
		if got := halfHash(row.algorithm, row.value); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}
