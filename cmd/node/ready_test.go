package node

import (
	"slices"
	"testing"

	"hopnhat/cmd/node/releaselog"
	"hopnhat/keys/lifecycle"
	"hopnhat/web"
)

// TestEachNeedTakesOutTheRightRoles: what stops only releases makes only the broker's
// readiness fail.
func TestEachNeedTakesOutTheRightRoles(t *testing.T) {
	want := map[string][]web.Role{
		"database": web.AllRoles, "keys": {web.Provider, web.Broker, web.LogWriter, web.Federation},
		"registry": {web.Broker}, "log": {web.Broker, web.LogWriter}, "disk": {web.Broker, web.LogWriter}, "rows": {web.Broker},
	}
	for _, n := range (&Node{
		Base: &Base{Config: &Config{}, Ring: &lifecycle.Keeper{}}, log: &releaselog.Log{}, roles: web.AllRoles,
	}).needs() {
		if !slices.Equal(n.Roles, want[n.Part]) {
			t.Errorf("%s takes out %v, want %v", n.Part, n.Roles, want[n.Part])
		}
		delete(want, n.Part)
	}
	if len(want) > 0 {
		t.Errorf("nobody looks at %v", want)
	}
}
