package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit/incident"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/authz/audit/trees"
	"hopnhat/cmd/node/counting"
	"hopnhat/cmd/node/reconciling"
	"hopnhat/cmd/node/releaselog"
	"hopnhat/store/counters"
	"hopnhat/store/streams"
	"hopnhat/store/tlog"
)

// Evidence is the evidence of this site as it is held against its log, by a tool that has
// the log's folder before it.
func (b *Base) Evidence() reconciling.Evidence {
	c := b.Config
	archives := releaselog.Archives(c.State, c.LogOrigin, c.LogFolder)
	return b.evidence(nil, func(ctx context.Context, origin string) (reconciling.Entries, error) {
		for _, archive := range archives {
			if _, err := tlog.ParseName(archive.Log, origin); err == nil {
				return archive.Reader(ctx, origin)
			}
		}
		return nil, authz.ErrNotFound
	})
}

func (b *Base) evidence(
	pause func(ctx context.Context, worked time.Duration) error,
	leaves func(ctx context.Context, origin string) (reconciling.Entries, error),
) reconciling.Evidence {
	source := streams.Source{Handle: b.DB.Handle, Seals: rowseal.New(b.Ring), Pause: pause, Upgrading: b.DB.Upgrading}
	e := reconciling.Evidence{
		Source: source, Leaves: leaves, Standing: reconciling.Standings(b.DB, source, b.Pseudonyms), Now: time.Now,
		Heads: b.heads, Counters: b.counters(), Early: b.DB.UpgradeEnds,
		Links: reconciling.Links(source, b.DB.Upstreams, b.Pseudonyms), Enrolments: b.DB.Enrolments.Unexplained,
	}
	e.Agreements = reconciling.Agreements(source, b.DB.Leaves.Book, b.Pseudonyms, e.Leaf)
	return e
}

// heads are those of both logs of the site.
func (b *Base) heads(ctx context.Context) ([]trees.Head, error) {
	released, err1 := b.DB.Heads.Shards(ctx, b.Config.LogOrigin)
	agreed, err2 := b.DB.Heads.Shards(ctx, releaselog.ConsentOrigin(b.Config.LogOrigin))
	all := append(released, agreed...)
	slices.SortFunc(all, func(a, b trees.Head) int { return strings.Compare(a.Origin, b.Origin) })
	return all, errors.Join(err1, err2)
}

func (b *Base) counters() counters.Book {
	return counters.Book{Handle: b.DB.Handle, Events: b.DB.Leaves.Book}
}

// counter counts the entries of the logs that a node writes.
func counter(n *Node) *counting.Job {
	return &counting.Job{
		Book: n.counters(), Heads: n.heads, Rows: n.DB.Leaves.PlacesBeyond, Open: n.Copies.Open, Now: time.Now,
		Writes: func() bool { return n.log.Writes() }, Explained: func() error { return n.log.Explained() },
	}
}

// Desk opens and closes incidents for a tool, whose events the recorder of a server logs.
func (b *Base) Desk(name string) *incident.Desk {
	return &incident.Desk{Store: b.DB.Incidents, Scribe: b.Scribe(), Node: b.Config.Site + "-" + name, Now: time.Now}
}

// makeReconciling makes what holds the evidence of the site against its log, on nodes that
// may write that.
func (n *Node) makeReconciling(context.Context) error {
	leaves := func(ctx context.Context, origin string) (reconciling.Entries, error) {
		return n.log.Reader(ctx, origin)
	}
	evidence := n.evidence(reconciling.Share(n.Config.ReconcileShare), leaves)
	n.reconciling = &reconciling.Job{
		Evidence: evidence,
		Late:     &reconciling.Late{Events: n.DB, Append: n.logs.Append, Site: n.Config.Site, Now: time.Now},
		Desk:     n.desk(), Looks: n.DB.Incidents,
		Site: n.Config.Site, Writes: n.log.Writes,
	}
	return nil
}
