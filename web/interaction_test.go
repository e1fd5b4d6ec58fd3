package web

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
)

// TestInteractionID: FAPI 1.0 Baseline §6.2.1, on every answer of a resource.
func TestInteractionID(t *testing.T) {
	s := observed(t, func(*Options) {})
	const mine = "C770AEF3-6784-41f7-8e0e-ff5f97bddb3a"
	for _, row := range []struct {
		name, sent string
		echoed     bool
	}{
		{"what the app sent comes back", mine, true},
		{"nothing sent: one is made", "", false},
		{"what is no UUID is not repeated", "c770aef3-6784-41f7-8e0e-ff5f97bddb3", false},
		{"nor in another spelling of one", "{" + mine + "}", false},
		{"nor a text of anybody's", `"><script>alert(1)</script>`, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, resource := range []struct{ method, path string }{
				{http.MethodPost, "/broker/v1/releases"}, {http.MethodGet, "/userinfo"}, {http.MethodDelete, "/grants/x"},
			} {
				header := http.Header{}
				if row.sent != "" {
					header.Set("x-fapi-interaction-id", row.sent)
				}
				got := requested(t, s, resource.method, resource.path, header).Header.Values("x-fapi-interaction-id")
				if len(got) != 1 || uuid.Validate(got[0]) != nil || (got[0] == row.sent) != row.echoed {
					t.Errorf("%s: got %q", resource.path, got)
				}
			}
		})
	}
	if got := requested(t, s, http.MethodGet, "/healthz", nil).Header.Values("x-fapi-interaction-id"); got != nil {
		t.Errorf("what is no resource has one: %q", got)
	}
}
