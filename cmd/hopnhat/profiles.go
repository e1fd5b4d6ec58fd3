package main

import (
	"context"

	"hopnhat/authz/registration"
)

// profilesCommand prints docs/profiles.md.
var profilesCommand = command{
	name: "profiles", summary: "Print what each profile demands and offers, as Markdown", usage: "profiles",
	example: "hopnhat profiles > docs/profiles.md",
	run: func(_ context.Context, c command, e env, args []string) error {
		if err := parse(c.flagSet(e), args); err != nil {
			return err
		}
		return registration.WriteProfiles(e.out)
	},
}
