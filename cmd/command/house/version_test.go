package house

import (
	"runtime/debug"
	"testing"
)

// TestVersion: the commit is that which the go command recorded, or else the one that the
// build names; a build that says nothing says so.
func TestVersion(t *testing.T) {
	recorded := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "c0ffee"}, {Key: "vcs.time", Value: "2026-11-30T14:24:16Z"}, {Key: "vcs.modified", Value: "true"},
	}
	for _, row := range []struct {
		name     string
		named    string
		recorded []debug.BuildSetting
		want     string
	}{
		{"recorded by the go command", "", recorded, "hopnhat c0ffee with changes of 2026-11-30T14:24:16Z, built with go1 for linux/amd64"},
		{"named by the build", "beef", nil, "hopnhat beef, built with go1 for linux/amd64"},
		{"named by the build, with changes", "beef-dirty", nil, "hopnhat beef with changes, built with go1 for linux/amd64"},
		{"both", "beef", recorded[:1], "hopnhat c0ffee, built with go1 for linux/amd64"},
		{"neither", "", nil, "hopnhat of a commit that the build did not record (-buildvcs), built with go1 for linux/amd64"},
	} {
		t.Run(row.name, func(t *testing.T) {
			defer func(before string) { commit = before }(commit)
			commit = row.named
			v := version{Go: "go1", OS: "linux", Arch: "amd64"}
			v.read(&debug.BuildInfo{Settings: row.recorded})
			if v.String() != row.want {
				t.Errorf("got %q, want %q", v, row.want)
			}
		})
	}
}
