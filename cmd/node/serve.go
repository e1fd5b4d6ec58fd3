package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"hopnhat/cmd/node/losses"
	"hopnhat/cmd/node/ports"
	"hopnhat/cmd/node/purge"
	"hopnhat/store"
	"hopnhat/web"
)

// How long accepted requests may take to finish at the end. A node that lost its site
// must be gone before the next writer of the log begins.
const (
	stopBound = 20 * time.Second
	lostBound = 2 * time.Second
)

// running is what a node that serves has going.
type running struct {
	issuer, alias net.Listener // alias is nil where there is none
	failed        chan error   // why a listener ended by itself
	background    sync.WaitGroup
	end           context.CancelFunc // of the background
	stopped       sync.Once
}

// Start assembles a node and lets it serve. It is ended by [Node.Wait] or [Node.Stop].
func Start(ctx context.Context, c *Config, o Options) (*Node, error) {
	if err := errors.Join(c.Complete(), c.CheckFiles()); err != nil {
		return nil, err
	}
	n, err := New(ctx, c, o)
	if err != nil {
		return nil, err
	}
	if err := n.listen(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// listen opens the ports and begins what goes on in the background.
func (n *Node) listen() (err error) {
	r := &n.running
	alias := n.Config.MTLSListen
	if !n.has(releasing...) {
		alias = "" // nothing of this node's is answered there
	}
	if r.issuer, r.alias, err = ports.Listen(n.Config.Listen, alias); err != nil {
		return err
	}
	r.failed = make(chan error, 2)
	background, end := context.WithCancel(context.Background())
	r.end = end
	r.background.Go(func() { n.watch.Run(background) })
	if n.has(recording...) {
		r.background.Go(func() { n.board.Run(background) })
	}
	if n.has(web.LogWriter) {
		r.background.Go(func() { losses.Watch(background, func() string { return unexplained(n) }, n.applyLosses) })
	}
	r.background.Go(func() { n.federation.Run(background) })
	r.background.Go(func() { n.regional.Run(background) })
	if n.reconciling != nil {
		r.background.Go(func() { n.counting.Run(background) })
		r.background.Go(func() { n.reconciling.Run(background) })
	}
	if n.has(web.Provider) {
		for _, work := range []func(context.Context){n.deliverer.Run, n.pinger.Run, func(ctx context.Context) { purge.Run(ctx, n.purges()) }} {
			r.background.Go(func() { work(background) })
		}
	}
	go func() { r.failed <- n.server.Serve(r.issuer) }()
	if r.alias != nil {
		go func() { r.failed <- n.server.ServeMutualTLS(r.alias) }()
	}
	return nil
}

// Addr is where the node listens.
func (n *Node) Addr() net.Addr { return n.running.issuer.Addr() }

// Wait serves until ctx ends, a listener fails or another node takes the site, and
// stops the node then.
func (n *Node) Wait(ctx context.Context) error {
	select {
	case err := <-n.running.failed:
		return n.stop(err, stopBound)
	case err := <-n.log.Taken():
		// A log has one writer: what was not written yet is not.
		return n.stop(fmt.Errorf("another node has taken the site %s, which this one had not shown itself at for %s, or started from a copy of this folder; this one stops, so that the log of the site has one writer: %w", n.Config.Site, store.SiteLease, err), lostBound)
	case <-ctx.Done():
		return n.Stop()
	}
}

// Stop lets the requests that were accepted finish before anything they need is closed.
// Of several calls the first stops the node.
func (n *Node) Stop() error { return n.stop(nil, stopBound) }

// stop ends a node that stops for a cause, nil if it was asked to.
func (n *Node) stop(cause error, bound time.Duration) (err error) {
	n.running.stopped.Do(func() {
		shutdown, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		err = n.server.Shutdown(shutdown)
		n.running.end()
		n.running.background.Wait()
		err = errors.Join(cause, err, n.Close())
	})
	return err
}
