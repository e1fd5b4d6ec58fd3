package house

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/store/registry"
	"hopnhat/store/registry/nation"
)

// Registry is `hopnhat registry`.
func Registry(e *tool.Env) *cobra.Command {
	return tool.Group("registry", "Generate a synthetic nation, or say what is there",
		"hopnhat registry generate --persons 20000 --seed 1", generate(e), registryStatus(e))
}

func generate(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "generate", Short: "Generate the registers of a synthetic nation", Args: tool.NoWords,
		Long:    "Generates the registers of a synthetic nation, the same for the same seed, and says how far it is.",
		Example: tool.Lines("hopnhat registry generate --persons 20000 --seed 1"),
	}
	persons := cmd.Flags().Int("persons", 20_000, "how many persons")
	seed := cmd.Flags().Int64("seed", 1, "the same seed makes the same nation")
	reset := cmd.Flags().Bool("reset", false, "replace what is there")
	return e.WithConfig(cmd, config.Registry, func(ctx context.Context, c *node.Config, _ []string) error {
		if err := folderOf(c.Registry); err != nil {
			return err
		}
		db, err := registry.Create(ctx, c.Registry)
		if err != nil {
			return err
		}
		defer db.Close()
		return Generate(ctx, e, db, nation.Options{Persons: *persons, Seed: *seed, Reset: *reset})
	})
}

// Generate generates a nation and says how far it is.
func Generate(ctx context.Context, e *tool.Env, db *registry.DB, o nation.Options) error {
	began := time.Now()
	last, reported := time.Time{}, 0
	o.Progress = func(done, total int) {
		if time.Since(last) > 300*time.Millisecond && done < total || done == total && reported < total {
			last, reported = time.Now(), done
			e.Printf("  %7d of %d persons (%.0f a second)\n", done, total, float64(done)/time.Since(began).Seconds())
		}
	}
	return nation.Generate(ctx, db, o)
}

// contents is what is in the registers, as it is printed.
type contents struct {
	Persons       int   `json:"persons"`
	Organisations int   `json:"organisations"`
	Seed          int64 `json:"seed"`
}

func registryStatus(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Say how many persons and organisations are in the registers", Args: tool.NoWords,
		Example: tool.Lines("hopnhat registry status"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Object, contents{})
	return e.WithConfig(cmd, config.Registry, func(ctx context.Context, c *node.Config, _ []string) error {
		db, err := registry.Open(ctx, c.Registry)
		if err != nil {
			return err
		}
		defer db.Close()
		s, err := db.Status(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			return e.JSON(contents{s.Persons, s.Organisations, s.Seed})
		}
		e.Printf("%d persons, %d organisations, seed %d\n", s.Persons, s.Organisations, s.Seed)
		return nil
	})
}
