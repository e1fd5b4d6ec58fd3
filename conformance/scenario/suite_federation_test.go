package scenario_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// TestConformanceFederation runs the plan of a provider that lets apps of a test federation in;
// the suite is the trust anchor and the apps.
func TestConformanceFederation(t *testing.T) {
	const anchor = "https://neo.conformance.example"
	key := jose.JSONWebKey{Key: newKey(t), KeyID: "neo", Use: "sig", Algorithm: "ES256"}
	set := func(k jose.JSONWebKey) map[string]any { return map[string]any{"keys": []any{k}} }
	rules, err := json.Marshal(map[string]any{
		"trust_anchors": []map[string]any{{"entity_id": anchor, "jwks": set(key.Public())}}, "profile": "fapi2", "minimum_level": 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "federation.json")
	if err := os.WriteFile(file, rules, 0o600); err != nil {
		t.Fatal(err)
	}
	n := beginSecureWith(t, 2, "--federation-apps", file)
	c := suiteConfig(t, n)
	c.Extra = map[string]any{"federation": map[string]any{"trust_anchor": anchor, "trust_anchor_jwks": set(key)}}
	runSuite(t, c, map[string]string{}, "federation-op")
}
