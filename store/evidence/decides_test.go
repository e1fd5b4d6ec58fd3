package evidence

import (
	"os"
	"strings"
	"testing"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/trees"
)

// TestWhatEndsAConsentIsOneList: what ends a consent in the logs ends it for a release, which
// finds it by an index. A new kind needs a migration that makes the index anew.
func TestWhatEndsAConsentIsOneList(t *testing.T) {
	kinds := []string{string(audit.ConsentApproved)}
	for _, kind := range trees.Ends {
		kinds = append(kinds, string(kind))
	}
	want := "type IN ('" + strings.Join(kinds, "', '") + "')"
	if decides != "x."+want {
		t.Errorf("releases are decided by %s, want %s", decides, want)
	}
	for _, dialect := range []string{"sqlite", "postgres"} {
		text, err := os.ReadFile("../migrations/" + dialect + "/00081_tags.sql")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("%s: the indexes events_given have another list than %s", dialect, want)
		}
	}
}
