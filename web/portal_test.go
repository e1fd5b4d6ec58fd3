package web

import (
	"testing"

	"hopnhat/authz"
	"hopnhat/web/view"
)

// TestNamesOfWhoAsked: the filter of a timeline speaks of an auditor, not of a client id.
func TestNamesOfWhoAsked(t *testing.T) {
	names := map[authz.ClientID]view.Words{"so-dat": {VI: "Sổ đất", EN: "Land book"}}
	for id, want := range map[authz.ClientID]view.Words{"so-dat": names["so-dat"], "gone": {VI: "gone"}, consoleClient: auditorName} {
		if got := nameOf(id, names); got != want {
			t.Errorf("%s is called %q, not %q", id, got.VI, want.VI)
		}
	}
}
