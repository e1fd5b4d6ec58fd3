package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hopnhat/store"
)

var serveCommand = command{
	name: "serve", summary: "Run the server: provider, broker, portals", usage: "serve [flags]",
	example: "hopnhat serve --config /etc/hopnhat.yaml",
	run:     serve,
}

func serve(ctx context.Context, self command, e env, args []string) error {
	c, err := alone(self, e, args, nil)
	if err != nil {
		return err
	}
	logger, err := newLogger(e.err, c.LogLevel)
	if err != nil {
		return err
	}
	slog.SetDefault(logger)
	// What could not be served with is said before anything is opened.
	if err := errors.Join(c.check(), c.portsFree()); err != nil {
		return err
	}
	p, err := c.assemble(ctx, nil, e.err)
	if err != nil {
		return err
	}
	return p.serve(ctx, func() { slog.Info("serving", "issuer", c.Issuer, "listen", c.Listen) })
}

// serve runs until ctx ends, then lets the requests that were accepted finish
// before anything they need is closed.
func (p *parts) serve(ctx context.Context, ready func()) error {
	background, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		var both sync.WaitGroup
		both.Go(func() { p.deliverer.Run(background) })
		both.Go(func() { p.pinger.Run(background) })
		both.Wait()
	}()
	go p.purge(background)
	go p.watch.run(background)
	failed := make(chan error, 2)
	issuer, alias, err := p.c.listen()
	if err != nil {
		stop()
		<-done
		return errors.Join(err, p.close())
	}
	go func() { failed <- p.server.Serve(issuer) }()
	if alias != nil {
		go func() { failed <- p.server.ServeMutualTLS(alias) }()
	}
	ready()
	select {
	case err = <-failed:
	case err = <-p.lost:
		// A log has one writer: what was not written yet is not.
		err = fmt.Errorf("another node has taken the site %s, which this one had not shown itself at for %s, or started from a copy of this folder; this one stops, so that the log of the site has one writer: %w", p.c.Site, store.SiteLease, err)
		shutdown, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err = errors.Join(err, p.server.Shutdown(shutdown))
		cancel()
	case <-ctx.Done():
		shutdown, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		err = p.server.Shutdown(shutdown)
		cancel()
	}
	stop()
	<-done
	return errors.Join(err, p.close())
}

func portError(address string, err error) error {
	return fmt.Errorf("listening on %s: %w; choose another with --listen, or --port in the demonstration", address, err)
}

// purge deletes what has expired, a bounded batch at a time.
func (p *parts) purge(ctx context.Context) {
	const batch = 1000
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		for _, job := range []func() (int64, error){
			// Grants stay a day after they expired, so that reuse is still seen.
			func() (int64, error) { return p.db.PurgeGrants(ctx, now.Add(-24*time.Hour), batch) },
			// Nobody takes what has expired; a minute is for clocks that are apart.
			func() (int64, error) { return p.db.PurgeSpent(ctx, now.Add(-time.Minute), batch) },
			func() (int64, error) { return p.db.PurgeUses(ctx, now.Add(-48*time.Hour), batch) },
			func() (int64, error) { return p.db.PurgeSessions(ctx, now, batch) },
			func() (int64, error) {
				return p.db.PurgeKeyBook(ctx, now.Add(-max(30*24*time.Hour, p.c.KeyOverlap)), batch)
			},
			func() (int64, error) {
				n, err := p.db.ExpireConsents(ctx, now, batch)
				return int64(n), err
			},
		} {
			for ctx.Err() == nil {
				n, err := job()
				if err != nil {
					slog.Error("purging failed", "error", err)
					break
				}
				if n < batch {
					break
				}
			}
		}
	}
}
