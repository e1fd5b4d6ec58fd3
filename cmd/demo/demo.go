// Package demo runs a nation on one machine: provider, broker, portals, invented persons
// and two sample apps, in a state folder of its own.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/cmd/command/app"
	"hopnhat/cmd/command/house"
	"hopnhat/cmd/command/person"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/logging"
	"hopnhat/cmd/node"
	"hopnhat/conformance/sampleapp"
	"hopnhat/store/registry"
	"hopnhat/store/registry/nation"
	"hopnhat/web/signin"
)

// Demo is `hopnhat demo`.
func Demo(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "demo", Short: "Run a nation on this machine: provider, broker, portals and two sample apps", Args: tool.NoWords,
		Long: "Runs a nation on this machine: provider, broker, portals, invented persons and two sample apps, on SQLite and a keystore\n" +
			"in files. Everything is kept in the state folder, and goes on at the next start.",
		Example: tool.Lines("hopnhat demo", "hopnhat demo --port 9000 --state /tmp/nation --persons 300", "hopnhat demo --vneid", "hopnhat demo --federation"),
	}
	port := cmd.Flags().Int("port", 8440, "port of the provider; the apps take the next two")
	persons := cmd.Flags().Int("persons", 20_000, "size of the synthetic nation")
	reset := cmd.Flags().Bool("reset", false, "begin again: empties the demonstration's state folder")
	codes := cmd.Flags().Bool("codes", false, "only print the current one-time codes")
	federation := cmd.Flags().Bool("federation", false, "run the federation of the nation instead: a trust anchor, 2 ministries, the provinces and apps of theirs")
	simulate := cmd.Flags().Bool("vneid", false, "run a simulator of VNeID beside it, on the next port but two, by which people sign in too")
	flags := config.AddFlags(cmd, config.Demo)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c := node.Defaults()
		c.Issuer, c.Listen = fmt.Sprintf("http://localhost:%d", *port), fmt.Sprintf("127.0.0.1:%d", *port)
		// The log's name stays when the port changes: it is in every checkpoint.
		c.LogOrigin = "demo.hopnhat.invalid/release/dc1"
		if _, err := flags.Load(e.Environment, &c); err != nil {
			return err
		}
		if *codes {
			return printCodes(cmd.Context(), &c, e)
		}
		if *federation {
			return runFederation(cmd.Context(), e, &c, *port)
		}
		return run(cmd.Context(), e, &c, *port, *persons, *reset, *simulate)
	}
	return cmd
}

func run(ctx context.Context, e *tool.Env, c *node.Config, port, persons int, reset, simulate bool) error {
	if err := errors.Join(c.CheckFiles(), portsFree(port, port+1, port+2)); err != nil {
		return err
	}
	e.Println("Hopnhat – trình diễn / demonstration")
	unlock, err := prepareState(c.State, reset)
	if err != nil {
		return err
	}
	defer unlock()
	logFile, err := os.OpenFile(filepath.Join(c.State, "hopnhat.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the state folder %s cannot be written: %w", c.State, err)
	}
	defer logFile.Close()
	logger, err := logging.New(logFile, c.LogLevel)
	if err != nil {
		return err
	}
	slog.SetDefault(logger)
	if err := prepareNation(ctx, e, c, persons); err != nil {
		return err
	}
	e.Println("• Preparing accounts, apps and keys …")
	apps, err := prepareApps(ctx, c, port)
	if err != nil {
		return errStateUnusable(c.State, err)
	}
	if simulate {
		if err := nameSimulator(c, port+3); err != nil {
			return err
		}
	}
	var links []signin.DemoApp
	for _, a := range apps {
		links = append(links, signin.DemoApp{Client: authz.ClientID(a.ClientID), URL: a.Home + "/"})
	}
	server, err := node.Start(ctx, c, node.Options{Demo: links, Pushes: e.Out})
	if err != nil {
		return errStateUnusable(c.State, err)
	}
	var servers []*http.Server
	for i, a := range apps {
		s := &http.Server{
			Addr: fmt.Sprintf("127.0.0.1:%d", port+1+i), Handler: sampleapp.New(a).Handler(), ReadHeaderTimeout: 5 * time.Second,
		}
		l, err := net.Listen("tcp", s.Addr)
		if err != nil {
			return errors.Join(fmt.Errorf("listening on %s: %w; choose another with --port", s.Addr, err), server.Stop())
		}
		servers = append(servers, s)
		go func() { _ = s.Serve(l) }()
	}
	if simulate {
		ready := make(chan string, 1)
		ended := make(chan error, 1)
		go func() { ended <- serveSimulator(ctx, server.Base, port+3, func(issuer string) { ready <- issuer }) }()
		select {
		case issuer := <-ready:
			e.Printf("• VNeID (giả lập / simulator): %s\n", issuer)
		case err := <-ended:
			return errors.Join(err, server.Stop())
		}
	}
	welcome(ctx, server.Base, apps, e)
	err = server.Wait(ctx)
	shutdown, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, s := range servers {
		err = errors.Join(err, s.Shutdown(shutdown))
	}
	return err
}

func portsFree(ports ...int) error {
	for _, port := range ports {
		address := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("port %d is in use or not allowed: %w; choose another with --port (it takes three in a row)", port, err)
		}
		l.Close()
	}
	return nil
}

func prepareNation(ctx context.Context, e *tool.Env, c *node.Config, persons int) error {
	db, err := registry.Create(ctx, c.Registry)
	if err != nil {
		return err
	}
	defer db.Close()
	status, err := db.Status(ctx)
	switch {
	case errors.Is(err, registry.ErrEmpty):
		e.Printf("• Generating a synthetic nation of %d persons …\n", persons)
		return house.Generate(ctx, e, db, nation.Options{Persons: persons, Seed: 2026})
	case errors.Is(err, registry.ErrHalf):
		return fmt.Errorf("the state in %s is half-written, an earlier start was cut short; the same command with --reset begins again",
			c.State)
	case err != nil:
		return err
	}
	e.Printf("• The nation is there: %d persons, %d organisations\n", status.Persons, status.Organisations)
	return nil
}

// people are synthetic: numbers with prefix 099 were never given out.
var people = []person.Synthetic{
	{Number: "099304000017", Password: "mau-an-2026"},
	{Number: "099078000112", Password: "mau-binh-2026"},
	{Number: "099180000305", Password: "mau-chi-2026", Role: authz.Auditor},
}

// prepareApps opens the accounts of people and registers the sample apps.
func prepareApps(ctx context.Context, c *node.Config, port int) ([]sampleapp.Config, error) {
	if err := c.Initialise(ctx); err != nil {
		return nil, err
	}
	b, err := node.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	apps, err := registerApps(ctx, b, port)
	return apps, errors.Join(err, b.Close())
}

func registerApps(ctx context.Context, b *node.Base, port int) ([]sampleapp.Config, error) {
	registers, err := registry.Open(ctx, b.Config.Registry)
	if err != nil {
		return nil, err
	}
	defer registers.Close()
	for _, one := range people {
		if err := person.Enrol(ctx, b, registers, one); err != nil {
			return nil, fmt.Errorf("preparing a login: %w", err)
		}
	}
	apps := sampleApps(b.Config.Issuer, port)
	for i := range apps {
		apps[i].Labels = labels(b.Catalogue, apps[i].Details)
		// The key is the app's own; the provider only registers its public half.
		private, public, err := sampleapp.KeyFile(filepath.Join(b.Config.State, "apps", apps[i].ClientID+".jwk"))
		if err != nil {
			return nil, err
		}
		apps[i].Key = private
		if _, _, err := app.Register(ctx, b, registrationOf(apps[i], public), nil); err != nil {
			return nil, err
		}
	}
	return apps, nil
}
