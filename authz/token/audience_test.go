package token

import (
	"encoding/json"
	"slices"
	"testing"
)

// TestAudience: one string or a list of them, and nothing else.
func TestAudience(t *testing.T) {
	for _, row := range []struct {
		name, raw string
		want      []string
	}{
		{"RFC 7519 §4.1.3: one string", `"app"`, []string{"app"}},
		{"RFC 7519 §4.1.3: a list", `["app","other"]`, []string{"app", "other"}},
		{"RFC 7519 §4.1.3: a number", `1`, nil},
		{"RFC 7519 §4.1.3: a list with a number", `["app",1]`, nil},
		{"RFC 7519 §4.1.3: an object", `{"app":true}`, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got Audience
			err := json.Unmarshal([]byte(row.raw), &got)
			if (err == nil) != (row.want != nil) || err == nil && !slices.Equal(got, row.want) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}
