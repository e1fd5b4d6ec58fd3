package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/identity"
	"hopnhat/store"
	"hopnhat/store/registry"
	"hopnhat/store/registry/nation"
	"hopnhat/store/sqldb"
)

// begin parses the flags of a tool that works on the state.
func begin(c command, e env, args []string, more func(f flags)) (*config, []string, error) {
	cfg := defaults()
	f := c.flagSet(e)
	load := cfg.configFlags(f)
	if more != nil {
		more(f)
	}
	if err := parse(f, args); err != nil {
		return nil, nil, err
	}
	// What stands behind a word is no flag to the parser, and would be passed over.
	// Behind -- everything is a word: a key id may begin with a dash.
	said := args[:len(args)-f.NArg()]
	explicit := len(said) > 0 && said[len(said)-1] == "--"
	for _, word := range f.Args() {
		if strings.HasPrefix(word, "-") && !explicit {
			return nil, nil, fmt.Errorf("%s stands behind %s: flags come first", word, f.Arg(0))
		}
	}
	return cfg, f.Args(), load(e)
}

// alone is begin for a command that takes no words.
func alone(c command, e env, args []string, more func(f flags)) (*config, error) {
	cfg, rest, err := begin(c, e, args, more)
	if err != nil {
		return nil, err
	}
	return cfg, none(rest)
}

// none refuses words that a command does not take: they would be passed over in
// silence, with the flags behind them.
func none(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("%q is not taken here: the command has flags only", rest[0])
	}
	return nil
}

// flags is the part of flag.FlagSet that a tool adds to.
type flags interface {
	StringVar(p *string, name, value, usage string)
	IntVar(p *int, name string, value int, usage string)
	Int64Var(p *int64, name string, value int64, usage string)
	BoolVar(p *bool, name string, value bool, usage string)
}

// verbs runs the second word of a command.
func verbs(c command, table map[string]func(ctx context.Context, c command, e env, args []string) error) command {
	c.run = func(ctx context.Context, c command, e env, args []string) error {
		var names []string
		for name := range table {
			names = append(names, name)
		}
		if len(args) == 0 || args[0] == "--help" || args[0] == "-h" {
			fmt.Fprintf(e.err, "%s\n\nUsage:\n  hopnhat %s\n\nExample:\n  %s\n", c.summary, c.usage, c.example)
			if len(args) == 0 {
				return errUsage
			}
			return nil
		}
		run, ok := table[args[0]]
		if !ok {
			return fmt.Errorf("there is no %q here%s; %s --help says what there is", args[0], meant(args[0], names), "hopnhat "+c.name)
		}
		sub := c
		sub.name = c.name + " " + args[0]
		return run(ctx, sub, e, args[1:])
	}
	return c
}

var migrateCommand = command{
	name: "migrate", summary: "Bring the database schema to this program's version", usage: "migrate [--print-roles] [flags]",
	example: "hopnhat migrate --print-roles | psql -U postgres\n  hopnhat migrate --database postgres://hopnhat_migrate@db/hopnhat",
	run: func(ctx context.Context, self command, e env, args []string) error {
		var roles bool
		c, err := alone(self, e, args, func(f flags) {
			f.BoolVar(&roles, "print-roles", false, "only print the SQL that makes roles, databases and rights, for psql as a superuser; names of databases are those of database and registry")
		})
		if err != nil {
			return err
		}
		if roles {
			_, err := io.WriteString(e.out, store.RolesSQL(databaseName(c.Database, "hopnhat"), databaseName(c.Registry, "hopnhat_registry")))
			return err
		}
		if !sqldb.Postgres(c.Database) {
			if err := sqldb.Folder(filepath.Dir(sqldb.Path(c.Database))); err != nil {
				return err
			}
		}
		db, err := store.Open(ctx, store.Options{DSN: c.Database, Create: true, Unlimited: true})
		if err != nil {
			return err
		}
		defer db.Close()
		steps := 0
		if err := db.Migrate(ctx, func(step string) { steps++; fmt.Fprintln(e.out, step) }); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "database %s has the schema of this program; steps taken: %d\n", sqldb.Redacted(c.Database), steps)
		return nil
	},
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

var registryCommand = verbs(command{
	name: "registry", summary: "Generate a synthetic nation, or say what is there", usage: "registry generate|status [flags]",
	example: "hopnhat registry generate --persons 20000 --seed 1",
}, map[string]func(ctx context.Context, c command, e env, args []string) error{
	"generate": func(ctx context.Context, c command, e env, args []string) error {
		o := nation.Options{}
		cfg, err := alone(c, e, args, func(f flags) {
			f.IntVar(&o.Persons, "persons", 20_000, "how many persons")
			f.Int64Var(&o.Seed, "seed", 1, "the same seed makes the same nation")
			f.BoolVar(&o.Reset, "reset", false, "replace what is there")
		})
		if err != nil {
			return err
		}
		if !sqldb.Postgres(cfg.Registry) {
			if err := sqldb.Folder(filepath.Dir(sqldb.Path(cfg.Registry))); err != nil {
				return err
			}
		}
		db, err := registry.Create(ctx, cfg.Registry)
		if err != nil {
			return err
		}
		defer db.Close()
		return generateNation(ctx, e.out, db, o)
	},
	"status": func(ctx context.Context, c command, e env, args []string) error {
		cfg, err := alone(c, e, args, nil)
		if err != nil {
			return err
		}
		db, err := registry.Open(ctx, cfg.Registry)
		if err != nil {
			return err
		}
		defer db.Close()
		s, err := db.Status(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%d persons, %d organisations, seed %d\n", s.Persons, s.Organisations, s.Seed)
		return nil
	},
})

func generateNation(ctx context.Context, out io.Writer, db *registry.DB, o nation.Options) error {
	began := time.Now()
	last, told := time.Time{}, 0
	o.Progress = func(done, total int) {
		if time.Since(last) > 300*time.Millisecond && done < total || done == total && told < total {
			last, told = time.Now(), done
			fmt.Fprintf(out, "  %7d of %d persons (%.0f a second)\n", done, total, float64(done)/time.Since(began).Seconds())
		}
	}
	return nation.Generate(ctx, db, o)
}

var auditCommand = verbs(command{
	name: "audit", summary: "Verify a proof file, without any network", usage: "audit verify [flags] PROOF",
	example: "hopnhat audit verify --log-key state/log.vkey hopnhat-0197.proof",
}, map[string]func(ctx context.Context, c command, e env, args []string) error{
	"verify": func(_ context.Context, _ command, e env, args []string) error {
		if code := proof.Run("hopnhat audit verify", args, e.out, e.err); code != 0 {
			return exitCode(code)
		}
		return nil
	},
})

// withStore opens what a tool needs of the state.
func withStore(run func(ctx context.Context, p *parts, e env, rest []string) error) func(ctx context.Context, c command, e env, args []string) error {
	return withStoreAnd(nil, run)
}

// withStoreAnd is withStore with flags of the tool's own.
func withStoreAnd(more func(f flags), run func(ctx context.Context, p *parts, e env, rest []string) error) func(ctx context.Context, c command, e env, args []string) error {
	return func(ctx context.Context, c command, e env, args []string) error {
		cfg, rest, err := begin(c, e, args, more)
		if err != nil {
			return err
		}
		p, err := cfg.open(ctx)
		if err != nil {
			return err
		}
		return errors.Join(run(ctx, p, e, rest), p.close())
	}
}

var accountCommand = verbs(command{
	name: "account", summary: "Lock, unlock or sign out an account, give or take a role, or enrol synthetic persons", usage: "account lock|unlock|sign-out|role|enrol [flags] [NUMBER]",
	example: "hopnhat account lock 099304000017",
}, map[string]func(ctx context.Context, c command, e env, args []string) error{
	"enrol": enrolCommand,
	"lock": withStore(onAccount(audit.AccountLocked, "account.lock", func(ctx context.Context, p *parts, a identity.Account) error {
		// The sessions end, logout tokens are queued, which a server delivers, and
		// nothing begins any more.
		if _, err := p.base.Sessions().EndAll(ctx, p.db, a.Subject, "locked"); err != nil {
			return err
		}
		return p.db.Lock(ctx, a.Subject, "operator", time.Now())
	})),
	"sign-out": withStore(onAccount(audit.SignedOut, "account.sign-out", func(ctx context.Context, p *parts, a identity.Account) error {
		_, err := p.base.Sessions().EndAll(ctx, p.db, a.Subject, "ended by an operator")
		return err
	})),
	"unlock": withStore(onAccount(audit.AccountUnlocked, "account.unlock", func(ctx context.Context, p *parts, a identity.Account) error {
		return p.db.Unlock(ctx, a.Subject)
	})),
	"role": func(ctx context.Context, _ command, e env, args []string) error {
		return roleCommand.run(ctx, roleCommand, e, args)
	},
})

// onAccount does something to an account that is evidence.
func onAccount(kind audit.Type, action string, do func(ctx context.Context, p *parts, a identity.Account) error) func(ctx context.Context, p *parts, e env, rest []string) error {
	return func(ctx context.Context, p *parts, e env, rest []string) error {
		if len(rest) != 1 {
			return errors.New("name one number")
		}
		if err := p.onAccount(ctx, rest[0], func(ctx context.Context, a identity.Account) (audit.Event, error) {
			if err := do(ctx, p, a); err != nil {
				return audit.Event{}, err
			}
			return p.changedAccount(ctx, a, kind, action)
		}); err != nil {
			return err
		}
		fmt.Fprintln(e.out, "done")
		return nil
	}
}

// onAccount finds the account of a number and changes it, with the event of the
// change in the same commit.
func (p *parts) onAccount(ctx context.Context, number string, change func(ctx context.Context, a identity.Account) (audit.Event, error)) error {
	a, err := p.db.AccountOf(ctx, authz.PersonalNumber(authz.Typed(number)))
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return errors.New("nobody has an account with this number; see hopnhat account enrol")
	case err != nil:
		return fmt.Errorf("the account: %w", err)
	}
	return p.administer(ctx, func(ctx context.Context) (audit.Event, error) { return change(ctx, a) })
}
