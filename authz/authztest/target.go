package authztest

import (
	"encoding/json"
	"strings"
	"testing"
)

// AudienceOf is aud of a token, as one text.
func AudienceOf(t *testing.T, token string) string {
	t.Helper()
	var list []string
	raw, _ := json.Marshal(ClaimsOf(t, token)["aud"])
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}
