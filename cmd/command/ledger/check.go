package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/trees"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/cmd/node/releaselog"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/copies"
)

// shard is what a check found of one, as it is printed.
type shard struct {
	Origin   string   `json:"origin"`
	Entries  uint64   `json:"entries"`
	Signed   uint64   `json:"signed"`
	Recorded uint64   `json:"recorded"`
	Copies   uint64   `json:"copies"`
	Erased   uint64   `json:"erased"`
	Faults   []string `json:"faults"`
}

func check(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "check", Short: "Read every file of the release log and say which is not what was signed", Args: tool.NoWords,
		Long: `Reads every entry and every tile of every shard in the log's folder, and holds them against the
checkpoint, against what the database recorded, and against log_anchor if that is set. One bit that
differs is found, and the file named. So is each sealed copy of an event that is not of the entry
beside which it stands, or that is of an event that was erased; that an entry has no copy is no
fault, and is counted. It changes nothing, may run beside a server, and holds a few
megabytes of each shard at a time. With --offline database and keys are not asked.

Exit codes: 0 all is as it was signed, 1 it could not be checked, 3 something is not.`,
		Example: tool.Lines("hopnhat log check", "hopnhat log check --offline --json"),
	}
	asJSON := tool.JSONFlag(cmd, tool.PerLine, shard{})
	offline := cmd.Flags().Bool("offline", false, "do not ask the database")
	return e.WithConfig(cmd, config.Log, func(ctx context.Context, c *node.Config, _ []string) error {
		anchors, err := releaselog.ReadAnchors(c.LogAnchor)
		if err != nil {
			return err
		}
		var b *node.Base
		if !*offline {
			if b, err = node.Open(ctx, c); err != nil {
				return err
			}
			defer b.Close()
		}
		bad := false
		for _, a := range logs(c) {
			list, err := checkLog(ctx, e, b, a, anchors)
			if err != nil {
				return err
			}
			for _, s := range list {
				bad = bad || len(s.Faults) > 0
				if err := printShard(e, s, *asJSON); err != nil {
					return err
				}
			}
		}
		if bad {
			return Damaged
		}
		return nil
	})
}

func printShard(e *tool.Env, s shard, asJSON bool) error {
	if asJSON {
		return tool.Encoder(e.Out).Encode(s)
	}
	if len(s.Faults) == 0 {
		e.Printf("%s: %d entries, whole; %d copies of events, %d erased\n", s.Origin, s.Entries, s.Copies, s.Erased)
		return nil
	}
	e.Printf("%s: %d entries, %d faults\n", s.Origin, s.Entries, len(s.Faults))
	for _, f := range s.Faults {
		e.Printf("  %s\n", f)
	}
	return nil
}

// checkCopies checks the copies beside a shard. Where the shard cannot be read it has said so.
func checkCopies(ctx context.Context, b *node.Base, a *tlog.Archive, n tlog.Name, s *shard) error {
	beside, err := a.Copies(ctx, n)
	if err == nil && b != nil {
		beside.Open = b.Copies.Check
		beside.Erased, err = b.Copies.Erased(ctx)
	}
	var found copies.Checked
	if err == nil {
		found, err = beside.Check(ctx)
	}
	if err != nil {
		if len(s.Faults) == 0 || ctx.Err() != nil {
			return fmt.Errorf("checking the copies of %s: %w", n.Origin(), err)
		}
		return nil
	}
	s.Copies, s.Erased = found.Kept, found.Erased
	for _, f := range found.Faults {
		s.Faults = append(s.Faults, f.String())
	}
	return nil
}

// checkLog checks the shards that are here, and misses those that this folder's node wrote
// and that are not.
func checkLog(ctx context.Context, e *tool.Env, b *node.Base, a *tlog.Archive, anchors []proof.Checkpoint) ([]shard, error) {
	names, err := a.Names()
	if err != nil {
		return nil, err
	}
	recorded := map[string]trees.Head{}
	if b != nil {
		if recorded, err = heads(ctx, b.DB, a); err != nil {
			return nil, err
		}
	}
	var list []shard
	for _, n := range names {
		h, known := recorded[n.Origin()]
		found, err := a.Inspect(ctx, n, h, anchors, progress(e, n.Origin()))
		if err != nil && (ctx.Err() != nil || len(found.Faults) == 0) {
			return nil, fmt.Errorf("checking %s: %w", n.Origin(), errors.Join(ctx.Err(), err))
		}
		s := shard{Origin: n.Origin(), Entries: found.Size, Signed: found.Signed, Recorded: found.Recorded, Faults: []string{}}
		for _, f := range found.Faults {
			s.Faults = append(s.Faults, f.String())
		}
		if err != nil {
			s.Faults = append(s.Faults, err.Error())
		}
		if err := checkCopies(ctx, b, a, n, &s); err != nil {
			return nil, err
		}
		if b != nil && !known {
			s.Faults = append(s.Faults, "the database does not know this shard: it was restored from an older copy than the log")
		}
		if h.Altered {
			s.Faults = append(s.Faults, "the row of its head in the database is not as a server wrote it")
		}
		list = append(list, s)
		delete(recorded, n.Origin())
	}
	for origin, h := range recorded {
		if h.Size > 0 && !h.Closed {
			list = append(list, shard{Origin: origin, Recorded: h.Size, Faults: []string{
				fmt.Sprintf("its folder is not in %s; the database has recorded %d entries", a.Dir, h.Size),
			}})
		}
	}
	return list, nil
}
