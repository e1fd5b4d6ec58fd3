package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hopnhat/store"
)

// Serve runs until ctx ends, then lets the requests that were accepted finish
// before anything they need is closed.
func (n *Node) Serve(ctx context.Context, ready func()) error {
	background, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		var both sync.WaitGroup
		both.Go(func() { n.deliverer.Run(background) })
		both.Go(func() { n.pinger.Run(background) })
		both.Wait()
	}()
	go n.purge(background)
	go n.watch.run(background)
	failed := make(chan error, 2)
	issuer, alias, err := n.Config.listen()
	if err != nil {
		stop()
		<-done
		return errors.Join(err, n.Close())
	}
	go func() { failed <- n.server.Serve(issuer) }()
	if alias != nil {
		go func() { failed <- n.server.ServeMutualTLS(alias) }()
	}
	ready()
	select {
	case err = <-failed:
	case err = <-n.lost:
		// A log has one writer: what was not written yet is not.
		err = fmt.Errorf("another node has taken the site %s, which this one had not shown itself at for %s, or started from a copy of this folder; this one stops, so that the log of the site has one writer: %w", n.Config.Site, store.SiteLease, err)
		shutdown, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err = errors.Join(err, n.server.Shutdown(shutdown))
		cancel()
	case <-ctx.Done():
		shutdown, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		err = n.server.Shutdown(shutdown)
		cancel()
	}
	stop()
	<-done
	return errors.Join(err, n.Close())
}

// purge deletes what has expired, a bounded batch at a time.
func (n *Node) purge(ctx context.Context) {
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
			func() (int64, error) { return n.DB.PurgeGrants(ctx, now.Add(-24*time.Hour), batch) },
			// Nobody takes what has expired; a minute is for clocks that are apart.
			func() (int64, error) { return n.DB.PurgeSpent(ctx, now.Add(-time.Minute), batch) },
			func() (int64, error) { return n.DB.PurgeUses(ctx, now.Add(-48*time.Hour), batch) },
			func() (int64, error) { return n.DB.PurgeSessions(ctx, now, batch) },
			func() (int64, error) {
				return n.DB.PurgeKeyBook(ctx, now.Add(-max(30*24*time.Hour, n.Config.KeyOverlap)), batch)
			},
			func() (int64, error) {
				n, err := n.DB.ExpireConsents(ctx, now, batch)
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
