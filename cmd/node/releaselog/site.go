package releaselog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/cmd/node/watch"
	"hopnhat/store"
	"hopnhat/store/tlog/seat"
)

// nameSelf names this node among those of its site.
func nameSelf(o Options) (store.Node, error) {
	folder, err := filepath.Abs(o.State)
	if err != nil {
		return store.Node{}, err
	}
	host, err := os.Hostname()
	if err != nil {
		return store.Node{}, err
	}
	id, err := folderID(filepath.Join(folder, "node"))
	if err != nil {
		return store.Node{}, err
	}
	return store.Node{Place: host + ":" + folder, Folder: id, Run: authz.NewID(), Address: o.Address}, nil
}

// folderID is the random name of a state folder, made at the first start: a machine
// that was set up as another is has its name and paths, and is another node.
func folderID(path string) (string, error) {
	made, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = made.WriteString(authz.NewID() + "\n")
		err = errors.Join(err, made.Sync(), made.Close())
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("naming the state folder: %w", err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the name of the state folder: %w", err)
	}
	id := strings.TrimSpace(string(raw))
	if id == "" || len(id) > 64 {
		return "", fmt.Errorf("%s, which names this state folder, is damaged: remove it while no server runs on the folder", path)
	}
	return id, nil
}

// lease is the lease of the site, in the database.
type lease struct{ log *Log }

// Take takes the site if no other node has it.
func (l lease) Take(ctx context.Context) error {
	now := time.Now()
	err := l.log.o.Sites.TakeSite(ctx, l.log.o.Site, l.log.self)
	if errors.Is(err, store.ErrSiteTaken) {
		return fmt.Errorf("%w: %w", seat.ErrTaken, err)
	}
	if err == nil {
		l.log.seen.Store(now.UnixNano())
	}
	return err
}

// Leave lets another node have the site at once.
func (l lease) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return l.log.o.Sites.LeaveSite(ctx, l.log.o.Site, l.log.self)
}

// Writer is where other nodes reach the log of the node that has the site.
func (l lease) Writer(ctx context.Context) (string, error) {
	holder, err := l.log.o.Sites.Holder(ctx, l.log.o.Site)
	return holder.Address, err
}

// Beat is one small write, which shows that this node lives and, where it writes the log,
// has its site. One that lost the site follows the node that has it, if it can.
func (l *Log) Beat(ctx context.Context) error {
	if !l.Writes() {
		l.follow(ctx)
		return l.o.Sites.Attend(ctx, l.o.Site, l.self)
	}
	err := l.showSite(ctx)
	if !errors.Is(err, store.ErrSiteTaken) {
		return err
	}
	address, lookErr := lease{l}.Writer(ctx)
	if lookErr != nil || address == "" {
		l.lose(err)
		return err
	}
	go func(ctx context.Context) { l.Lost(ctx); l.follow(ctx) }(context.WithoutCancel(ctx))
	return l.o.Sites.Attend(ctx, l.o.Site, l.self)
}

// showSite shows that this node has its site.
func (l *Log) showSite(ctx context.Context) error {
	now := time.Now()
	if err := l.o.Sites.Beat(ctx, l.o.Site, l.self); err != nil {
		return err
	}
	l.seen.Store(now.UnixNano())
	return nil
}

// holdsSite returns an error when another node may have the site: this one has not shown
// itself for long, by a clock that runs while the process is stopped, and cannot now. What
// was written to the log then is not acknowledged. A clock that was put back says nothing.
func (l *Log) holdsSite() error {
	ago := time.Since(time.Unix(0, l.seen.Load()))
	if 0 <= ago && ago < store.SiteLease/2 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), watch.Bound)
	defer cancel()
	if err := l.showSite(ctx); err != nil {
		return fmt.Errorf("this node last showed %s ago that it has the site, and another may have it: %w", ago.Round(time.Second), err)
	}
	return nil
}

// Taken has an error once another node has the site and this one cannot follow it: it must
// stop, since a log has one writer.
func (l *Log) Taken() <-chan error { return l.taken }

// lose tells the server once that another node has its site.
func (l *Log) lose(err error) {
	select {
	case l.taken <- err:
	default:
	}
}
