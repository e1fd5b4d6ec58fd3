package house

import (
	"context"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/store"
	"hopnhat/store/migrations"
	"hopnhat/store/sqldb"
)

// Migrate is `hopnhat migrate`.
func Migrate(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the database schema to this program's version", Args: tool.NoWords,
		Long: "Brings the schema of the main database to this program's version, step by step; the release before goes on running on\n" +
			"it. With --print-roles it only prints the SQL that makes roles, databases and rights.",
		Example: tool.Lines("hopnhat migrate --print-roles | psql -U postgres",
			"hopnhat migrate --database postgres://hopnhat_migrate@db/hopnhat"),
	}
	roles := cmd.Flags().Bool("print-roles", false,
		"only print the SQL that makes roles, databases and rights, for psql as a superuser; names of databases are those "+
			"of database and registry")
	return e.WithConfig(cmd, config.Migrate, func(ctx context.Context, c *node.Config, _ []string) error {
		if *roles {
			sql := migrations.RolesSQL(databaseName(c.Database, "hopnhat"), databaseName(c.Registry, "hopnhat_registry"))
			_, err := io.WriteString(e.Out, sql)
			return err
		}
		if err := folderOf(c.Database); err != nil {
			return err
		}
		db, err := store.Open(ctx, store.Options{DSN: c.Database, Create: true, Unlimited: true})
		if err != nil {
			return err
		}
		defer db.Close()
		steps := 0
		if err := db.Migrate(ctx, func(step string) { steps++; e.Println(step) }); err != nil {
			return err
		}
		e.Printf("database %s has the schema of this program; steps taken: %d\n", sqldb.Redacted(c.Database), steps)
		return nil
	})
}

// folderOf makes the folder of a SQLite file.
func folderOf(database string) error {
	if sqldb.Postgres(database) {
		return nil
	}
	return sqldb.Folder(filepath.Dir(sqldb.Path(database)))
}

// databaseName is the name of a PostgreSQL database in its address; otherwise where
// there is none.
func databaseName(address, otherwise string) string {
	if !sqldb.Postgres(address) {
		return otherwise
	}
	u, err := url.Parse(address)
	if err != nil || strings.Trim(u.Path, "/") == "" {
		return otherwise
	}
	return strings.Trim(u.Path, "/")
}
