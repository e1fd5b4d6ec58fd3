package keyring

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hopnhat/keys"
	"hopnhat/keys/lifecycle"
)

// TestWhatCanBeRotated: a use has its one algorithm or a choice, and the keys that never
// change by hand are refused with the reason.
func TestWhatCanBeRotated(t *testing.T) {
	for _, row := range []struct {
		name string
		use  keys.Use
		alg  keys.Algorithm
		want keys.Algorithm
		why  string // part of the refusal
	}{
		{"tokens, by default with ES256", keys.TokenSigning, "", keys.ES256, ""},
		{"tokens, with another of OpenID's", keys.TokenSigning, "PS256", "PS256", ""},
		{"tokens, with none of OpenID's", keys.TokenSigning, "HS256", "", "tokens are signed with"},
		{"federation has one algorithm", keys.EntityStatement, "", keys.ES256, ""},
		{"and no other", keys.EntityStatement, "PS256", "", `the algorithm "ES256" only`},
		{"decryption has its own", keys.RequestDecryption, "", keys.RSAOAEP256, ""},
		{"data keys have none", keys.Secrets, "", "", ""},
		{"pseudonyms never change", keys.PairwiseSubject, "", "", "every citizen would become another"},
		{"a checkpoint key changes with its log", keys.LogCheckpoint, "", "", "changes with a quarter's log"},
		{"no use", "tea", "", "", `no use "tea"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := algorithmOf(row.use, row.alg)
			if got != row.want || (err == nil) != (row.why == "") || err != nil && !strings.Contains(err.Error(), row.why) {
				t.Errorf("got %q, %v; want %q, %q", got, err, row.want, row.why)
			}
		})
	}
}

// TestWaiting: a version says for which nodes, for which apps and until when it waits; of
// many apps the first twenty, and how many there are.
func TestWaiting(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	s := lifecycle.Status{
		VersionState: lifecycle.VersionState{Announced: now.Add(-time.Hour), Published: now},
		Blockers: []lifecycle.Blocker{
			{Until: now.Add(90 * time.Second)}, {Node: "dc1-a"}, {Node: "dc1-b"},
		},
	}
	s.KeyID = "-kid"
	for i := range 23 {
		s.Blockers = append(s.Blockers, lifecycle.Blocker{Party: fmt.Sprintf("app-%02d", i)})
	}
	v := versionOf(s)
	if !v.Since.Equal(now) || len(v.Nodes) != 2 || len(v.Apps) != 23 || v.Until == nil {
		t.Errorf("%+v", v)
	}
	got := strings.Join(v.waits(now), "\n")
	for _, want := range []string{
		"for node dc1-a to serve it", "for node dc1-b to serve it", "until 2026-11-30 12:01:30, when cached sets have run out (1m30s)",
		"for 23 apps that have not fetched it: app-00, ", "app-19 and 3 more; `hopnhat keys activate -- -kid` waits for none",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if none := versionOf(lifecycle.Status{}); none.Apps == nil || none.Nodes == nil || len(none.waits(now)) > 0 {
		t.Errorf("one that waits for nothing: %+v", none)
	}
}
