// Package evidence has the commands that look after the evidence: reconciliation, and the
// incidents that it opened.
package evidence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz/audit/incident"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/cmd/node/reconciling"
)

// found is the exit code where something is wrong; 1 says that it could not be looked.
const found tool.ExitCode = 4

// finding is a finding as it is printed. Persons stand in it by pseudonym.
type finding struct {
	Kind      reconcile.Kind `json:"kind"`
	Origin    string         `json:"origin,omitempty"`
	Index     uint64         `json:"index"`
	Event     string         `json:"event,omitempty"`
	Pseudonym string         `json:"pseudonym,omitempty"`
	Object    string         `json:"object,omitempty"`
	Number    int64          `json:"number,omitempty"`
	Text      string         `json:"text,omitempty"`
}

// Reconcile is `hopnhat audit reconcile`.
func Reconcile(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "reconcile", Short: "Hold the evidence of this site against its log, now", Args: tool.NoWords,
		Long: `Holds the evidence of this site against its log, now: each leaf has its row or a
tombstone, each row its leaf within 15 minutes, the numbers of each person are without gap, and
each role, app, API and incident is as its newest event says. It runs where the folder of the log
is. What it finds becomes an incident, unless it is one already; with --dry-run it is told alone.
With --origin it compares one shard, from --from on, up to --to.

Exit codes: 0 nothing is wrong, 4 something is, 1 it could not be looked, 2 wrong use.`,
		Example: tool.Lines("hopnhat audit reconcile --config /etc/hopnhat.yaml", "hopnhat audit reconcile --origin id.example.vn/release/dc1/2026Q4 --from 1000000 --json"),
	}
	origin := cmd.Flags().String("origin", "", "compare this `shard` alone")
	from := cmd.Flags().Uint64("from", 0, "with --origin, the first place")
	to := cmd.Flags().Uint64("to", 0, "with --origin, the place after the last; 0 is the end")
	dry := cmd.Flags().Bool("dry-run", false, "open no incidents")
	asJSON := tool.JSONFlag(cmd, tool.PerLine, finding{})
	return e.WithBase(cmd, config.Audit, func(ctx context.Context, b *node.Base, _ []string) error {
		if *origin == "" && (*from != 0 || *to != 0) {
			return errors.New("--from and --to are places of one shard: name it with --origin")
		}
		look := b.Evidence()
		desk := b.Desk("tool")
		n, opened := 0, 0
		began, told := time.Now(), time.Now()
		step := func(c reconciling.Cursor) (reconciling.Cursor, error) {
			var all []reconcile.Finding
			tell := func(f reconcile.Finding) { all = append(all, f) }
			var err error
			if *origin != "" {
				c, err = look.Range(ctx, c, *origin, *from, *to, tell)
			} else {
				c, err = look.Step(ctx, c, tell)
			}
			if err != nil {
				return c, err
			}
			for _, f := range all {
				n++
				if err := show(e, *asJSON, f); err != nil {
					return c, err
				}
			}
			if !*dry {
				// What two people closed stays closed for whoever looks by hand.
				is, err := desk.Report(ctx, all, time.Time{})
				if err != nil {
					return c, err
				}
				opened += is
			}
			if time.Since(told) > 5*time.Second {
				told = time.Now()
				e.Progress("%d rows compared, %d findings, %.0f rows a second", c.Rows, n, float64(c.Rows)/time.Since(began).Seconds())
			}
			return c, nil
		}
		var c reconciling.Cursor
		for !c.Done() {
			var err error
			if c, err = step(c); err != nil {
				return err
			}
		}
		e.Progress("%d rows compared in %s; %d findings, %d incidents opened", c.Rows, time.Since(began).Round(time.Millisecond), n, opened)
		if n > 0 {
			return found
		}
		return nil
	})
}

func show(e *tool.Env, asJSON bool, f reconcile.Finding) error {
	if asJSON {
		return tool.Encoder(e.Out).Encode(finding{f.Kind, f.Origin, f.Index, f.Event, f.Pseudonym, f.Object, f.Number, f.Text})
	}
	text := f.Said()
	if f.Text != "" {
		text += ": " + f.English()
	}
	e.Println(text)
	return nil
}

// row is an incident as it is printed.
type row struct {
	ID      string         `json:"incident"`
	State   incident.State `json:"state"`
	FoundAt time.Time      `json:"found"`
	SeenAt  time.Time      `json:"seen"`
	Node    string         `json:"node"`
	finding
	Proposed *word `json:"proposed,omitempty"`
	Closed   *word `json:"closed,omitempty"`
}

// word is what one of the two said who close an incident.
type word struct {
	By     string    `json:"by"`
	Role   string    `json:"role"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

func wordOf(w incident.Word) *word {
	if w.By == "" {
		return nil
	}
	return &word{w.By, string(w.Role), w.Reason, w.At}
}

func rowOf(i incident.Incident) row {
	f := i.Finding
	return row{
		i.ID, i.State, i.FoundAt, i.SeenAt, i.Node,
		finding{f.Kind, f.Origin, f.Index, f.Event, f.Pseudonym, f.Object, f.Number, f.Text},
		wordOf(i.Proposal), wordOf(i.Confirmation),
	}
}

// Incidents is `hopnhat audit incidents`.
func Incidents(e *tool.Env) *cobra.Command {
	return tool.Group("incidents", "List what is wrong in the evidence, or show one; two people close it in the console", "hopnhat audit incidents list",
		listIncidents(e), showIncident(e))
}

// listed is how many are read in one statement.
const listed = 200

func listIncidents(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List incidents that are not closed, the newest first", Args: tool.NoWords,
		Example: tool.Lines("hopnhat audit incidents list --all --json"),
	}
	all := cmd.Flags().Bool("all", false, "closed ones, too")
	asJSON := tool.JSONFlag(cmd, tool.Array, row{})
	return e.WithBase(cmd, config.Audit, func(ctx context.Context, b *node.Base, _ []string) error {
		var rows []row
		for before := ""; ; {
			list, err := b.DB.Incidents.ListIncidents(ctx, *all, before, listed)
			if err != nil {
				return err
			}
			for _, i := range list {
				rows, before = append(rows, rowOf(i)), i.ID
			}
			if len(list) < listed {
				break
			}
		}
		return tool.Rows(e, *asJSON, "INCIDENT\tFOUND\tSTATE\tKIND", rows, func(r row) []any {
			return []any{r.ID, r.FoundAt.Format(time.RFC3339), r.State, r.Kind}
		})
	})
}

func one(ctx context.Context, b *node.Base, id string) (incident.Incident, error) {
	i, err := b.DB.Incidents.Incident(ctx, id)
	if err != nil {
		return i, fmt.Errorf("incident %q: %w; see hopnhat audit incidents list --all", id, err)
	}
	return i, nil
}

func showIncident(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show INCIDENT", Short: "Print everything about one incident", Args: tool.OneWord("incident; see hopnhat audit incidents list"),
		Example: tool.Lines("hopnhat audit incidents show 0199a7c2-4be1-7d30-9c44-51f0c0a3e210 --json"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Object, row{})
	return e.WithBase(cmd, config.Audit, func(ctx context.Context, b *node.Base, words []string) error {
		i, err := one(ctx, b, words[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return e.JSON(rowOf(i))
		}
		e.Printf("%s is %s: %s\n", i.ID, i.State, i.Finding.Said())
		if i.Finding.Text != "" {
			e.Printf("  %s\n", i.Finding.English())
		}
		e.Printf("  found %s by %s, seen last %s\n", i.FoundAt.Format(time.RFC3339), i.Node, i.SeenAt.Format(time.RFC3339))
		for i, w := range []*word{wordOf(i.Proposal), wordOf(i.Confirmation)} {
			if w != nil {
				e.Printf("  closing is %s by %s (%s), %s: %s\n", []string{"proposed", "confirmed"}[i], w.By, w.Role, w.At.Format(time.RFC3339), w.Reason)
			}
		}
		return nil
	})
}
