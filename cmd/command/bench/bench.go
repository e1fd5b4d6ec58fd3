// Package bench has the commands that measure: routes, and keys.
package bench

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz/authn"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/conformance/bench"
	"hopnhat/store/migrations"
)

// clusterVariables name a PostgreSQL cluster of this machine on which databases may be
// made.
var clusterVariables = []string{"HOPNHAT_BENCH_POSTGRES", "HOPNHAT_TEST_POSTGRES"}

// Bench is `hopnhat bench`.
func Bench(e *tool.Env) *cobra.Command {
	var file, stores, callers, routes string
	c := bench.Contest{Options: bench.Options{Out: e.Out}}
	o := &c.Options
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure every route on servers of its own: throughput, latency, and what one operation costs",
		Args:  tool.OneOfItsCommands,
		Long:  "Starts servers of its own, measures every route at each number of callers, and prints a line for each as it is done.",
		Example: tool.Lines(
			"hopnhat bench --store both --json bench.json",
			"hopnhat bench --against /opt/hopnhat-before --pairs 10 --json compared.json",
			"hopnhat bench keys",
			"hopnhat bench federation --apps 294",
		),
	}
	f := cmd.Flags()
	f.StringVar(&file, "json", "", "write one JSON object a line to this `file`")
	f.StringVar(&stores, "store", "",
		"sqlite, postgres or both (default: both when "+clusterVariables[0]+" names a cluster, else sqlite)")
	f.DurationVar(&o.Duration, "duration", 3*time.Second, "how long each route is measured at each number of callers")
	f.StringVar(&callers, "callers", "1,16,64", "numbers of callers, separated by commas")
	f.StringVar(&routes, "routes", "", "routes to measure, separated by commas: "+strings.Join(bench.Names(), ", "))
	f.IntVar(&o.Accounts, "accounts", 3000, "persons who can sign in; a code is good once, so each can every 30 s")
	f.StringVar(&c.Against, "against", "",
		"compare the CPU time of an operation with that of this `program`, which may be of the release before, on the main routes")
	f.IntVar(&c.Pairs, "pairs", 10, "how often the two programs of --against are measured in turn")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if c.Against != "" { // what is not said is chosen for a comparison
			for flag, into := range map[string]func(){
				"callers":  func() { callers = "16" },
				"routes":   func() { routes = strings.Join(bench.MainRoutes, ",") },
				"accounts": func() { o.Accounts = 6000 },
			} {
				if !cmd.Flags().Changed(flag) {
					into()
				}
			}
		}
		return measureRoutes(cmd.Context(), e, c, file, stores, callers, routes)
	}
	cmd.AddCommand(benchKeys(e), benchFederation(e))
	return cmd
}

func measureRoutes(ctx context.Context, e *tool.Env, o bench.Contest, file, stores, callers, routes string) error {
	if o.Duration <= 0 || o.Accounts < 100 {
		return errors.New("--duration must be more than zero and --accounts at least 100")
	}
	if o.Pairs < 1 {
		return errors.New("--pairs must be at least 1")
	}
	o.Routes = node.List(routes)
	for _, r := range o.Routes {
		if !slices.Contains(bench.Names(), r) {
			return fmt.Errorf("there is no route %q%s", r, config.DidYouMean(r, bench.Names()))
		}
	}
	var err error
	if o.Callers, err = numbers(callers, 1024); err != nil {
		return err
	}
	if o.Against != "" && len(o.Callers) != 1 {
		return errors.New("--callers must be one number with --against")
	}
	cluster := ""
	for _, name := range clusterVariables {
		if v, ok := e.Lookup(name); ok && v != "" && cluster == "" {
			cluster = v
		}
	}
	names, err := benchStores(stores, cluster)
	if err != nil {
		return err
	}
	if file != "" {
		out, err := os.Create(file)
		if err != nil {
			return fmt.Errorf("writing the results: %w", err)
		}
		defer out.Close()
		o.JSON = out
	}
	if o.Program, err = os.Executable(); err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	o.Ready = func(pid int, base string) { e.Printf("server %d at %s\n", pid, base) }
	if o.Against == "" {
		if err := passwordHash(ctx, e.Out); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := benchOn(ctx, o, name, cluster); err != nil {
			return err
		}
	}
	return nil
}

// numbers reads numbers of callers.
func numbers(list string, most int) (out []int, err error) {
	for _, word := range node.List(list) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > most {
			return nil, fmt.Errorf("--callers: %q is not a number from 1 to %d", word, most)
		}
		out = append(out, n)
	}
	return out, nil
}

func benchStores(wanted, cluster string) ([]string, error) {
	none := errors.New("--store postgres needs " + clusterVariables[0] + ": a postgres:// URL of a cluster on this machine, with " +
		"the right to create databases")
	switch {
	case wanted == "sqlite", wanted == "" && cluster == "":
		return []string{"sqlite"}, nil
	case wanted != "" && wanted != "both" && wanted != "postgres":
		return nil, fmt.Errorf("--store: there is no %q; it is sqlite, postgres or both", wanted)
	case cluster == "":
		return nil, none
	case wanted == "postgres":
		return []string{"postgres"}, nil
	}
	return []string{"sqlite", "postgres"}, nil
}

// passwordHash measures Argon2id at its real cost, which the routes leave out.
func passwordHash(ctx context.Context, out io.Writer) error {
	const hashes = 20
	memory := node.Defaults().Argon2KiB
	hasher := authn.NewHasher(authn.Argon2{MemoryKiB: uint32(memory), Passes: 2, Lanes: 1})
	began := time.Now()
	for range hashes {
		if _, err := hasher.Hash(ctx, "mau-an-2026"); err != nil {
			return err
		}
	}
	each := time.Since(began) / hashes
	fmt.Fprintf(out, "Argon2id, %d KiB, 2 passes: %.1f ms each, %.0f a second on one core; the routes below run with 64 KiB\n",
		memory, each.Seconds()*1000, 1/each.Seconds())
	return nil
}

func benchOn(ctx context.Context, o bench.Contest, name, cluster string) (err error) {
	s := bench.Store{Name: name}
	if name == "postgres" {
		admin, err := sql.Open("pgx", cluster)
		if err != nil {
			return fmt.Errorf("opening the cluster: %w", err)
		}
		defer admin.Close()
		admin.SetMaxOpenConns(1)
		var pid int
		if err := admin.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
			return fmt.Errorf("asking the cluster: %w", err)
		}
		if s.CPU, err = bench.ClusterCPU(pid); err != nil {
			return err
		}
		databases := []*string{&s.Database, &s.Registry}
		if o.Against != "" {
			databases = append(databases, &o.Databases.Database, &o.Databases.Registry)
		}
		for _, into := range databases {
			drop, err := benchDatabase(ctx, admin, cluster, into)
			if err != nil {
				return err
			}
			defer drop()
		}
	}
	if o.Against != "" {
		_, err = bench.Compare(ctx, o, s)
	} else {
		_, err = bench.Run(ctx, o.Options, s)
	}
	return err
}

// benchDatabase makes an empty database; drop drops it.
func benchDatabase(ctx context.Context, admin *sql.DB, cluster string, into *string) (drop func(), err error) {
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	name := "hopnhat_bench_" + hex.EncodeToString(b[:])
	u, err := url.Parse(cluster)
	if err != nil {
		return nil, errors.New("the cluster must be named by a postgres:// URL")
	}
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+name+" ENCODING 'UTF8' TEMPLATE template0 "+migrations.ByteOrder); err != nil {
		return nil, fmt.Errorf("making a database: %w", err)
	}
	u.Path = "/" + name
	*into = u.String()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_, _ = admin.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	}, nil
}
