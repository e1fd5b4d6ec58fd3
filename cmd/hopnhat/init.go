package main

import (
	"context"
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
		if err := c.Initialise(ctx); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "database %s and its keyring are there; next: `hopnhat client add`, `hopnhat serve`\n", sqldb.Redacted(c.Database))
		return nil
	},
}
