package portal

import (
	"testing"

	"hopnhat/authz"
	"hopnhat/web/evidence"
	"hopnhat/web/view"
)

// TestNamesOfApps: the filter of a timeline speaks of an auditor, not of a client id.
func TestNamesOfApps(t *testing.T) {
	names := map[authz.ClientID]view.Words{"so-dat": {VI: "Sổ đất", EN: "Land book"}}
	for id, want := range map[authz.ClientID]view.Words{"so-dat": names["so-dat"], "gone": {VI: "gone"}, evidence.ConsoleClient: auditorName} {
		if got := nameOf(id, names); got != want {
			t.Errorf("%s is called %q, not %q", id, got.VI, want.VI)
		}
	}
}
