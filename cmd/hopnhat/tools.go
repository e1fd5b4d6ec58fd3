package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/identity"
	"hopnhat/authz/registration"
	"hopnhat/store"
	"hopnhat/store/proof"
	"hopnhat/store/registry"
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
	return cfg, f.Args(), load(e)
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
			return fmt.Errorf("there is no %q here; did you mean %q?", args[0], nearest(args[0], names))
		}
		sub := c
		sub.name = c.name + " " + args[0]
		return run(ctx, sub, e, args[1:])
	}
	return c
}

var migrateCommand = command{
	name: "migrate", summary: "Bring the database schema to this program's version", usage: "migrate [flags]",
	example: "hopnhat migrate --database postgres://migrator@db/hopnhat",
	run: func(ctx context.Context, self command, e env, args []string) error {
		c, _, err := begin(self, e, args, nil)
		if err != nil {
			return err
		}
		db, err := store.Open(ctx, store.Options{DSN: c.Database})
		if err != nil {
			return err
		}
		defer db.Close()
		return db.Migrate(ctx, func(step string) { fmt.Fprintln(e.out, step) })
	},
}

var registryCommand = verbs(command{
	name: "registry", summary: "Generate a synthetic nation, or say what is there", usage: "registry generate|status [flags]",
	example: "hopnhat registry generate --persons 20000 --seed 1",
}, map[string]func(ctx context.Context, c command, e env, args []string) error{
	"generate": func(ctx context.Context, c command, e env, args []string) error {
		o := registry.Options{}
		cfg, _, err := begin(c, e, args, func(f flags) {
			f.IntVar(&o.Persons, "persons", 20_000, "how many persons")
			f.Int64Var(&o.Seed, "seed", 1, "the same seed makes the same nation")
			f.BoolVar(&o.Reset, "reset", false, "replace what is there")
		})
		if err != nil {
			return err
		}
		if err := cfg.makeState(); err != nil {
			return err
		}
		db, err := registry.Open(ctx, cfg.Registry)
		if err != nil {
			return err
		}
		defer db.Close()
		return generateNation(ctx, e.out, db, o)
	},
	"status": func(ctx context.Context, c command, e env, args []string) error {
		cfg, _, err := begin(c, e, args, nil)
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

func generateNation(ctx context.Context, out io.Writer, db *registry.DB, o registry.Options) error {
	began := time.Now()
	last := time.Time{}
	o.Progress = func(done, total int) {
		if time.Since(last) > 300*time.Millisecond || done == total {
			last = time.Now()
			fmt.Fprintf(out, "  %7d of %d persons (%.0f a second)\n", done, total, float64(done)/time.Since(began).Seconds())
		}
	}
	return db.Generate(ctx, o)
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

var clientCommand = verbs(command{
	name: "client", summary: "Register, list, show or disable apps", usage: "client add|list|show|disable [flags] [FILE|ID]",
	example: "hopnhat client add apps.yaml",
}, map[string]func(ctx context.Context, c command, e env, args []string) error{
	"add":     withStore(clientAdd),
	"list":    withStore(clientList),
	"show":    withStore(clientShow),
	"disable": withStore(clientDisable),
})

// withStore opens what a tool needs of the state.
func withStore(run func(ctx context.Context, p *parts, e env, rest []string) error) func(ctx context.Context, c command, e env, args []string) error {
	return func(ctx context.Context, c command, e env, args []string) error {
		cfg, rest, err := begin(c, e, args, nil)
		if err != nil {
			return err
		}
		p, err := cfg.open(ctx, "")
		if err != nil {
			return err
		}
		return errors.Join(run(ctx, p, e, rest), p.close())
	}
}

// clientAdd registers the apps of a YAML file: a list of clients.
func clientAdd(ctx context.Context, p *parts, e env, rest []string) error {
	if len(rest) != 1 {
		return errors.New("name one YAML file with a list of clients")
	}
	raw, err := os.ReadFile(rest[0])
	if err != nil {
		return fmt.Errorf("reading the clients: %w", err)
	}
	list, err := registration.ParseYAML(raw)
	if err != nil {
		return fmt.Errorf("reading the clients of %s: %w", rest[0], err)
	}
	for _, m := range list {
		c, secret, err := p.register(ctx, m)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%s registered, profile %s\n", c.ID, c.Profile)
		if secret != "" {
			fmt.Fprintf(e.out, "  client_secret: %s\n  It is shown this once; only its hash is kept.\n", secret)
		}
	}
	return nil
}

func clientList(ctx context.Context, p *parts, e env, _ []string) error {
	w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tPROFILE\tMETHOD\tSTATE\tNAME")
	after := authz.ClientID("")
	for {
		list, err := p.db.Clients(ctx, after, 200)
		if err != nil {
			return err
		}
		for _, c := range list {
			state := "enabled"
			if c.Disabled {
				state = "disabled"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.ID, c.Profile, c.Method, state, c.Name.VI)
			after = c.ID
		}
		if len(list) < 200 {
			return w.Flush()
		}
	}
}

func oneClient(ctx context.Context, p *parts, rest []string) (*authz.Client, error) {
	if len(rest) != 1 {
		return nil, errors.New("name one client")
	}
	c, err := p.db.Client(ctx, authz.ClientID(rest[0]))
	if err != nil {
		return nil, fmt.Errorf("client %q: %w", rest[0], err)
	}
	return c, nil
}

func clientShow(ctx context.Context, p *parts, e env, rest []string) error {
	c, err := oneClient(ctx, p, rest)
	if err != nil {
		return err
	}
	text, err := registration.WriteYAML([]registration.Metadata{registration.Of(c)})
	if err != nil {
		return err
	}
	_, err = e.out.Write(text)
	return err
}

func clientDisable(ctx context.Context, p *parts, e env, rest []string) error {
	c, err := oneClient(ctx, p, rest)
	if err != nil {
		return err
	}
	c.Disabled = true
	if err := p.db.SaveClient(ctx, c); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%s disabled; servers follow within 5 s\n", c.ID)
	return nil
}

var accountCommand = verbs(command{
	name: "account", summary: "Lock, unlock, give a role to an account, or enrol synthetic persons", usage: "account lock|unlock|auditor|enrol [flags] [NUMBER]",
	example: "hopnhat account lock 099304000017",
}, map[string]func(ctx context.Context, c command, e env, args []string) error{
	"enrol": enrolCommand,
	"lock": withStore(onAccount(func(ctx context.Context, p *parts, a identity.Account) error {
		return p.db.Lock(ctx, a.Subject, "operator", time.Now())
	})),
	"unlock": withStore(onAccount(func(ctx context.Context, p *parts, a identity.Account) error { return p.db.Unlock(ctx, a.Subject) })),
	"auditor": withStore(onAccount(func(ctx context.Context, p *parts, a identity.Account) error {
		return p.db.GrantRole(ctx, a.Subject, "auditor", time.Now())
	})),
})

func onAccount(do func(ctx context.Context, p *parts, a identity.Account) error) func(ctx context.Context, p *parts, e env, rest []string) error {
	return func(ctx context.Context, p *parts, e env, rest []string) error {
		if len(rest) != 1 {
			return errors.New("name one number")
		}
		a, err := p.db.AccountOf(ctx, authz.PersonalNumber(rest[0]))
		if err != nil {
			return fmt.Errorf("the account: %w", err)
		}
		if err := do(ctx, p, a); err != nil {
			return err
		}
		fmt.Fprintln(e.out, "done")
		return nil
	}
}
