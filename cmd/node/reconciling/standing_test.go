package reconciling

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"hopnhat/authz/audit"
)

// TestEachStateOfAnIncidentHasItsAction: reconciliation holds incidents against the action that
// brought them where they are, so an action of theirs that broughtBy has not would be a finding.
func TestEachStateOfAnIncidentHasItsAction(t *testing.T) {
	var named []audit.Action
	for _, a := range audit.Actions() {
		if strings.HasPrefix(string(a), "incident.") {
			named = append(named, a)
		}
	}
	brought := slices.Sorted(maps.Values(broughtBy))
	if slices.Sort(named); !slices.Equal(brought, named) {
		t.Errorf("incidents come into their states by %q, the actions are %q", brought, named)
	}
}
