package main

import (
	"context"
	"errors"
	"fmt"

	"hopnhat/store/sqldb"
)

var initCommand = command{
	name: "init", summary: "Begin a house: make the state folder, a SQLite database and the keys, once", usage: "init [flags]",
	example: "hopnhat init --state /var/lib/hopnhat",
	run: func(ctx context.Context, self command, e env, args []string) error {
		c, err := alone(self, e, args, nil)
		if err != nil {
			return err
		}
		if err := c.initialise(ctx); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "database %s and its keyring are there; next: `hopnhat client add`, `hopnhat serve`\n", sqldb.Redacted(c.Database))
		return nil
	},
}

// initialise makes the state folder, database and keys that a server begins with, and
// changes nothing that is there: a PostgreSQL database must have been migrated, and
// keys in Vault are made by `hopnhat keys vault-setup`.
func (c *config) initialise(ctx context.Context) error {
	db, err := c.openDatabase(ctx, true)
	if err != nil {
		return err
	}
	k, err := c.openKeys(ctx, db, "", true)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	return errors.Join(k.Close(), db.Close())
}
