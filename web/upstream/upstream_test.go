package upstream_test

import (
	"slices"
	"testing"

	"hopnhat/federation/upstream"
	"hopnhat/web/view"
)

// TestEachReasonIsSaid: a person who is refused reads why.
func TestEachReasonIsSaid(t *testing.T) {
	for _, reason := range upstream.Reasons() {
		if !slices.Contains(view.UpstreamFaults(), view.UpstreamFault(reason)) {
			t.Errorf("the page has no text for %q", reason)
		}
	}
}
