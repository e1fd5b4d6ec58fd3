package keyring

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/node"
	"hopnhat/keys"
	"hopnhat/keys/lifecycle"
)

// version is one version of a key as it is printed.
type version struct {
	Algorithm      keys.Algorithm `json:"alg"`
	KeyID          keys.KeyID     `json:"kid"`
	LiveSignatures int64          `json:"live_signatures"`
	Overdue        bool           `json:"overdue"`
	Since          time.Time      `json:"since"`
	State          keys.State     `json:"state"`
	Urgent         bool           `json:"urgent"`
	Use            keys.Use       `json:"use"`
	Version        int            `json:"version"`
	Apps           []string       `json:"waits_for_apps"`
	Nodes          []string       `json:"waits_for_nodes"`
	Until          *time.Time     `json:"waits_until"`
	Command        bool           `json:"waits_for_command"`
}

func versionOf(s lifecycle.Status) version {
	v := version{
		Algorithm: s.Algorithm, KeyID: s.KeyID, LiveSignatures: s.Signatures, Overdue: s.Overdue, Since: since(s.VersionState),
		State:  s.State,
		Urgent: s.Urgent, Use: s.Use, Version: s.Version, Apps: []string{}, Nodes: []string{},
	}
	for _, b := range s.Blockers {
		switch {
		case b.Node != "":
			v.Nodes = append(v.Nodes, b.Node)
		case b.Command:
			v.Command = true
		case b.Party != "":
			v.Apps = append(v.Apps, b.Party)
		default:
			v.Until = &b.Until
		}
	}
	return v
}

func status(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Show every version of every key, and what each waits for", Args: tool.NoWords,
		Example: tool.Lines("hopnhat keys status", "hopnhat keys status --json --ended"),
	}
	asJSON := tool.JSONFlag(cmd, tool.PerLine, version{})
	ended := cmd.Flags().Bool("ended", false, "retired and revoked versions too")
	return withKeys(e, cmd, func(ctx context.Context, _ *node.Config, k *lifecycle.Keeper, _ []string) error {
		list, nodes, err := k.Commands().Status(ctx, *ended)
		if err != nil {
			return err
		}
		var rows []version
		for _, s := range list {
			rows = append(rows, versionOf(s))
		}
		if *asJSON {
			enc := tool.Encoder(e.Out)
			for _, v := range rows {
				if err := enc.Encode(v); err != nil {
					return err
				}
			}
			return nil
		}
		if err := tool.Table(e.Out, "USE\tALG\tVERSION\tSTATE\tSINCE\tLIVE SIGNATURES\tKID", rows, func(v version) []any {
			state := string(v.State)
			if v.Overdue {
				state += " (overdue)"
			}
			return []any{v.Use, v.Algorithm, v.Version, state, v.Since.Format(time.DateTime), v.LiveSignatures, v.KeyID}
		}); err != nil {
			return err
		}
		for _, v := range rows {
			if v.State == keys.Announced && v.Version == 0 {
				e.Printf("%s is not in the key store and is passed over until it is; if nobody knows it: hopnhat keys revoke "+
					"--why TEXT --yes -- %s\n", v.KeyID, v.KeyID)
				continue
			}
			for _, reason := range v.waits(time.Now()) {
				e.Printf("%s waits %s\n", v.KeyID, reason)
			}
		}
		e.Printf("nodes that serve the set: %d\n", len(nodes))
		return nil
	})
}

// since is when a version came into its state.
func since(l lifecycle.VersionState) time.Time {
	last := l.Announced
	for _, at := range []time.Time{l.Published, l.Activated, l.Retiring, l.Ended} {
		if at.After(last) {
			last = at
		}
	}
	return last.UTC()
}

// waits says in words what a version waits for before it signs.
func (v version) waits(now time.Time) (out []string) {
	for _, node := range v.Nodes {
		out = append(out, "for node "+node+" to serve it")
	}
	if v.Until != nil {
		left := v.Until.Sub(now).Round(time.Second)
		out = append(out, fmt.Sprintf("until %s, when cached sets have run out (%s)", v.Until.UTC().Format(time.DateTime), left))
	}
	if v.Command {
		out = append(out, fmt.Sprintf("for you: `hopnhat keys activate -- %s` when all superiors state it, or, of a trust anchor, all who pin its keys have it",
			v.KeyID))
	}
	if len(v.Apps) > 0 {
		shown := strings.Join(v.Apps[:min(20, len(v.Apps))], ", ")
		if more := len(v.Apps) - 20; more > 0 {
			shown += fmt.Sprintf(" and %d more", more)
		}
		out = append(out, fmt.Sprintf("for %d apps that have not fetched it: %s; `hopnhat keys activate -- %s` waits for none",
			len(v.Apps), shown, v.KeyID))
	}
	return out
}
