// Package house has the commands that begin a house and run it: databases, registers,
// server and configuration.
package house

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/logging"
	"hopnhat/cmd/node"
	"hopnhat/store/sqldb"
)

// Serve is `hopnhat serve`.
func Serve(e *tool.Env) *cobra.Command {
	return e.WithConfig(&cobra.Command{
		Use: "serve", Short: "Run the server: provider, broker, portals", Args: tool.NoWords,
		Long: "Runs the server until Ctrl-C or SIGTERM, when it lets the requests finish that it took. Log lines are JSON on the\n" +
			"error output.",
		Example: tool.Lines("hopnhat serve --config /etc/hopnhat.yaml"),
	}, config.Server, func(ctx context.Context, c *node.Config, _ []string) error {
		logger, err := logging.New(e.Err, c.LogLevel)
		if err != nil {
			return err
		}
		slog.SetDefault(logger)
		collect(e.Lookup)
		// What could not be served with is said before anything is opened.
		if err := errors.Join(c.CheckFiles(), c.PortsFree()); err != nil {
			return err
		}
		server, err := node.Start(ctx, c, node.Options{Pushes: e.Err})
		if err != nil {
			return err
		}
		slog.Info("serving", "issuer", c.Issuer, "listen", c.Listen)
		return server.Wait(ctx)
	})
}

// Init is `hopnhat init`.
func Init(e *tool.Env) *cobra.Command {
	return e.WithConfig(&cobra.Command{
		Use: "init", Short: "Make the state folder, a SQLite database and the keys, once", Args: tool.NoWords,
		Long: "Makes the state folder, a SQLite database and the keys that a server begins with, and changes nothing that is there.\n" +
			"A PostgreSQL database must have been migrated; keys in Vault are made by `hopnhat keys vault-setup`.",
		Example: tool.Lines("hopnhat init --state /var/lib/hopnhat"),
	}, config.Init, func(ctx context.Context, c *node.Config, _ []string) error {
		if err := c.Initialise(ctx); err != nil {
			return err
		}
		e.Printf("database %s and its keyring are there; next: `hopnhat client add`, `hopnhat serve`\n", sqldb.Redacted(c.Database))
		return nil
	})
}

// collectAt is how far the memory of a server grows, in percent of what it holds, until what
// is no longer used is collected: the 19 MiB of one Argon2id are as much as all else that a
// server holds, and every other sign-in would begin a collection. GOMEMLIMIT bounds it.
const collectAt = 200

// collect sets collectAt, unless the environment has GOGC.
func collect(environment func(name string) (string, bool)) {
	if _, ok := environment("GOGC"); !ok {
		debug.SetGCPercent(collectAt)
	}
}
