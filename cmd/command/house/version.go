package house

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
)

// commit is set by builds that have no version control at hand:
// -ldflags "-X hopnhat/cmd/command/house.commit=$(git describe --always --abbrev=40 --dirty)".
var commit string

// version is what a build says of itself.
type version struct {
	Commit string `json:"commit"`        // empty: the build did not record it
	Time   string `json:"time,omitzero"` // of the commit
	Dirty  bool   `json:"dirty"`         // with changes that are not in the commit
	Go     string `json:"go"`
	OS     string `json:"os"`
	Arch   string `json:"arch"`
}

// Version is `hopnhat version`.
func Version(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "version", Short: "Print the commit and the Go version that this program was built from", Args: tool.NoWords,
		Example: tool.Lines("hopnhat version", "hopnhat version --json"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Object, version{})
	cmd.RunE = func(*cobra.Command, []string) error {
		v := version{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
		if info, ok := debug.ReadBuildInfo(); ok {
			v.read(info)
		}
		if *asJSON {
			return e.JSON(v)
		}
		e.Println(v)
		return nil
	}
	return cmd
}

// read takes what the go command recorded of the version control system, or else what the
// build said.
func (v *version) read(info *debug.BuildInfo) {
	v.Commit, v.Dirty = strings.CutSuffix(commit, "-dirty")
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Dirty = s.Value == "true"
		}
	}
}

func (v version) String() string {
	text := "hopnhat " + cmp.Or(v.Commit, "of a commit that the build did not record (-buildvcs)")
	if v.Dirty {
		text += " with changes"
	}
	if v.Time != "" {
		text += " of " + v.Time
	}
	return text + ", built with " + v.Go + " for " + v.OS + "/" + v.Arch
}
